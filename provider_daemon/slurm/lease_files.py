"""The programs for leases of Unix users at a site, and their output.

The lease file of a user is `.provd-leases/<user>` below work_root, with one line. The directory belongs to
the main user, and no pool user can write to it. `provd site prepare` makes it: if it is missing, work_root is
not mounted or not prepared, and nobody's lease is known. A file appears whole (`ln` of a written one), and
only if there is none. Each claim renews its time, so that `END` sees when any daemon last used the user.
"""

import re
from collections.abc import Iterator, Mapping

from provider_daemon import names
from provider_daemon.errors import Unreadable
from provider_daemon.job.leases import Remains
from provider_daemon.slurm.commands import QUERY_SECONDS, Command, program

DIRECTORY = ".provd-leases"
UNNAMED = "?"  # in place of the line of an empty file


def _program(body: str) -> str:
    """Runs the body in a subshell, so that its `exit` does not hide where the output ends."""
    return program(f"(\n{body}\n)", QUERY_SECONDS)


_ENTER = f"""read -r root
cd "$root/{DIRECTORY}" || exit 1
show() {{
  if [ ! -e "$1" ]; then return; fi
  found=$(head -c 200 "$1" | head -n 1)
  printf 'provd-lease %s %s\\n' "$1" "${{found:-{UNNAMED}}}"
}}"""
LEASES = _program(
    f"""{_ENTER}
for user in *; do
  case $user in [!a-z_]* | *[!a-z0-9_-]*) continue ;; esac
  show "$user"
done
true""",
)
CLAIM = _program(
    f"""{_ENTER}
while read -r user holder; do
  new=.new.$user.$$
  rm -f "$new"
  printf '%s\\n' "$holder" | dd of="$new" conv=excl,fsync 2>/dev/null && ln "$new" "$user" 2>/dev/null
  rm -f "$new"
  if [ "$(head -n 1 "$user")" = "$holder" ]; then touch -c "$user"; fi
  show "$user"
done""",
)
# The file is moved away before its time is read, so that a claim meanwhile makes a new one. It comes back if
# another customer has it, or another daemon used the user too lately.
END = _program(
    f"""{_ENTER}
read -r seconds
read -r user holder
old=.old.$user.$$
if ! mv "$user" "$old" 2>/dev/null; then
  if [ -e "$user" ]; then exit 1; fi
  echo provd-lease-ended
  exit 0
fi
touch "$old.now" || exit 1
age=$(($(stat -c %Y "$old.now") - $(stat -c %Y "$old")))
if [ "$(head -n 1 "$old")" = "$holder" ] && [ "$age" -ge "$seconds" ]; then
  echo provd-lease-ended
else
  ln "$old" "$user" 2>/dev/null
  echo provd-lease-kept
fi
rm -f "$old" "$old.now\"""",
)
# Run as the pool user, who sees its own processes and jobs whatever the site hides from others. The program's
# own processes are its ancestors and whatever it started. An open login of gateway or mover is the child of
# root's sshd, whose title no customer can give to a process of root; what runs in it counts. A zombie ended
# already and only waits for its parent: it cannot be killed, and would keep the user for ever.
REMAINS = _program(
    """read -r root
processes=$(ps -e -o uid= -o pid= -o ppid= -o s= -o args=) || exit 1
printf '%s\\n' "$processes" | awk -v self=$$ -v uid="$(id -u)" -v user="$(id -un)" '
  $4 == "Z" { next }
  $1 == uid { parent[$2] = $3 }
  $1 == 0 && ($5 == "sshd:" || $5 == "sshd-session:") && $6 == user && $7 == "[priv]" { login[$2] = 1 }
  END {
    for (pid = self; pid in parent; pid = parent[pid]) ours[pid] = 1
    for (pid in parent) {
      for (above = pid; above in parent && above != self; above = parent[above]) continue
      if (above != self && !(pid in ours) && !(parent[pid] in login)) print "provd-process " pid
    }
  }'
jobs=$(squeue -a -h --me -o %i) || exit 1
printf '%s\\n' "$jobs" | sed -n 's/^\\([0-9].*\\)/provd-job \\1/p'
cd "$root" || exit 1
find . -mindepth 1 -maxdepth 1 -printf '%P\\0' | tr '\\n\\0' '?\\n' | sed 's/^/provd-entry /'""",
)
CLEAN = _program(
    """read -r root
cd "$root" || exit 1
find . -mindepth 1 -type d ! -perm -u=rwx -exec chmod u+rwx {} \\; 2>/dev/null
find . -mindepth 1 -delete
find /tmp /var/tmp /dev/shm -xdev -user "$(id -u)" -delete 2>/dev/null
crontab -r 2>/dev/null
true""",
)

_LEASE = re.compile(r"provd-lease ([a-z_][a-z0-9_-]*) (.{1,200})")
_REMAINS = re.compile(r"provd-(process|job|entry) (.+)")
_ENDED = {"provd-lease-ended": True, "provd-lease-kept": False}


def read(work_root: str) -> Command:
    return Command(LEASES, _lines(_path(work_root)))


def claim(work_root: str, wanted: Mapping[str, str]) -> Command:
    """`wanted`: user -> the line of its lease file."""
    return Command(
        CLAIM, _lines(_path(work_root), *(f"{_user(user)} {_holder(wanted[user])}" for user in wanted))
    )


def end(work_root: str, user: str, holder: str, seconds: int) -> Command:
    """`seconds`: the age that the file must have."""
    return Command(END, _lines(_path(work_root), str(seconds), f"{_user(user)} {_holder(holder)}"))


def remains(root: str) -> Command:
    return Command(REMAINS, _lines(_path(root)))


def clean(root: str) -> Command:
    return Command(CLEAN, _lines(_path(root)))


def parse_leases(text: str) -> dict[str, str]:
    """Returns user -> the line of its lease file. Raises Unreadable."""
    return {found[1]: found[2] for found in _matches(_LEASE, text)}


def parse_ended(text: str) -> bool:
    """Returns whether the lease file is gone. Raises Unreadable."""
    words = [line for line in text.splitlines() if line in _ENDED]
    if len(words) != 1:
        raise Unreadable(f"the lease program returned an unexpected output: {text[:200]!r}")
    return _ENDED[words[0]]


def parse_remains(text: str) -> Remains:
    """Raises Unreadable."""
    found = {"process": list[str](), "job": list[str](), "entry": list[str]()}
    for match in _matches(_REMAINS, text):
        found[match[1]].append(match[2])
    return Remains(len(found["process"]), tuple(found["job"]), tuple(found["entry"]))


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    for line in filter(None, text.split("\n")):
        match = pattern.fullmatch(line)
        if match is None:
            raise Unreadable(f"the lease program returned an unexpected line: {line[:200]!r}")
        yield match


def _lines(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _path(value: str) -> str:
    if not names.matches(names.PATH, value):
        raise ValueError(f"invalid path: {value!r}")
    return value


def _user(value: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_-]*", value):
        raise ValueError(f"invalid Unix user: {value!r}")
    return value


def _holder(value: str) -> str:
    if not re.fullmatch(r"[!-~]+( [!-~]+)*", value):
        raise ValueError(f"invalid line of a lease file: {value!r}")
    return value
