#!/bin/sh
# The site's notice where it belongs.
echo "NOTICE: maintenance on Friday, see the news page" >&2
exec @PROGRAM@ "$@"
