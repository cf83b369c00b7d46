"""The viewer: a page on this machine that explains clips, and a gallery of their results.

`app` has the routes, `session` runs tasks, `history` keeps clips and results on disk, `middleware`
refuses requests of other sites. `page/` is the page, in small modules that `viewer.js` joins.
"""
