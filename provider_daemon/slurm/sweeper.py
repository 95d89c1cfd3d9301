"""Ends and removes what a native job leaves behind, where SLURM does not track a job's processes. Pure.

With ProctrackType=proctrack/cgroup SLURM kills every process of a job at its end. With other types a process
that leaves its parents outlives the job. Therefore the batch script starts a watcher that leaves its parents
in the same way, before anything of the site or of the customer runs. When the script has ended, however that
happened, the watcher kills the processes that have the job's directory and the script in their environment.
A job that is requeued runs again in the same directory, where the watcher of the run before may still be at
work: it leaves the processes of the new run alone.

Where the job has a Unix user that serves no other customer (`accounts = "pool"`), the watcher also kills
processes of that user in the job's directory. If no other job of the user runs on the node, it removes the
user's System V IPC and the files that the user made in /tmp, /var/tmp and /dev/shm while the job ran: later
ones are of the user's next job.

Built-in launchers need none of it: their processes, files and shared memory end with them. The watcher runs
on the first node of a job, and a program that hides from it needs the site's cgroups.
"""

SPARE_SECONDS = 3600  # after the job's time limit; later the watcher ends without touching anything
END_SECONDS = 10  # for processes to disappear after SIGKILL

# Variables of all processes of a job. No two jobs have one directory; runs of one job differ in the pid of
# their batch script.
MARK, RUN_MARK = "PROVD_JOB_DIRECTORY", "PROVD_JOB_RUN"

# Of the job that is not tracked: SLURM's cgroups are named after the job.
_UNTRACKED = r'! grep -q "/job_$SLURM_JOB_ID\(/\|$\)" /proc/self/cgroup 2>/dev/null'

WATCHER = r"""
script=$1 directory=$2 dedicated=$3 limit=$4 began=$5
cd / || exit
trap '' HUP INT TERM
timeout "$limit" tail --pid="$script" -s 0.1 -f /dev/null || exit
ended=$(date +%s.%N)
has() {
  tr '\0' '\n' <"$1/environ" 2>/dev/null | grep -q "$2"
}
other_run() {
  has "$1" '^PROVD_JOB_RUN=' && ! has "$1" "^PROVD_JOB_RUN=$script\$"
}
left_behind() {
  for process in /proc/[0-9]*; do
    [ -O "$process" ] && [ "$process" != "/proc/$$" ] && [ "$process" != "/proc/$BASHPID" ] || continue
    ! other_run "$process" || continue
    if has "$process" "^PROVD_JOB_DIRECTORY=$directory\$"; then
      echo "${process#/proc/}"
    elif [ -n "$dedicated" ]; then
      case $(readlink "$process/cwd")/ in "$directory"/*) echo "${process#/proc/}" ;; esac
    fi
  done
}
end=$((SECONDS + ENDSECONDS))
while pids=$(left_behind) && [ -n "$pids" ] && [ $SECONDS -lt $end ]; do
  kill -KILL $pids
  sleep 0.2
done 2>/dev/null
[ -n "$dedicated" ] || exit
alone() {
  for process in /proc/[0-9]*; do
    [ ! -O "$process" ] || ! has "$process" '^SLURM_JOB_ID=' || return 1
  done
}
alone || exit
for place in /tmp /var/tmp /dev/shm; do
  find "$place" -xdev -mindepth 1 -maxdepth 1 -user "$(id -u)" -newerct "@$began" ! -newerct "@$ended" \
    -exec rm -rf {} +
done
alone || exit
for kind in shm:m msg:q sem:s; do
  awk -v user="$(id -u)" '
    NR == 1 { for (field = 1; field <= NF; field++) if ($field == "uid") owner = field; next }
    $owner == user { print $2 }' "/proc/sysvipc/${kind%:*}" |
    while read -r id; do ipcrm "-${kind#*:}" "$id"; done
done
""".replace("ENDSECONDS", str(END_SECONDS))  # fmt: skip


def lines(directory: str, wall_seconds: int, *, dedicated: bool) -> list[str]:
    """Returns lines of bash that start the watcher. `directory` is the job's, a path without quotes.

    `dedicated`: the job's Unix user serves one customer.
    """
    program = "'" + WATCHER.replace("'", "'\\''") + "'"
    words = f"$$ '{directory}' '{'yes' if dedicated else ''}' {wall_seconds + SPARE_SECONDS} $began"
    start = f'env -i PATH="$PATH" setsid /bin/bash -c {program} provd-watcher {words}'
    return [
        f"export {MARK}='{directory}' {RUN_MARK}=$$",
        f"if {_UNTRACKED}; then",
        # The time is taken before the job's program starts, however late the watcher does.
        f"(began=$(date +%s); {start} </dev/null >/dev/null 2>&1 &)",
        "fi",
    ]
