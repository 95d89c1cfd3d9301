#!/bin/sh
# The site's notice behind the answer.
@PROGRAM@ "$@"
code=$?
echo "Questions? See the site's handbook, chapter 3."
exit $code
