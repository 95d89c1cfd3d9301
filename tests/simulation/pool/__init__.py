"""The third mode: each customer has a Unix user of the site's pool, and several customers compete for few.

The models are those of the first mode, with lease files, customers' directories and processes at the site
(site.py), another daemon that shares the pool, and an operator who returns users by hand (schedule.py).
"""
