#!/bin/sh
# A wrapper that swallows everything and reports success.
cat >/dev/null
