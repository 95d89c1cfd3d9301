"""Classifies failed commands: a refusal of the job, a passing problem of the site, or an unknown outcome.

See docs/slurm.md, 'What failed commands print'.
"""

import re

from provider_daemon.errors import ProvdError, Transient, TurnedAway, Unreadable
from provider_daemon.job.outcome import TIMED_OUT
from provider_daemon.job.site_trouble import SiteTrouble
from provider_daemon.ports import SubmissionResult
from provider_daemon.slurm import sbatch_errors
from provider_daemon.slurm.commands import INCOMPLETE, LATE
from provider_daemon.slurm.parse import Submitted
from provider_daemon.slurm.sbatch_errors import FAILED, Class, Known

NOT_FOUND = 127  # the shell's exit status for a command that is not in PATH

POLICY = "Job violates accounting/QOS policy"
# Maps SLURM's message, up to its bracket, to an explanation for the customer. SLURM has no such job.
REFUSALS: dict[str, str] = {
    "Invalid partition name specified": "the site has no such partition",
    (
        "Invalid account or account/partition combination specified"
    ): "the site's account may not use this partition",
    "Requested node configuration is not available": (
        "no node of the site has the memory, cores or GPUs that it asks for"
    ),
    "Memory specification can not be satisfied": "no node of the site has so much memory",
    "CPU count per node can not be satisfied": "no node of the site has so many cores",
    "Node count specification invalid": "the partition does not have so many nodes",
    "More processors requested than permitted": "asks for more cores than the partition allows",
    "Requested time limit is invalid": "asks for more time than the partition allows",
    "Invalid --time specification": "its time limit cannot be expressed in SLURM",
    "Invalid qos specification": "the site's quality of service for it is not valid",
    "Invalid generic resource (gres) specification": "the site has no such GPU type",
    "Invalid feature specification": "no node of the site has such a feature",
    POLICY: "it is larger or longer than the site's limits for its account allow",
    "User's group not permitted to use this partition": "the site's account may not use this partition",
}

AT_ITS_LIMIT = "SubmitJob"  # AssocMaxSubmitJobLimit, QOSGrpSubmitJobsLimit, ...: ends when other jobs end
UNSPECIFIED = "Unspecified error"  # slurm.ERROR of a job_submit plugin
ENDED = (*TIMED_OUT, 143)  # sbatch was ended by provd's time limit
MAX_WORDS = 300  # characters of the site's message that a customer reads

_PREFIX = re.compile(r"\bsbatch: (?:error: |info: )?")
# A line that SLURM's library printed before the last one. The other lines are the job_submit plugin's.
_LIBRARY = re.compile(
    r"(?:[a-z]\w*_\w*|_\w+|If munged|Munge|munge|authentication|auth|plugin|fatal|lua|\[)\b"
)

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
)


def receipt(answer: Submitted) -> SubmissionResult:
    """Determines the submission outcome.

    A job id has priority over warnings. Only a known message means deferred or refused; otherwise the outcome
    is unknown.
    """
    name, said = answer.name, printable(answer.stderr)
    if not answer.started:
        trouble = SiteTrouble.CONNECTION if said.startswith(INCOMPLETE) else SiteTrouble.WORK_ROOT
        return SubmissionResult(
            name,
            deferral=said or "sbatch was not started",
            trouble=SiteTrouble.SLOW if said.startswith(LATE) else trouble,
        )
    if answer.exit_code == 0:
        return (
            SubmissionResult(name, slurm_id=answer.slurm_id)
            if answer.slurm_id
            else _doubt(answer, "it printed no job id")
        )
    return _doubt(answer, said) if answer.slurm_id else _failed(answer, said, sbatch_errors.find(said))


def _failed(answer: Submitted, said: str, known: Known | None) -> SubmissionResult:
    name, words = answer.name, site_words(said)
    if known is None and answer.exit_code in ENDED:
        return _doubt(answer, said or "no output in time", SiteTrouble.SLOW)
    if known is None and answer.exit_code == NOT_FOUND:
        return SubmissionResult(
            name, deferral=said or "sbatch was not found", trouble=SiteTrouble.CONFIGURATION
        )
    if known is None:
        return _doubt(answer, said)
    if known.key == POLICY and AT_ITS_LIMIT in words:
        return SubmissionResult(
            name, deferral=f"the site's account has reached its job limit ({words})", trouble=SiteTrouble.FULL
        )
    if known.kind is Class.REFUSED or (
        words and (known.message == UNSPECIFIED or known.trouble is SiteTrouble.ACCOUNT)
    ):
        return SubmissionResult(name, refusal=_refusal(known, words))
    if known.kind is Class.DEFERRED and known.trouble is not None:
        return SubmissionResult(name, deferral=f"{known.message} {words}".strip(), trouble=known.trouble)
    return _doubt(answer, said, known.trouble)


def _doubt(answer: Submitted, said: str, trouble: SiteTrouble | None = None) -> SubmissionResult:
    return SubmissionResult(
        answer.name, unknown=f"sbatch ended with {answer.exit_code}: {said or 'no output'}", trouble=trouble
    )


def _refusal(known: Known, words: str) -> str:
    sentence = REFUSALS.get(known.key) or REFUSALS.get(known.message, "")
    text = f"SLURM refused it: {sentence} ({known.key})" if sentence else f"SLURM refused it: {known.message}"
    if known.message == UNSPECIFIED:
        text = "the site refused it"
    return f"{text}; the site's words: {words}" if words else text


def site_words(said: str) -> str:
    """Returns the job_submit plugin's output for the customer, truncated and without SLURM's own lines."""
    before, failed, _ = said.rpartition(FAILED)
    lines = [line.strip() for line in _PREFIX.split(before if failed else said)]
    ours = " ".join(line for line in lines if line and not _LIBRARY.match(line)) if failed else ""
    return ours if len(ours) <= MAX_WORDS else f"{ours[: MAX_WORDS - 3]}..."


def printable(text: str) -> str:
    """Returns the text on one line, without control characters."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


# Matches `squeue: error: ...`, `sacct: fatal: ...`, `slurm_load_jobs error: ...`. Other lines on stderr are
# printed by the login.
_ERROR = re.compile(
    (
        r"^(?:(?:squeue|sacct|sacctmgr|scontrol|sdiag|sinfo): (?:error|fatal)|slurm_\w+(?: error)?|job "
        r"script retrieval failed): .*"
    ),
    re.MULTILINE,
)
# The job has no script, or no longer exists; scontrol's exit code is 0.
NO_SCRIPT = "job script retrieval failed: Invalid job id specified"
# Warnings about slurm.conf that a program prints with every correct answer.
HARMLESS = ("Ignoring obsolete", "Parsing error at unrecognized key", "deprecated", "please remove")


def reported_error(stderr: str) -> str:
    """Returns the first error that a query program reports on stderr, or ""."""
    lines = (" ".join(found[0].split())[:300] for found in _ERROR.finditer(stderr))
    return next((line for line in lines if not any(words in line for words in HARMLESS)), "")


def query_failure(what: str, exit_code: int, text: str) -> ProvdError:
    """Returns the error for a failed squeue, sacct or similar. A failed query is never an empty answer."""
    said = " ".join(text.split()) or "no output"
    line = f"{what} failed ({exit_code}): {said if len(said) <= 300 else f'{said[:150]} ... {said[-150:]}'}"
    if exit_code == NOT_FOUND:
        return TurnedAway(
            f"{what}: the command is not found on the login node: set clusters.slurm_path to its "
            f"directory ({said[:150]})"
        )
    if exit_code in TIMED_OUT or any(words in said for words in TRANSIENT):
        return Transient(line)
    return Unreadable(line)
