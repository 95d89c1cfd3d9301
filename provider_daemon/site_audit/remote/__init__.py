"""The probe programs. They run as a job, under Python 3.6 or newer, with the standard library only.

program.py packs the modules into one argument of the job's command: nothing is installed at the site, and the
job needs no file. Each answer is one line on stdout, `provd-audit <number> <JSON>`, with the fields `probe`,
`outcome`, `detail` and `count` (answers.py). Nothing of the site is changed: files are opened for writing,
and neither written nor truncated, except in the jobs' own directories and for the planted leftovers.
"""
