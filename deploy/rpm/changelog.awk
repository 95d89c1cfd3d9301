# CHANGELOG.md as an RPM's changelog: an entry a version, a bullet a change; unreleased changes are left out.
# Variable `builder`: name <address>.
function flush() {
  if (text == "") return
  gsub(/%/, "%%", text)
  print "- " text
  text = ""
}
/^## Unreleased$/ { flush(); next }
/^## / {
  flush()
  if (version != "") print ""
  version = $2
  ("LC_ALL=C date -u +'%a %b %d %Y' -d " $4) | getline day
  print "* " day " " builder " - " version "-1"
  next
}
version == "" { next }
/^$/ { flush(); next }
/^- / { flush(); text = substr($0, 3); next }
{ sub(/^ +/, ""); text = text == "" ? $0 : text " " $0 }
END { flush() }
