"""What a failed command means: a final no, a passing trouble, or a doubt (FACTS.md, 'What commands say')."""

import re
from collections.abc import Mapping

from provider_daemon.errors import ProvdError, Transient, TurnedAway, Unreadable
from provider_daemon.job.lifecycle import TIMED_OUT
from provider_daemon.ports import Receipt
from provider_daemon.slurm.answers import Submitted

NOT_FOUND = 127  # the shell's exit status for a command that its PATH does not have

# sbatch's words -> what the customer reads. Nothing of such a job exists in SLURM.
REFUSALS: dict[str, str] = {
    "Invalid partition name specified": "the site has no such partition",
    "Invalid account or account/partition combination": "the site's account may not use this partition",
    "Requested node configuration is not available": "no node of the site has the memory, cores or GPUs that it asks for",
    "Memory specification can not be satisfied": "no node of the site has so much memory",
    "CPU count per node can not be satisfied": "no node of the site has so many cores",
    "Node count specification invalid": "the partition does not have so many nodes",
    "More processors requested than permitted": "asks for more cores than the partition allows",
    "Requested time limit is invalid": "asks for more time than the partition allows",
    "Invalid --time specification": "its time limit cannot be expressed in SLURM",
    "Invalid qos specification": "the site's quality of service for it is not valid",
    "Invalid generic resource (gres) specification": "the site has no such GPU type",
    "Invalid feature specification": "no node of the site has such a feature",
    "Job violates accounting/QOS policy": "it is larger or longer than the site's limits for its account allow",
    "User's group not permitted to use this partition": "the site's account may not use this partition",
}

# No for now: it passes when other jobs end, or when the site's operators say so. SLURM says the first with a policy violation's last line.
DEFERRALS: dict[str, str] = {
    "SubmitJob": "the site's account holds as many jobs as it may",  # AssocMaxSubmitJobLimit, QOSGrpSubmitJobsLimit, ...
    "Required partition not available": "the partition takes no jobs at present: it is drained or inactive",
    "System submissions disabled": "the site takes no jobs at present",
}

TRANSIENT = (
    "Unable to contact slurm controller",
    "Problem talking to the database",
    "Connection refused",
    "Connection timed out",
    "Socket timed out",
    "Zero Bytes were transmitted",
    "Resource temporarily unavailable",
    "temporarily unable to accept",
    "Rate limit",
    "Unable to connect to database",
    "Protocol authentication error",
    "cannot write to the job directory",
)


def receipt(answer: Submitted) -> Receipt:
    """An id wins over any warning beside it; a deferral or a refusal must be one that we know; all else leaves a doubt."""
    if answer.slurm_id and answer.exit_code == 0:
        return Receipt(answer.name, slurm_id=answer.slurm_id)
    if answer.exit_code and (later := _said(DEFERRALS, answer.stderr)):
        return Receipt(answer.name, deferral=DEFERRALS[later])
    if answer.exit_code and (never := _said(REFUSALS, answer.stderr)):
        return Receipt(answer.name, refusal=f"SLURM refused it: {REFUSALS[never]} ({never})")
    return Receipt(answer.name, doubt=f"sbatch ended with {answer.exit_code}: {answer.stderr or 'it named no job id'}")


def _said(known: Mapping[str, str], stderr: str) -> str:
    return next((words for words in known if words in stderr), "")


# `squeue: error: ...`, `sacct: fatal: ...`, `slurm_load_jobs error: ...`; other programs' words on stderr are a login's.
_ERROR = re.compile(
    r"^(?:(?:squeue|sacct|sacctmgr|scontrol|sdiag|sinfo): (?:error|fatal)|slurm_\w+(?: error)?|job script retrieval failed): .*",
    re.MULTILINE,
)
NO_SCRIPT = "job script retrieval failed: Invalid job id specified"  # the job has none, or is gone; scontrol's exit code is 0
# Remarks on slurm.conf that a program prints with every correct answer.
HARMLESS = ("Ignoring obsolete", "Parsing error at unrecognized key", "deprecated", "please remove")


def reported_error(stderr: str) -> str:
    """The first error that a query program reports on stderr, or ""."""
    lines = (" ".join(found[0].split())[:300] for found in _ERROR.finditer(stderr))
    return next((line for line in lines if not any(words in line for words in HARMLESS)), "")


def query_failure(what: str, exit_code: int, text: str) -> ProvdError:
    """Of squeue, sacct and the like: never read as an empty answer."""
    said = " ".join(text.split()) or "it said nothing"
    line = f"{what} failed ({exit_code}): {said if len(said) <= 300 else f'{said[:150]} ... {said[-150:]}'}"
    if exit_code == NOT_FOUND:
        return TurnedAway(f"{what}: the command is not found on the login node: set clusters.slurm_path to its directory ({said[:150]})")
    if exit_code in TIMED_OUT or any(words in said for words in TRANSIENT):
        return Transient(line)
    return Unreadable(line)
