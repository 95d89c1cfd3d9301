"""Converts sacct's rows into sightings: resources, run time and outcome of a SLURM job.

See docs/slurm.md, 'Accounting records'.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from provider_daemon.errors import Unreadable
from provider_daemon.job.snapshot import Phase, Run, Sighting
from provider_daemon.slurm import tres
from provider_daemon.slurm.commands import SACCT_FIELDS, SACCT_KEY, SACCT_USER
from provider_daemon.slurm.parse import Queued, seconds, state_word, user_of
from provider_daemon.slurm.states import JobState, hopeless, job_state
from provider_daemon.slurm.tables import Reading, read

SIGNAL_BASE = 128  # shell convention: a program ended by a signal has exit code 128 + signal
_CODE = re.compile(r"[0-9]{1,5}")
_ELAPSED = re.compile(r"[0-9]{1,12}")
_OUT_OF_MEMORY = 125  # not a signal: SLURM's code for out of memory; the kernel sends SIGKILL
_SIGKILL = 9

# States after which a site may let SLURM requeue the job.
_RUN_AGAIN = frozenset({"NODE_FAIL", "BOOT_FAIL", "LAUNCH_FAILED", "RECONFIG_FAIL", "PREEMPTED", "REVOKED"})


@dataclass(frozen=True, slots=True)
class AccountingRow:
    """One record of commands.SACCT_FIELDS. Times are in seconds since the epoch, 0 when SLURM has none.

    `directory` is the working directory. A job's user cannot change it once the job runs. `user`: the pool
    user, "" for the main user.
    """

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
    user: str = ""


def rows(text: str, mark: str, main: str = "") -> Reading[AccountingRow]:
    """Parses sacct's output, in sacct's order: the records of one job are adjacent, the oldest first.

    `main` names the main user if the records have their user.
    """
    fields = (SACCT_USER, *SACCT_FIELDS) if main else SACCT_FIELDS
    return read("sacct", text, mark, fields, SACCT_KEY, ("JobName", "WorkDir"), partial(_row, main))


def once(reading: Reading[AccountingRow]) -> Reading[AccountingRow]:
    """Removes duplicates: several time windows may return the same record. The last one counts."""
    found = {(row.slurm_id, row.name, row.submitted_at, row.started_at): row for row in reading.rows}
    return replace(reading, rows=tuple(found.values()))


def _row(main: str, field: Mapping[str, str]) -> AccountingRow:
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
        directory=field["WorkDir"],
        user=user_of(field.get(SACCT_USER), main),
    )


def exit_code(text: str) -> tuple[int, int]:
    """Returns (exit code, signal).

    `3:0` is (3, 0), `0:15` is (143, 15), `0:125` (out of memory) is (137, 9), and an empty text is (0, 0).
    """
    if not text:
        return 0, 0
    code, colon, signal = text.partition(":")
    if not (colon and _CODE.fullmatch(code) and _CODE.fullmatch(signal)):
        raise Unreadable(f"sacct: cannot read the exit code {text[:40]!r}")
    number = _SIGKILL if int(signal) == _OUT_OF_MEMORY else int(signal)
    return (SIGNAL_BASE + number if number and not int(code) else int(code)), number


def run(alloc_tres: str, elapsed: str, nodes: str) -> Run:
    """Returns the allocated resources; all are 0 for a job that never started."""
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
    """Builds the sighting of one SLURM job from its records.

    The last record holds the outcome, all records the usage: a requeued job ran more than once.
    """
    last = records[-1]
    closed = last.state.phase is Phase.ENDED and bool(last.ended_at)
    # Only jobs that squeue does not show as running are looked up here. An open record is therefore outdated.
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
        directory=last.directory,
    )


def may_go_on(seen: Sighting) -> bool:
    """Whether SLURM may have requeued the job: the record of its next run may not be in slurmdbd yet."""
    return seen.final and seen.slurm_state in _RUN_AGAIN


def not_requeued(ended: Iterable[Sighting], queue: Iterable[Queued]) -> list[Sighting]:
    """Returns the ended jobs that squeue does not show with a newer submit time. A requeue sets a new one."""
    newest = {(row.slurm_id, row.name): row.submitted_at for row in queue}
    return [seen for seen in ended if newest.get((seen.slurm_id, seen.name), 0) <= seen.submitted_at]


def undecided(seen: Sighting) -> Sighting:
    """Returns the sighting without an outcome, as not final."""
    return replace(seen, phase=Phase.ENDING, outcome=None, final=False)


def by_job(found: Iterable[AccountingRow], names: frozenset[str], since: int) -> list[Sighting]:
    """Returns one sighting per SLURM job with a name in `names`.

    A record submitted before `since` belongs to an earlier job with the same SLURM job id.
    """
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
    """Builds a sighting from squeue.

    A job that squeue shows as ended counts as ending until its accounting record is read. `runs` holds only
    the current run; sacct has those before a requeue.
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
    """Merges both views by job name, with each SLURM job once.

    A closed accounting record has priority over squeue, and squeue over an open record. If squeue shows a
    newer submission than the closed record, the job was requeued: the record is that of the previous run, and
    squeue shows the job as completing while its nodes are cleaned up.
    """
    jobs = {(seen.slurm_id, seen.name): seen for seen in ended}
    for seen in live:
        known = jobs.get((seen.slurm_id, seen.name))
        if known is None or not known.final or known.submitted_at < seen.submitted_at:
            jobs[seen.slurm_id, seen.name] = (
                replace(seen, first_submitted_at=known.first_submitted_at, directory=known.directory)
                if known
                else seen
            )
    found: dict[str, tuple[Sighting, ...]] = {}
    for seen in sorted(jobs.values(), key=_age):
        found[seen.name] = (*found.get(seen.name, ()), seen)
    return found


def _age(seen: Sighting) -> tuple[int, int]:
    return seen.first_submitted_at or seen.submitted_at, int(
        seen.slurm_id
    ) if seen.slurm_id.isdecimal() else 0
