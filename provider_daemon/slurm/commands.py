"""Every program that provd runs at the site. parse.py reads the output.

- Each program runs in an empty environment with a few named variables, so that no SBATCH_*, SLURM_*,
  SQUEUE_* or SACCT_* variable of the login affects it.
- Each program has a time limit, so that nothing stays behind on the login node.
- The output stands between two marker lines. They separate it from the login's greetings and show whether
  it is complete.
- Names, ids and scripts are passed on stdin, never inside a program.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from provider_daemon import names
from provider_daemon.job.claim import CLAIMS
from provider_daemon.job.lifecycle import KILL_SECONDS, SUBMIT_SECONDS
from provider_daemon.job.slurm_id import is_slurm_id
from provider_daemon.ports import Submission
from provider_daemon.slurm.tables import columns

BEGIN = "provd-begin"
END = "provd-end"
ANSWER = "provd-answer"
UNSTARTED = "-"  # replaces the exit code: sbatch was not started
NO_INPUTS = "-"  # replaces the directory of the inputs
INCOMPLETE = "the submission did not arrive whole"
LATE = "the submission command was out of time"

QUERY_SECONDS = 60
INSPECT_SECONDS = 6  # for doctor's queries: while slurmctld is down, SLURM's commands fail only after 9 s
WORKERS = 4  # concurrent sbatch runs: they keep two cores of a login node busy (docs/slurm.md, 'Submission')
# 50 jobs finish far within SUBMIT_SECONDS, and are few enough if the outcome of all becomes unknown.
ORDERS_A_COMMAND = 50
KEYS_A_COMMAND = 1000  # ids or names in one argument: Linux limits an argument to 128 KiB
# Every SLURM command that provd uses.
COMMANDS = frozenset({"sbatch", "squeue", "sacct", "scancel", "scontrol", "sdiag", "sacctmgr"})

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_REASON = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .,:;_%()/+-]{0,199}")
NODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
MAX_DIRECTORY = 900

# Every field is followed by a mark chosen per query. A job's owner chooses its name, which may contain line
# breaks and bars, and must not be able to forge a row. Only --Format reports what a job was allocated. Every
# query prints its header: output without one is that of a failed query. tables.py explains why the id is
# requested three times.
SQUEUE_KEY, SACCT_KEY = "JobID", "JobIDRaw"
SQUEUE_USER, SACCT_USER = "UserName", "User"  # only queried where jobs have different users
SQUEUE_FIELDS = ("State", "SubmitTime", "StartTime", "EndTime", "TimeUsed", "tres-alloc", "Reason", "Name")
SACCT_FIELDS = (
    "State",
    "ExitCode",
    "Submit",
    "Start",
    "End",
    "ElapsedRaw",
    "NNodes",
    "AllocTRES",
    "Reason",
    "WorkDir",
    "JobName",
)
ASSOCIATION_FIELDS = ("Cluster", "Account", "Partition", "QOS", "MaxSubmitJobs", "GrpSubmitJobs")

# Without a list of states, a search by name omits jobs that were cancelled before they became eligible.
STATES = "BF,CA,CD,DL,F,NF,OOM,PD,PR,R,RQ,RS,RV,S,TO"


def _squeue(whose: str, *more: str) -> str:
    fields = ",".join(f"{field}:$mark" for field in columns(SQUEUE_KEY, (*more, *SQUEUE_FIELDS)))
    # With -t all, squeue shows a job that ended within MinJobAge, whether or not slurmdbd has its record.
    return f'squeue -a {whose} -t all -O "{fields}"'


def _sacct(which: str, *more: str) -> str:
    fields = ",".join(columns(SACCT_KEY, (*more, *SACCT_FIELDS)))
    return f'sacct -X -D -p --delimiter="$mark" --noconvert -o {fields} {which}'


_WINDOW = f'-s {STATES} -S "uts$since" -E "$until"'
_ACCOUNT = '-a -A "$account"'

_KEPT = (
    'PATH="$PATH" HOME="${HOME:-/}" USER="${USER:-}" LOGNAME="${LOGNAME:-}" SHELL="${SHELL:-/bin/sh}"'
    ' ${SLURM_CONF:+"SLURM_CONF=$SLURM_CONF"} LC_ALL=C'
)
_EPOCH_TIMES = "SLURM_TIME_FORMAT=%s"


@dataclass(frozen=True, slots=True)
class Command:
    """`program` is one of the constants below; `seconds` is its time limit at the site."""

    program: str
    payload: bytes = b""
    seconds: int = QUERY_SECONDS


def program(body: str, seconds: int, variables: str = _EPOCH_TIMES) -> str:
    framed = f"printf '\\n%s\\n' {BEGIN}\n{body}\nprintf '\\n%s %s\\n' {END} $?"
    return (
        f"exec env -i {_KEPT} {variables} timeout -k {KILL_SECONDS} {seconds} /bin/sh -c "
        f"{shlex.quote(framed)}\n"
    )


VERSION = program("sbatch --version", QUERY_SECONDS)
SQUEUE = program(f"read -r mark\n{_squeue('--me')}", QUERY_SECONDS)
_BY_ID = '-j "$ids"'
SACCT_BY_ID = program(f"read -r mark\nids=$(cat)\n{_sacct(_BY_ID)}", QUERY_SECONDS)
_BY_NAME = f'{_WINDOW} --name "$names"'
_READ_WINDOW = "read -r mark\nread -r since\nread -r until"
SACCT_BY_NAME = program(f"{_READ_WINDOW}\nnames=$(cat)\n{_sacct(_BY_NAME)}", QUERY_SECONDS)
# Every job of this user since a time. The site's clock is printed first, which saves a separate query.
SACCT_SINCE = program(f"{_READ_WINDOW}\ndate +%s\n{_sacct(_WINDOW)}", QUERY_SECONDS)

# --- the same for all users of an account, whose coordinator this login is ---

_POOL_SQUEUE = _squeue(_ACCOUNT.removeprefix("-a "), SQUEUE_USER)
POOL_SQUEUE = program(f"read -r mark\nread -r account\n{_POOL_SQUEUE}", QUERY_SECONDS)
# By id, a job is found in any account: its owner may have moved it to another one.
POOL_SACCT_BY_ID = program(f"read -r mark\nids=$(cat)\n{_sacct(f'-a {_BY_ID}', SACCT_USER)}", QUERY_SECONDS)
_READ_POOL_WINDOW = f"{_READ_WINDOW}\nread -r account"
POOL_SACCT_BY_NAME = program(
    f"{_READ_POOL_WINDOW}\nnames=$(cat)\n{_sacct(f'{_ACCOUNT} {_BY_NAME}', SACCT_USER)}", QUERY_SECONDS
)
POOL_SACCT_SINCE = program(
    f"{_READ_POOL_WINDOW}\ndate +%s\n{_sacct(f'{_ACCOUNT} {_WINDOW}', SACCT_USER)}", QUERY_SECONDS
)
WHO = program("id -un", QUERY_SECONDS)

QUERY_RANGE = program("sacctmgr show config", INSPECT_SECONDS)
SDIAG = program("sdiag", QUERY_SECONDS)
NODES = program("scontrol show node -o", QUERY_SECONDS)
RESERVATIONS = program("scontrol show reservation -o", QUERY_SECONDS)
# The names of all nodes that are in a partition. The output contains no comments.
HOSTS = program('read -r mark\nsinfo -a -N -O "NodeList:$mark"', QUERY_SECONDS)
DRAIN_NODE = program(
    'read -r host\nread -r reason\nscontrol update NodeName="$host" State=DRAIN Reason="$reason"',
    QUERY_SECONDS,
)
# Unlike RESUME, UNDRAIN leaves a node alone that is not drained, and one that is down.
UNDRAIN_NODE = program('read -r host\nscontrol update NodeName="$host" State=UNDRAIN', QUERY_SECONDS)
BATCH_SCRIPT = program('read -r id\nscontrol write batch_script "$id" -', QUERY_SECONDS)
# One job, ended or not, as slurmctld has it now.
SHOW_JOB = program('read -r id\nscontrol show job -o "$id"', QUERY_SECONDS)
SCANCEL = program("set -f\nids=$(cat)\nscancel -Q $ids", QUERY_SECONDS)

# The login's home directory, then for each host name on stdin the name and its IPv4 address, if it has one.
ADDRESSES = program(
    (
        'printf "%s\\n" "$HOME"\n'
        'while read -r name; do printf "%s %s\\n" "$name" '
        '"$(getent ahostsv4 "$name" | head -n 1 | cut -d " " -f 1)"; done\ntrue'
    ),
    INSPECT_SECONDS,
)

# --- doctor's queries ---

SETTINGS = program("scontrol show config", INSPECT_SECONDS)
PARTITIONS = program("scontrol show partition -o", INSPECT_SECONDS)
ASSOCIATIONS = program(
    (
        'user=$(id -un)\necho "$user"\nsacctmgr -P show assoc where user="$user" '
        f"format={','.join(ASSOCIATION_FIELDS)}"
    ),
    INSPECT_SECONDS,
)
ACCOUNT = program(
    'read -r account\nsacctmgr -P show account where name="$account" format=Account', INSPECT_SECONDS
)
# Users, their homes and directories: `user:name:uid:home`, `home:path:owner:mode`, `place:name:owner:mode`.
POOL_PLACES = program(
    """read -r root
names=$(cat)
set -f
users=$(getent passwd $names | cut -d: -f1,3,6)
[ -z "$users" ] || echo "$users" | sed 's/^/user:/'
for home in $(echo "$users" | cut -d: -f3 | sort -u); do stat -L -c 'home:%n:%U:%a' "$home"; done 2>/dev/null
cd "$root" && stat -c 'place:%n:%U:%a' . .provd-leases $names 2>/dev/null
true""",
    INSPECT_SECONDS,
)
POOL_ASSOCIATIONS = program(
    'names=$(cat)\nsacctmgr -P show assoc where user="$names" format=Cluster,User,Account', INSPECT_SECONDS
)
COORDINATORS = program(
    'read -r account\nsacctmgr -P show account where name="$account" withcoord format=Account,Coordinators',
    INSPECT_SECONDS,
)
QOS = program("sacctmgr -P show qos format=Name,Priority", INSPECT_SECONDS)
NOTHING = program("true", INSPECT_SECONDS)
CLOCK = program("date +%s", INSPECT_SECONDS)
TEST_ONLY = program("sbatch --test-only 2>&1", INSPECT_SECONDS, "")
FOUND = program(
    'while read -r name; do command -v "$name" >/dev/null && echo "$name"; done\ntrue', INSPECT_SECONDS
)
# A directory is created as a test, because permissions do not show a read-only or squashed mount. Then come
# the file system and the host.
WORK_ROOT = program(
    """read -r root
if made=$(mktemp -d "$root/.provd-doctor.XXXXXX" 2>&1); then rmdir "$made"; echo; else echo "$made" | head -n 1; fi
stat -f -c %T "$root" 2>/dev/null || echo
df -Pk "$root" 2>/dev/null | tail -n 1
uname -n""",  # noqa: E501
    INSPECT_SECONDS,
)
# The CVE ids in the changelog of the package that contains sbatch; none if no package does.
FIXED_VULNERABILITIES = program(
    """program=$(readlink -f "$(command -v sbatch)")
if package=$(dpkg-query -S "$program" 2>/dev/null); then
  zcat -f "/usr/share/doc/${package%%:*}/changelog.Debian.gz"
else
  rpm -q --changelog -f "$program"
fi 2>/dev/null | grep -oE 'CVE-[0-9]+-[0-9]+' | sort -u
true""",
    INSPECT_SECONDS,
)

# The links of jobs' claims, and nothing for a job without one. The directory of the claims is never a link;
# where it does not exist, a listing of the directory above must prove that. Each link's content, which a job
# of the same user may have written, stands between two marks.
CLAIMED_BY = program(
    f"""read -r mark
read -r root
set -f
set --
for name in $(cat); do set -- "$@" -o -name "$name"; done
shift
claims=$root/{CLAIMS}
if [ -d "$claims" ] && [ ! -L "$claims" ]; then
  find "$claims" -mindepth 1 -maxdepth 1 \\( "$@" \\) -printf "$mark%f$mark%l$mark\\n"
elif there=$(find "$root/" -mindepth 1 -maxdepth 1 -name {CLAIMS}) && [ -z "$there" ]; then
  true
else
  echo "$claims is not a readable directory" >&2
  false
fi""",
    QUERY_SECONDS,
)

# No sbatch starts before the whole payload has arrived, so a truncated script is never submitted. Scripts
# stay in the shell's memory. Below the work root, where jobs can write, only the job's directory is created,
# by a mkdir that follows no link and reuses no directory, and once the directory of the claims, which must
# then be this user's and no link. `room` detects a work root that is full or over its
# quota, where mkdir often still succeeds. `timeout` ends every sbatch of the command at once; the traps keep
# the shells alive to pass on what those had printed.
_SUBMIT_BODY = f"""umask 077
set -f
newline='
'
late=
directories=
unstarted() {{
  why=$(printf '%s' "$1" | tr -s '\\000-\\037' ' ')
  shift
  while [ $# -gt 0 ]; do
    printf '{ANSWER} %s {UNSTARTED} ? %s\\n' "$1" "$why"
    shift 4
  done
}}
room() {{
  dd if=/dev/zero of="$1/.provd-room" bs=65536 count=1 conv=excl,fsync 2>&1 && rm -f "$1/.provd-room"
}}
claims() {{
  if [ ! -d "$1" ]; then why=$(mkdir -m 700 "$1" 2>&1); fi
  if [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ]; then return 0; fi
  why=${{why:-"$1 is a link or belongs to another user"}}
  return 1
}}
others() {{
  case $1 in *[!0-9A-Za-z.\\;_-]*) ;; *) return 1 ;; esac
}}
order() {{
  if [ -n "$each" ] && ! why=$(mkdir -m 700 "$2" 2>&1); then
    unstarted "cannot make the job directory: $why" "$@"
    return
  fi
  why=
  if ! claims "${{2%/*}}/{CLAIMS}"; then
    unstarted "cannot make the directory of the claims: $why" "$@"
    return
  fi
  if [ "$4" != {NO_INPUTS} ] && ! why=$(cp -Rl -- "$4" "$2/inputs" 2>&1); then
    unstarted "cannot link the inputs: $(printf '%s' "$why" | head -n 1)" "$@"
    return
  fi
  said=$(
    trap : TERM
    {{
      id=$(printf '%s' "$3" | sbatch --parsable 2>&3)
      code=$?
      if others "$id"; then id=$(printf '%s\\n' "$id" | grep -E '^[0-9]+(;[A-Za-z0-9._-]+)?$'); fi
      if others "$id"; then id=; fi
      printf '\\n%s %s' $code "${{id:-?}}"
    }} 3>&1
  )
  last=${{said##*"$newline"}}
  why=
  if [ "${{last%% *}}" -ne 0 ]; then why=$(printf '%s' "${{said%"$newline"*}}" | tail -c 800 | tr -s '\\000-\\037' ' '); fi
  printf '{ANSWER} %s %s %s\\n' "$1" "$last" "$why"
}}
worker() {{
  trap 'late=1' TERM
  turn=$1
  shift
  while [ $# -gt 0 ]; do
    if [ $turn -eq 0 ]; then
      if [ -n "$late" ]; then unstarted '{LATE}' "$1" "$2" - -; else order "$1" "$2" "$3" "$4"; fi
    fi
    turn=$(((turn + {WORKERS - 1}) % {WORKERS}))
    shift 4
  done
}}
while read -r name size directory inputs && [ "$name" != . ]; do
  set -- "$@" "$name" "$directory" "$size" "$inputs"
  directories="$directories $directory"
done
waiting=$#
while [ $waiting -gt 0 ]; do
  script=$(head -c "$3"; printf .)
  if [ ${{#script}} -ne $(($3 + 1)) ]; then unstarted '{INCOMPLETE}' "$@"; exit 1; fi
  set -- "$@" "$1" "$2" "${{script%.}}" "$4"
  shift 4
  waiting=$((waiting - 4))
done
if ! read -r last || [ "$last" != . ]; then unstarted '{INCOMPLETE}' "$@"; exit 1; fi
each=
if ! mkdir -m 700 $directories 2>/dev/null; then
  rmdir $directories 2>/dev/null
  each=1
elif ! why=$(room "$2"); then
  rm -f "$2/.provd-room"
  rmdir $directories 2>/dev/null
  unstarted "cannot write to the job directory: $(printf '%s' "$why" | head -n 1)" "$@"
  exit 0
fi
trap 'late=1' TERM
for turn in {" ".join(map(str, range(WORKERS)))}; do worker $turn "$@" & done
wait
if [ -n "$late" ]; then wait; fi
true"""  # noqa: E501
SUBMIT = program(_SUBMIT_BODY, SUBMIT_SECONDS, "")
# Removes the directories of submissions that created no job, with the links to their inputs. A directory
# that holds anything else stays.
REMOVE_EMPTY = program(
    'set -f\nfor directory in $(cat); do rm -rf "$directory/inputs"; rmdir "$directory"; done 2>/dev/null',
    QUERY_SECONDS,
)


def submit(orders: Sequence[Submission]) -> Command:
    """Builds the submission: lines `name bytes directory inputs`, a dot, the scripts back to back, a dot.

    The answer has one line per job.
    """
    scripts = [order.script.encode() for order in orders]
    lines = [
        f"{_name(order.name)} {len(script)} {_directory(order.directory)} {_inputs(order.inputs)}\n"
        for order, script in zip(orders, scripts, strict=True)
    ]
    return Command(SUBMIT, "".join([*lines, ".\n"]).encode() + b"".join(scripts) + b".\n", SUBMIT_SECONDS)


def remove_empty(directories: Sequence[str]) -> Command:
    return Command(REMOVE_EMPTY, " ".join(map(_directory, directories)).encode())


def queue(mark: str, account: str = "") -> Command:
    """`mark` follows every field of the output. `account`: all its users; "" for the jobs of this login."""
    if account:
        return Command(POOL_SQUEUE, f"{mark}\n{_account(account)}\n".encode())
    return Command(SQUEUE, f"{mark}\n".encode())


def hosts(mark: str) -> Command:
    return Command(HOSTS, f"{mark}\n".encode())


def accounting_by_id(mark: str, slurm_ids: Sequence[str], account: str = "") -> Command:
    """With `account`, jobs of all users are found, and each record has its user."""
    program = POOL_SACCT_BY_ID if account else SACCT_BY_ID
    return Command(program, f"{mark}\n{','.join(map(_id, slurm_ids))}".encode())


def accounting_by_name(
    mark: str, names: Sequence[str], since: int, until: int = 0, account: str = ""
) -> Command:
    """Queries the jobs that existed between `since` and `until`, in seconds since the epoch.

    `until` 0 means a day from now by the site's clock. `account` is that of `queue`.
    """
    program = POOL_SACCT_BY_NAME if account else SACCT_BY_NAME
    head = f"{mark}\n{_window(since, until)}{_line(account)}"
    return Command(program, f"{head}{','.join(map(_name, names))}".encode())


def accounting_since(mark: str, since: int, until: int = 0, account: str = "") -> Command:
    """The arguments are those of accounting_by_name."""
    program = POOL_SACCT_SINCE if account else SACCT_SINCE
    return Command(program, f"{mark}\n{_window(since, until)}{_line(account)}".encode())


def _line(account: str) -> str:
    return f"{_account(account)}\n" if account else ""


def _account(value: str) -> str:
    if not names.matches(names.SLURM_NAME, value):
        raise ValueError(f"invalid SLURM account: {value!r}")
    return value


def _window(since: int, until: int) -> str:
    """Formats the time range. sacct accepts no time before 1,000,000 in this form."""
    return f"{max(since, 1_000_000)}\n{f'uts{until}' if until else 'now+1day'}\n"


def claimed_by(mark: str, root: str, names: Sequence[str]) -> Command:
    """Reads the claims of the jobs whose directories are below `root`. `mark` encloses each part."""
    return Command(CLAIMED_BY, f"{mark}\n{_directory(root)}\n{' '.join(map(_name, names))}".encode())


def batch_script(slurm_id: str) -> Command:
    """Reads the batch script from slurmctld, as it was submitted."""
    return Command(BATCH_SCRIPT, f"{_id(slurm_id)}\n".encode())


def show_job(slurm_id: str) -> Command:
    return Command(SHOW_JOB, f"{_id(slurm_id)}\n".encode())


def drain_node(host: str, reason: str) -> Command:
    return Command(DRAIN_NODE, f"{_host(host)}\n{_checked(_REASON, reason, 'reason')}\n".encode())


def undrain_node(host: str) -> Command:
    return Command(UNDRAIN_NODE, f"{_host(host)}\n".encode())


def cancel(slurm_ids: Sequence[str]) -> Command:
    return Command(SCANCEL, " ".join(map(_id, slurm_ids)).encode())


def _checked(pattern: re.Pattern[str], value: str, what: str) -> str:
    if not pattern.fullmatch(value):
        raise ValueError(f"invalid {what}: {value!r}")
    return value


def _name(value: str) -> str:
    return _checked(_NAME, value, "SLURM job name of ours")


def _id(value: str) -> str:
    if not is_slurm_id(value):
        raise ValueError(f"invalid SLURM job id: {value!r}")
    return value


def _host(value: str) -> str:
    return _checked(NODE_NAME, value, "node name")


def _inputs(value: str) -> str:
    return _directory(value) if value else NO_INPUTS


def _directory(value: str) -> str:
    if len(value) > MAX_DIRECTORY or not names.matches(names.PATH, value):
        raise ValueError(f"invalid job directory: {value!r}")
    return value
