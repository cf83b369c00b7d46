"""The viewer: a page on this machine that explains clips and shows the report.

`app` has the routes, `session` keeps clips and tasks, `middleware` refuses requests of other sites.
"""
