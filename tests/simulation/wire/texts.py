"""The model's rows as SLURM's programs print them.

The pattern is verbatim output of 22.05.8 and 24.11.5.
"""

from collections.abc import Sequence

from provider_daemon.job.snapshot import Run
from provider_daemon.lab.simulated.amounts import memory, short_elapsed
from provider_daemon.slurm.accounting import AccountingRow
from provider_daemon.slurm.parse import Queued

SIGNALLED = 128
HOSTS = ("n1", "n2", "n3")
_UID = 1002


_TITLES = {
    "SubmitTime": "SUBMIT_TIME",
    "StartTime": "START_TIME",
    "EndTime": "END_TIME",
    "TimeUsed": "TIME",
    "tres-alloc": "TRES_ALLOC",
}


def squeue(form: str, rows: Sequence[Queued]) -> list[str]:
    """Returns the header and a line for each row.

    `form` is the argument of --Format, each field with the suffix after its colon.
    """
    fields = [field.partition(":") for field in form.split(",")]
    header = "".join(_TITLES.get(name, name.upper()) + suffix for name, _, suffix in fields)
    return [
        f"{header}\n",
        *("".join(_queued(row, name) + suffix for name, _, suffix in fields) + "\n" for row in rows),
    ]


def _queued(row: Queued, field: str) -> str:
    return {
        "JobID": row.slurm_id,
        "State": row.state,
        "SubmitTime": str(row.submitted_at),
        "StartTime": _time(row.started_at, "N/A"),
        "EndTime": _time(row.ended_at, "N/A"),
        "TimeUsed": short_elapsed(row.elapsed),
        "tres-alloc": row.tres,
        "Reason": row.reason,
        "Name": row.name,
    }[field]


def sacct(fields: str, mark: str, rows: Sequence[AccountingRow]) -> list[str]:
    """Returns sacct's output: the header and a line for each row.

    The command is `sacct -p --delimiter=mark --noconvert -o fields`.
    """
    names = fields.split(",")
    header = "".join(name + mark for name in names)
    return [f"{header}\n", *("".join(_recorded(row, name) + mark for name in names) + "\n" for row in rows)]


def _recorded(row: AccountingRow, field: str) -> str:
    word = row.state.word
    return {
        "JobIDRaw": row.slurm_id,
        "State": f"{word} by {_UID}" if word == "CANCELLED" else word,
        "ExitCode": _exit_code(row.exit_code, row.signal),
        "Submit": _time(row.submitted_at, "Unknown"),
        "Start": _time(row.started_at, "Unknown"),
        "End": _time(row.ended_at, "Unknown"),
        "ElapsedRaw": str(row.run.elapsed),
        "NNodes": str(row.run.nodes or 1),
        "AllocTRES": allocated(row.run) if row.started_at else "",
        "Reason": row.reason,
        "WorkDir": row.directory,
        "JobName": row.name,
    }[field]


def _time(seconds: int, unset: str) -> str:
    return str(seconds) if seconds else unset


def _exit_code(code: int, signal: int) -> str:
    """Returns exit code and signal, which SLURM separates; the model combines them as shells do."""
    return f"0:{signal}" if signal and code == SIGNALLED + signal else f"{code}:{signal}"


def allocated(run: Run) -> str:
    """Returns AllocTRES.

    A site that accounts for a GPU type counts its cards twice, under the type and in the total.
    """
    parts = {"billing": str(run.cpus), "cpu": str(run.cpus)}
    for name, number in run.gpus:
        parts |= {f"gres/gpu:{name}": str(number), "gres/gpu": str(number)}
    parts |= {"mem": memory(run.memory_mib, convert=False), "node": str(run.nodes)}
    return ",".join(f"{name}={value}" for name, value in parts.items())


def sdiag(backlog: int) -> str:
    return (
        "*******************************************************\nsdiag output at Wed May 18 "
        "03:33:20 2033 (2000000000)\n"
        "*******************************************************\nServer thread count:  3\nAgent "
        "queue size:     0\n"
        f"Agent count:          0\nAgent thread count:   0\nDBD Agent queue size: {backlog}\n\n"
        "Jobs submitted: 7\nJobs started:   5\nJobs completed: 3\n"
    )


def nodes() -> str:
    """Returns the output of `scontrol show node -o`."""
    return "".join(
        f"NodeName={host} Arch=x86_64 CoresPerSocket=1  CPUAlloc=0 CPUEfctv=16 CPUTot=16 "
        "CPULoad=0.02 AvailableFeatures=(null) "
        f"ActiveFeatures=(null) Gres=gpu:a100:2 NodeAddr=127.0.0.1 NodeHostName={host} Port=6818 "
        "Version=22.05.8 OS=Linux 6.1.0 #1 SMP  "
        "RealMemory=65536 AllocMem=0 FreeMem=12176 Sockets=16 Boards=1 State=IDLE ThreadsPerCore=1 "
        "TmpDisk=0 Weight=1 Owner=N/A "
        "MCS_label=N/A Partitions=standard  BootTime=2026-01-01T00:00:00 SlurmdStartTime=2026-01-01T00:00:00 "
        "CfgTRES=cpu=16,mem=64G,billing=16,gres/gpu=2,gres/gpu:a100=2 AllocTRES= CapWatts=n/a "
        "CurrentWatts=0 AveWatts=0 \n"
        for host in HOSTS
    )


def database(query_range: int) -> str:
    """Returns the output of `sacctmgr show config`."""
    limit = f"{query_range // 86400}-00:00:00" if query_range else "UNLIMITED"
    return (
        "Configuration data as of 2026-11-29T22:53:55\nAccountingStorageHost  = "
        "127.0.0.1\nSLURM_VERSION          = 22.05.8\n\n"
        "SlurmDBD configuration:\nCommitDelay            = No\nMaxQueryTimeRange      = "
        f"{limit}\nSLURMDBD_VERSION       = 22.05.8\n"
    )
