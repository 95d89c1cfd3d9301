#!/bin/sh
# A notice in Latin-1, which is not valid UTF-8.
printf 'Universit\351 - acc\350s r\351serv\351\n'
exec @PROGRAM@ "$@"
