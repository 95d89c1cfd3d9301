# CHANGELOG.md as Debian's changelog: an entry a version, a bullet a change; unreleased changes are left out.
# Variables `package`; `builder`: name <address>; `suffix` of the newest version.
function flush(  count, words, line, i) {
  if (text == "") return
  count = split(text, words, " ")
  line = "  *"
  for (i = 1; i <= count; i++) {
    if (length(line) + length(words[i]) > 78) { print line; line = "   " }
    line = line " " words[i]
  }
  print line
  text = ""
}
function finish() {
  flush()
  if (version == "") return
  ("LC_ALL=C date -R -u -d " date) | getline stamp
  print "\n -- " builder "  " stamp
}
/^## Unreleased$/ { next }
/^## / { finish(); if (version != "") print ""; version = $2; date = $4; print package " (" version suffix ") stable; urgency=medium\n"; suffix = ""; next }
version == "" { next }
/^$/ { flush(); next }
/^- / { flush(); text = substr($0, 3); next }
{ text = text " " $0 }
END { finish() }
