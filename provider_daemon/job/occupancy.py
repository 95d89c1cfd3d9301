"""How many seconds each accounting record of a SLURM job counts for: every second of the job once.

Records can overlap and repeat. A resized job has one that ends with the resize, and one whose start and
elapsed time are of the whole job again, submitted at the moment of the resize. An archive that was loaded
twice holds every record twice."""

from collections.abc import Iterable, Sequence

from provider_daemon.job.snapshot import Run

Interval = tuple[int, int]


def held_seconds(runs: Sequence[Run]) -> list[tuple[Run, int]]:
    """Each record with the seconds that it alone accounts for: at each moment, the newest record says what
    was allocated.

    A record counts from its own submission, and suspension is left out, as SLURM's elapsed time leaves it
    out."""
    held = [(run, run.elapsed) for run in runs if not run.start]  # it never began
    covered = list[Interval]()
    for run in sorted({run for run in runs if run.start}, key=_age, reverse=True):
        begin, end = max(run.start, run.submitted), _end(run)
        free = _uncovered((begin, end), covered)
        suspended = max(0, end - run.start - run.elapsed)
        held.append((run, max(0, free - suspended)))
        covered.append((begin, end))
    return held


def _end(run: Run) -> int:
    """Of one that is still open, as far as it has come."""
    return run.end or run.start + run.elapsed


def _age(run: Run) -> tuple[object, ...]:
    """Total, so that the order in which the records come does not matter."""
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
    """Seconds of the interval that none of the others holds."""
    begin, end = wanted
    free = max(0, end - begin)
    for other_begin, other_end in sorted(covered):
        low, high = max(begin, other_begin), min(end, other_end)
        if low < high:
            free -= high - low
            begin = high
    return free
