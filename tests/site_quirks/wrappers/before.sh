#!/bin/sh
# In front of a program: the site's notice on standard output, a line of its own.
echo "NOTICE: maintenance on Friday, see the news page"
echo
exec @PROGRAM@ "$@"
