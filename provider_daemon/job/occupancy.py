"""Computes the seconds that each accounting record counts for, so that each second counts once.

Records can overlap and repeat. A resized SLURM job has one record that ends with the resize, and one with the
start and elapsed time of the whole job whose submit time is the resize. An archive that was loaded twice
contains every record twice.
"""

from collections.abc import Iterable, Sequence

from provider_daemon.job.snapshot import Run

Interval = tuple[int, int]


def held_seconds(runs: Sequence[Run]) -> list[tuple[Run, int]]:
    """Returns each record with the seconds that it accounts for. The newest record of a moment counts.

    A record counts from its own submit time. Suspended time is excluded, as in SLURM's elapsed time.
    """
    held = [(run, run.elapsed) for run in runs if not run.start]  # the record has no start
    covered = list[Interval]()
    for run in sorted({run for run in runs if run.start}, key=_age, reverse=True):
        begin, end = max(run.start, run.submitted), _end(run)
        free = _uncovered((begin, end), covered)
        suspended = max(0, end - run.start - run.elapsed)
        held.append((run, max(0, free - suspended)))
        covered.append((begin, end))
    return held


def _end(run: Run) -> int:
    """Returns the record's end; for an open record, its start plus its elapsed time."""
    return run.end or run.start + run.elapsed


def _age(run: Run) -> tuple[object, ...]:
    """Sort key. It is a total order, so that the order of the input does not matter."""
    return (
        max(run.start, run.submitted),
        _end(run),
        run.elapsed,
        run.cpus,
        run.memory_mib,
        run.nodes,
        run.gpus,
        run.end,
        run.start,
    )


def _uncovered(wanted: Interval, covered: Iterable[Interval]) -> int:
    """Returns the seconds of the interval that no other interval covers."""
    begin, end = wanted
    free = max(0, end - begin)
    for other_begin, other_end in sorted(covered):
        low, high = max(begin, other_begin), min(end, other_end)
        if low < high:
            free -= high - low
            begin = high
    return free
