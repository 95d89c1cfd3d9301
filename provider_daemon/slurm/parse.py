"""Parses the output of the programs in commands.py. Unreadable output never counts as empty."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.job.outcome import TIMED_OUT
from provider_daemon.job.slurm_id import is_slurm_id
from provider_daemon.slurm import tres
from provider_daemon.slurm.commands import (
    ANSWER,
    BEGIN,
    END,
    SQUEUE_FIELDS,
    SQUEUE_KEY,
    SQUEUE_USER,
    UNSTARTED,
)
from provider_daemon.slurm.tables import Reading, read
from provider_daemon.slurm.transport import CommandResult

_PARSABLE = re.compile(r"([0-9]+)(;[\w.-]+)?")
_BACKLOG = re.compile(r"^DBD Agent queue size:\s*([0-9]+)\s*$", re.MULTILINE)
_STATE = re.compile(r"[A-Z][A-Z_]*(?:[+,][A-Z_]*)*(?: by [0-9]+)?")
_SECONDS = re.compile(r"[0-9]{1,11}")
_CODE = re.compile(r"[0-9]{1,3}")
_UNSET = frozenset({"", "N/A", "Unknown", "None", "0"})


@dataclass(frozen=True, slots=True)
class Queued:
    """A row of squeue. Times are in seconds since the epoch, 0 when unset; `elapsed` is in seconds.

    `tres` of a waiting job is what it requests. `user`: the pool user, "" for the main user.
    """

    slurm_id: str
    state: str
    submitted_at: int
    started_at: int
    ended_at: int
    elapsed: int
    tres: str
    reason: str
    name: str
    user: str = ""


@dataclass(frozen=True, slots=True)
class Submitted:
    """sbatch's answer for one job; `slurm_id` is empty if it returned none, `stderr` is one truncated line.

    `started` is False if sbatch was certainly not started; `stderr` then holds the reason.
    """

    name: str
    exit_code: int
    slurm_id: str
    stderr: str
    started: bool = True


def framed(answer: CommandResult, what: str) -> tuple[int, str]:
    """Returns (exit code, stdout) of the program itself, from between the marker lines.

    Raises Transient if the output was truncated, and Unreadable if the markers are missing although the shell
    succeeded.
    """
    _, begun, rest = f"\n{answer.stdout}".partition(f"\n{BEGIN}\n")
    body, ended, code = rest.rpartition(f"\n{END} ")
    if begun and ended and code.strip().isdecimal():
        return int(code), body
    if answer.exit_code != 0:
        raise Transient(f"{what}: the output was truncated ({_why(answer)}); retried at the next tick")
    raise Unreadable(
        f"{what}: the login shell printed other text: {answer.stdout[:200]!r}; check the account's "
        "login files"
    )


def _why(answer: CommandResult) -> str:
    said = " ".join(answer.stderr.split())[:200]
    if answer.exit_code in TIMED_OUT:
        return said or "its time was up"
    return said or ("no exit status" if answer.exit_code is None else f"exit code {answer.exit_code}")


def seconds(text: str) -> int:
    """Parses a time in the format of SLURM_TIME_FORMAT=%s; 0 when SLURM has none."""
    if text in _UNSET:
        return 0
    if not _SECONDS.fullmatch(text):
        raise Unreadable(
            f"not a time in seconds since the epoch: {text[:40]!r}; does the site's SLURM ignore "
            "SLURM_TIME_FORMAT?"
        )
    return int(text)


def state_word(text: str) -> str:
    """Checks a state in SLURM's notation, whether provd knows it or not: `RUNNING`, `CANCELLED by 1000`."""
    if not _STATE.fullmatch(text):
        raise Unreadable(f"not a SLURM state: {text[:40]!r}")
    return text


def queue(text: str, mark: str, main: str = "") -> Reading[Queued]:
    """Parses the output of commands.SQUEUE or, if `main` names the main user, of commands.POOL_SQUEUE."""
    fields = (SQUEUE_USER, *SQUEUE_FIELDS) if main else SQUEUE_FIELDS
    return read("squeue", text, mark, fields, SQUEUE_KEY, ("Name",), partial(_queued, main))


def user_of(found: str | None, main: str) -> str:
    """Returns a row's user as Submission has it: "" for the main user."""
    return "" if found is None or found == main else found


def _queued(main: str, field: Mapping[str, str]) -> Queued:
    tres.check(field["tres-alloc"])
    return Queued(
        slurm_id=field[SQUEUE_KEY],
        state=state_word(field["State"]),
        submitted_at=seconds(field["SubmitTime"]),
        started_at=seconds(field["StartTime"]),
        ended_at=seconds(field["EndTime"]),
        elapsed=tres.elapsed_seconds(field["TimeUsed"]),
        tres=field["tres-alloc"],
        reason=field["Reason"],
        name=field["Name"],
        user=user_of(field.get(SQUEUE_USER), main),
    )


def claims(text: str, mark: str) -> dict[str, str]:
    """Returns the content of each link in the output of commands.CLAIMED_BY, by job name."""
    part = re.escape(mark)
    return dict(re.findall(f"^{part}(.*?){part}(.*?){part}$", text, re.MULTILINE | re.DOTALL))


def receipts(answer: CommandResult) -> Iterator[Submitted]:
    """Yields the complete answer lines of a submission, also of a truncated answer; ignores other lines."""
    for line in answer.stdout.split("\n")[:-1]:
        if line.startswith(f"{ANSWER} ") and (submitted := _submitted(line)):
            yield submitted


def _submitted(line: str) -> Submitted | None:
    parts = line.split(" ", 4)
    if len(parts) == 5 and parts[2] == UNSTARTED:
        return Submitted(parts[1], 1, "", parts[4].strip(), started=False)
    if len(parts) != 5 or not _CODE.fullmatch(parts[2]):
        return None  # the outcome of this submission stays unknown; provd searches for the job by name
    named = _PARSABLE.fullmatch(parts[3])
    slurm_id = named[1] if named and is_slurm_id(named[1]) else ""
    return Submitted(parts[1], int(parts[2]), slurm_id, parts[4].strip())


def backlog(text: str) -> int:
    """Returns from sdiag how many records slurmctld has not yet sent to slurmdbd."""
    found = set(_BACKLOG.findall(text))
    if len(found) != 1:
        raise Unreadable(
            f"sdiag: {len(found)} lines 'DBD Agent queue size' instead of one; without it no job can be "
            "proven absent"
        )
    return int(found.pop())


def version(text: str) -> str:
    """Returns the version number in `slurm-wlm 22.05.8` or `slurm 23.11.4`."""
    found = re.search(r"slurm\S* ([0-9]+\.[0-9]+\S*)\s*$", text, re.MULTILINE)
    if found is None:
        raise Unreadable(f"sbatch --version: cannot read {text[:100]!r}")
    return found[1]
