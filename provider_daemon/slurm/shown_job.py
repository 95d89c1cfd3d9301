"""Parses `scontrol show job -o ID`: one job as slurmctld has it now, whoever changed it. Pure."""

import re
from dataclasses import dataclass

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.slurm import records
from provider_daemon.slurm.tres import elapsed_seconds

_FIELD = re.compile(r"(?:^|\s)([A-Za-z/:]+)=(\S*)")
_FREE_TEXT = re.compile(r" (?:Command|Comment|AdminComment|SystemComment)=")  # all that provd reads is before
_NAME = re.compile(r"JobId=[0-9]+ JobName=(.*) UserId=\S+ GroupId=")
_SLUID = re.compile(r" SLUID=\S+$")  # between name and user since SLURM 25.11
_UNLIMITED = ("UNLIMITED", "Partition_Limit")
ENDED = frozenset(
    {
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "TIMEOUT",
    }
)


@dataclass(frozen=True, slots=True)
class ShownJob:
    """`state` is SLURM's word without flags. `node`: the first node, "" while it waits. `limit`: seconds, or
    0 for none. `cpus` are allocated, or requested while it waits. `reason`: why it waits."""

    slurm_id: str
    name: str
    state: str
    node: str
    limit: int
    cpus: int
    reason: str

    @property
    def ended(self) -> bool:
        return self.state in ENDED


def parse(text: str, slurm_id: str) -> ShownJob:
    """Raises Transient if the job is not in the output, Unreadable if its record cannot be read."""
    reading = records.read("scontrol show job", text, "JobId", _job)
    found = next((row for row in reading.rows if row.slurm_id == slurm_id), None)
    if found is not None:
        return found
    if reading.unread:
        raise Unreadable(f"scontrol show job {slurm_id}: {reading.unread[0].why}")
    raise Transient(f"scontrol show job: the output has no job {slurm_id}")


def _job(_: records.Fields, line: str) -> ShownJob:
    """The job's owner chooses its name, which may contain what reads as a field: it is cut out first."""
    name = _NAME.match(line)
    if name is None:
        raise Unreadable(f"no name and user in {line[:80]!r}")
    rest = line[: name.start(1)] + line[name.end(1) :]
    field = dict(reversed(_FIELD.findall(_FREE_TEXT.split(rest, maxsplit=1)[0])))
    return ShownJob(
        slurm_id=field["JobId"],
        name=_SLUID.sub("", name[1]),
        state=field["JobState"],
        node=field.get("BatchHost", ""),
        limit=0 if field["TimeLimit"] in _UNLIMITED else elapsed_seconds(field["TimeLimit"]),
        cpus=int(field["NumCPUs"].partition("-")[0]),
        reason=field["Reason"],
    )
