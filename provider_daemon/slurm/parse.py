"""What the programs of commands.py answer, as text in. Nothing is guessed: what cannot be read raises
Unreadable, never means "nothing"."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.job.lifecycle import TIMED_OUT
from provider_daemon.job.slurm_id import is_slurm_id
from provider_daemon.slurm import tres
from provider_daemon.slurm.commands import ANSWER, BEGIN, END, SQUEUE_FIELDS, SQUEUE_KEY, UNSTARTED
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
    """A row of squeue. Times in seconds since the epoch, 0 when unset; `elapsed` in seconds. `tres` of a
    waiting job: what it asks for."""

    slurm_id: str
    state: str
    submitted_at: int
    started_at: int
    ended_at: int
    elapsed: int
    tres: str
    reason: str
    name: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """sbatch's answer for one order; `slurm_id` empty when it named none, `stderr` one bounded line.

    `started` is False where our program knows that it never called sbatch; `stderr` then holds why.
    """

    name: str
    exit_code: int
    slurm_id: str
    stderr: str
    started: bool = True


def framed(answer: CommandResult, what: str) -> tuple[int, str]:
    """(exit code, stdout) of the program itself, from between the marker lines.

    Raises Transient when the answer was cut, Unreadable when the program's markers never came although the
    shell ended well."""
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
    """A time as SLURM_TIME_FORMAT=%s prints it; 0 when SLURM has none."""
    if text in _UNSET:
        return 0
    if not _SECONDS.fullmatch(text):
        raise Unreadable(
            f"not a time in seconds since the epoch: {text[:40]!r}; does the site's SLURM ignore "
            "SLURM_TIME_FORMAT?"
        )
    return int(text)


def state_word(text: str) -> str:
    """A state as SLURM writes it, known to us or not: `RUNNING`, `CANCELLED by 1000`."""
    if not _STATE.fullmatch(text):
        raise Unreadable(f"not a SLURM state: {text[:40]!r}")
    return text


def queue(text: str, mark: str) -> Reading[Queued]:
    """The answer of commands.SQUEUE."""
    return read("squeue", text, mark, SQUEUE_FIELDS, SQUEUE_KEY, ("Name",), _queued)


def _queued(field: Mapping[str, str]) -> Queued:
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
    )


def receipts(answer: CommandResult) -> Iterator[Submitted]:
    """The answer lines of a submission that arrived whole; a cut answer yields those before the cut. Any
    other line is not ours."""
    for line in answer.stdout.split("\n")[:-1]:
        if line.startswith(f"{ANSWER} ") and (submitted := _submitted(line)):
            yield submitted


def _submitted(line: str) -> Submitted | None:
    parts = line.split(" ", 4)
    if len(parts) == 5 and parts[2] == UNSTARTED:
        return Submitted(parts[1], 1, "", parts[4].strip(), started=False)
    if len(parts) != 5 or not _CODE.fullmatch(parts[2]):
        return None  # the order that it may be of stays in doubt, and is looked for by name
    named = _PARSABLE.fullmatch(parts[3])
    slurm_id = named[1] if named and is_slurm_id(named[1]) else ""
    return Submitted(parts[1], int(parts[2]), slurm_id, parts[4].strip())


def backlog(text: str) -> int:
    """How many records slurmctld has not handed to slurmdbd yet, from sdiag."""
    found = set(_BACKLOG.findall(text))
    if len(found) != 1:
        raise Unreadable(
            f"sdiag: {len(found)} lines 'DBD Agent queue size' instead of one; without it no job can be "
            "proven absent"
        )
    return int(found.pop())


def version(text: str) -> str:
    """`slurm-wlm 22.05.8` or `slurm 23.11.4` -> the number alone."""
    found = re.search(r"slurm\S* ([0-9]+\.[0-9]+\S*)\s*$", text, re.MULTILINE)
    if found is None:
        raise Unreadable(f"sbatch --version: cannot read {text[:100]!r}")
    return found[1]
