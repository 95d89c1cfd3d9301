"""What the programs of commands.py answer, as text in. Nothing is guessed: what cannot be read raises Unreadable, never means "nothing"."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.job.lifecycle import TIMED_OUT
from provider_daemon.slurm.commands import ANSWER, BEGIN, END, SQUEUE_FIELDS
from provider_daemon.slurm.transport import Answer
from provider_daemon.slurm.tres import elapsed_seconds

_SLURM_ID = re.compile(r"(\d+)(;[\w.-]+)?")
_BACKLOG = re.compile(r"^DBD Agent queue size:\s*(\d+)\s*$", re.MULTILINE)
_UNSET = frozenset({"", "N/A", "Unknown", "None", "0"})


@dataclass(frozen=True, slots=True)
class Queued:
    """A row of squeue. Times in seconds since the epoch, 0 when unset; `elapsed` in seconds. `tres` of a waiting job: what it asks for."""

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
    """sbatch's answer for one order; `slurm_id` empty when it named none, `stderr` one bounded line."""

    name: str
    exit_code: int
    slurm_id: str
    stderr: str


def framed(answer: Answer, what: str) -> tuple[int, str]:
    """(exit code, stdout) of the program itself, from between the marker lines.

    Raises Transient when the answer was cut, Unreadable when the program's markers never came although the shell ended well.
    """
    _, begun, rest = f"\n{answer.stdout}".partition(f"\n{BEGIN}\n")
    body, ended, code = rest.rpartition(f"\n{END} ")
    if begun and ended and code.strip().isdecimal():
        return int(code), body
    if answer.exit_code != 0:
        raise Transient(f"{what}: the answer was cut short ({_why(answer)}); asked again at the next tick")
    raise Unreadable(f"{what}: the login shell printed something else: {answer.stdout[:200]!r}; check the account's login files")


def _why(answer: Answer) -> str:
    said = " ".join(answer.stderr.split())[:200]
    if answer.exit_code in TIMED_OUT:
        return said or "its time was up"
    return said or ("no exit status" if answer.exit_code is None else f"exit code {answer.exit_code}")


def seconds(text: str) -> int:
    """A time as SLURM_TIME_FORMAT=%s prints it; 0 when SLURM has none."""
    if text in _UNSET:
        return 0
    if not text.isdecimal():
        raise Unreadable(f"{text!r} is no time in seconds since the epoch: does the site's SLURM ignore SLURM_TIME_FORMAT?")
    return int(text)


def table(what: str, text: str, mark: str, fields: Sequence[str]) -> Iterator[list[str]]:
    """Rows of so many fields, with `mark` behind each field; whatever else stands in one, line breaks too, is a part of it.

    Raises Unreadable for a row that is cut, or with other fields.
    """
    *values, rest = text.split(mark)
    if rest.strip() or len(values) % len(fields):
        raise Unreadable(f"{what}: cannot read {(rest.strip() or text)[:200]!r}")
    for start in range(0, len(values), len(fields)):
        first, *others = values[start : start + len(fields)]
        yield [first.lstrip("\n"), *others]


def queue(text: str, mark: str) -> tuple[Queued, ...]:
    """The rows of commands.SQUEUE."""
    return tuple(_queued(*row) for row in table("squeue", text, mark, SQUEUE_FIELDS))


def _queued(slurm_id: str, state: str, submitted: str, started: str, ended: str, elapsed: str, tres: str, reason: str, name: str) -> Queued:
    return Queued(slurm_id, state, seconds(submitted), seconds(started), seconds(ended), elapsed_seconds(elapsed), tres, reason, name)


def receipts(answer: Answer) -> Iterator[Submitted]:
    """The answer lines of a submission that arrived whole; a cut answer yields those before the cut."""
    for line in answer.stdout.split("\n")[:-1]:
        if line.startswith(f"{ANSWER} "):
            yield _submitted(line)


def _submitted(line: str) -> Submitted:
    parts = line.split(" ", 4)
    if len(parts) != 5 or not parts[2].isdecimal():
        raise Unreadable(f"sbatch: cannot read {line[:200]!r}")
    named = _SLURM_ID.fullmatch(parts[3])
    return Submitted(parts[1], int(parts[2]), named[1] if named else "", parts[4].strip())


def backlog(text: str) -> int:
    """How many records slurmctld has not handed to slurmdbd yet, from sdiag."""
    found = _BACKLOG.search(text)
    if found is None:
        raise Unreadable("sdiag: no line 'DBD Agent queue size'; without it no job's absence can be proven")
    return int(found[1])


def version(text: str) -> str:
    """`slurm-wlm 22.05.8` or `slurm 23.11.4` -> the number alone."""
    found = re.search(r"^slurm\S* (\d+\.\d+\S*)", text, re.MULTILINE)
    if found is None:
        raise Unreadable(f"sbatch --version: cannot read {text[:100]!r}")
    return found[1]
