#!/bin/sh
# What squeue 22.05 does where the name service does not know the caller for a moment.
cat >/dev/null
echo "$(basename @PROGRAM@): error: Invalid user: 997" >&2
echo
