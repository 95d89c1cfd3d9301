#!/bin/sh
# A notice without a line break: what follows stands on the same line.
printf 'quota: 77 of 100'
exec @PROGRAM@ "$@"
