"""The viewer: the report as a page on this machine, where clips are dropped in and explained.

`app` is the page's server, `desk` holds clips and tasks, `guard` keeps other sites out.
"""
