#!/bin/sh
# A filter that writes a line of its own behind each line of the program.
text=$(@PROGRAM@ "$@") || exit
printf '%s\n' "$text" | while IFS= read -r line; do
  printf '%s\n' "$line" "[audit] this query was recorded"
done
