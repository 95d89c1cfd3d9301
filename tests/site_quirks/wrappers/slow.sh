#!/bin/sh
# A controller that limits the rate of its clients.
sleep 3
exec @PROGRAM@ "$@"
