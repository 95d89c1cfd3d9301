"""sacct's rows -> sightings: what a SLURM job was given, for how long, and how it ended (docs/slurm.md,
'Accounting records')."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from provider_daemon.errors import Unreadable
from provider_daemon.job.snapshot import Phase, Run, Sighting
from provider_daemon.slurm import tres
from provider_daemon.slurm.commands import SACCT_FIELDS, SACCT_KEY
from provider_daemon.slurm.parse import Queued, seconds, state_word
from provider_daemon.slurm.states import JobState, hopeless, job_state
from provider_daemon.slurm.tables import Reading, read

SIGNAL_BASE = 128  # a program that a signal ended has exit code 128 + signal, as shells say it
_CODE = re.compile(r"[0-9]{1,5}")
_ELAPSED = re.compile(r"[0-9]{1,12}")
_OUT_OF_MEMORY = 125  # SLURM's mark, no signal: what the kernel sends is SIGKILL
_SIGKILL = 9

# What ends a stretch of a job that sites may let SLURM requeue.
_RUN_AGAIN = frozenset({"NODE_FAIL", "BOOT_FAIL", "LAUNCH_FAILED", "RECONFIG_FAIL", "PREEMPTED", "REVOKED"})


@dataclass(frozen=True, slots=True)
class AccountingRow:
    """One record of commands.SACCT_FIELDS. Times in seconds since the epoch, 0 when SLURM has none.

    `directory`: the last part of the working directory. A job's user cannot change it once the job has begun
    to run."""

    slurm_id: str
    name: str
    state: JobState
    exit_code: int
    signal: int
    submitted_at: int
    started_at: int
    ended_at: int
    reason: str
    run: Run
    directory: str = ""


def rows(text: str, mark: str) -> Reading[AccountingRow]:
    """In sacct's order: the records of one job follow each other, the oldest first."""
    return read("sacct", text, mark, SACCT_FIELDS, SACCT_KEY, ("JobName", "WorkDir"), _row)


def once(reading: Reading[AccountingRow]) -> Reading[AccountingRow]:
    """Each record once: one that several windows of time hold is in the answer of each. The latest answer
    counts."""
    found = {(row.slurm_id, row.name, row.submitted_at, row.started_at): row for row in reading.rows}
    return replace(reading, rows=tuple(found.values()))


def _row(field: Mapping[str, str]) -> AccountingRow:
    code, signal = exit_code(field["ExitCode"])
    return AccountingRow(
        slurm_id=field[SACCT_KEY],
        name=field["JobName"],
        state=job_state(state_word(field["State"])),
        exit_code=code,
        signal=signal,
        submitted_at=seconds(field["Submit"]),
        started_at=seconds(field["Start"]),
        ended_at=seconds(field["End"]),
        reason=field["Reason"],
        run=replace(
            run(field["AllocTRES"], field["ElapsedRaw"], field["NNodes"]),
            start=seconds(field["Start"]),
            end=seconds(field["End"]),
            submitted=seconds(field["Submit"]),
        ),
        directory=field["WorkDir"].rpartition("/")[2],
    )


def exit_code(text: str) -> tuple[int, int]:
    """(exit code, signal): `3:0` -> (3, 0); `0:15` -> (143, 15); `0:125`, out of memory -> (137, 9); empty ->
    (0, 0)."""
    if not text:
        return 0, 0
    code, colon, signal = text.partition(":")
    if not (colon and _CODE.fullmatch(code) and _CODE.fullmatch(signal)):
        raise Unreadable(f"sacct: cannot read the exit code {text[:40]!r}")
    number = _SIGKILL if int(signal) == _OUT_OF_MEMORY else int(signal)
    return (SIGNAL_BASE + number if number and not int(code) else int(code)), number


def run(alloc_tres: str, elapsed: str, nodes: str) -> Run:
    """What was allocated; nothing for a job that never started."""
    parts = tres.tres(alloc_tres)
    if not _ELAPSED.fullmatch(elapsed):
        raise Unreadable(f"sacct: not an elapsed time in seconds: {elapsed[:40]!r}")
    return Run(
        elapsed=int(elapsed),
        cpus=tres.count(parts.get("cpu", "0")),
        memory_mib=tres.mebibytes(parts.get("mem", "0")),
        nodes=tres.count(parts.get("node", nodes if parts else "0")),
        gpus=tres.gpus(parts),
    )


def ended(records: Sequence[AccountingRow]) -> Sighting:
    """One SLURM job from its records: the last one says how it ended, all of them what it used. A requeued
    one ran more than once."""
    last = records[-1]
    closed = last.state.phase is Phase.ENDED and bool(last.ended_at)
    # Only jobs that squeue no longer shows as running are looked up here: an open record of one is late, not
    # alive.
    late = not closed and last.state.phase in (Phase.RUNNING, Phase.ENDED)
    return Sighting(
        slurm_id=last.slurm_id,
        name=last.name,
        phase=Phase.ENDING if late else last.state.phase,
        slurm_state=last.state.word,
        outcome=last.state.outcome,
        reason=last.reason,
        exit_code=last.exit_code,
        signal=last.signal,
        submitted_at=last.submitted_at,
        first_submitted_at=records[0].submitted_at,
        started_at=last.started_at,
        ended_at=last.ended_at,
        elapsed=last.run.elapsed,
        runs=tuple(row.run for row in records),
        final=closed,
        overdue=not closed,
    )


def may_go_on(seen: Sighting) -> bool:
    """A last word after which SLURM may have run the job again: the record of the next stretch can still be
    under way to slurmdbd."""
    return seen.final and seen.slurm_state in _RUN_AGAIN


def not_requeued(ended: Iterable[Sighting], queue: Iterable[Queued]) -> list[Sighting]:
    """Those that squeue, asked after them, does not show under a newer submission: a requeue is one."""
    newest = {(row.slurm_id, row.name): row.submitted_at for row in queue}
    return [seen for seen in ended if newest.get((seen.slurm_id, seen.name), 0) <= seen.submitted_at]


def undecided(seen: Sighting) -> Sighting:
    """The same, as no last word."""
    return replace(seen, phase=Phase.ENDING, outcome=None, final=False)


def by_job(found: Iterable[AccountingRow], names: frozenset[str], since: int) -> list[Sighting]:
    """A sighting for each SLURM job under one of our names. A record of before `since` belongs to an earlier
    owner of the job id."""
    jobs: dict[tuple[str, str], list[AccountingRow]] = {}
    for row in found:
        if (
            row.name in names
            and row.slurm_id.isdecimal()
            and (not row.submitted_at or row.submitted_at >= since)
        ):
            jobs.setdefault((row.slurm_id, row.name), []).append(row)
    return [ended(records) for records in jobs.values()]


def live(row: Queued) -> Sighting:
    """From squeue. A job that squeue calls ended waits for its accounting record: until then it is ending.

    Its one run is what it holds by now; runs before a requeue are known to sacct alone.
    """
    state = job_state(row.state)
    phase = Phase.ENDING if state.phase is Phase.ENDED else state.phase
    return Sighting(
        slurm_id=row.slurm_id,
        name=row.name,
        phase=phase,
        slurm_state=state.word,
        reason=row.reason,
        hopeless=hopeless(row.reason) if phase is Phase.WAITING else "",
        submitted_at=row.submitted_at,
        started_at=row.started_at,
        elapsed=row.elapsed,
        runs=(replace(run(row.tres, str(row.elapsed), "0"), start=row.started_at),)
        if phase is Phase.RUNNING
        else (),
    )


def merge(live: Sequence[Sighting], ended: Sequence[Sighting]) -> dict[str, tuple[Sighting, ...]]:
    """Both views by name, a SLURM job once: the closed accounting record wins over squeue, squeue over an
    open record.

    A requeue is a new submission of the same job: while its nodes are cleaned up squeue calls it completing,
    and the record that is closed is that of the stretch before."""
    jobs = {(seen.slurm_id, seen.name): seen for seen in ended}
    for seen in live:
        known = jobs.get((seen.slurm_id, seen.name))
        if known is None or not known.final or known.submitted_at < seen.submitted_at:
            jobs[seen.slurm_id, seen.name] = (
                replace(seen, first_submitted_at=known.first_submitted_at) if known else seen
            )
    found: dict[str, tuple[Sighting, ...]] = {}
    for seen in sorted(jobs.values(), key=_age):
        found[seen.name] = (*found.get(seen.name, ()), seen)
    return found


def _age(seen: Sighting) -> tuple[int, int]:
    return seen.first_submitted_at or seen.submitted_at, int(
        seen.slurm_id
    ) if seen.slurm_id.isdecimal() else 0
