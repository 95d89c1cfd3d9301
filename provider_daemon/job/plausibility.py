"""Checks that SLURM's accounting of a job is plausible before it is signed, with bounds from the job itself.

Records are sometimes wrong: a daemon was restarted with a wrong clock, a database was restored, a value means
"none". A value far outside of the request is shown to an operator instead of being billed.
"""

from collections.abc import Iterator, Sequence

from provider_daemon.job.snapshot import Run
from provider_daemon.job.spec import Resources

CLOCK_SECONDS = 86_400  # that the site's clock may be ahead of the chain's
# a record may exceed the wall limit by these: a node that hangs ends late
LIMIT_FACTOR, LIMIT_SECONDS = 2, 3600
# More than any node has. A job that requested a part of a node can get the whole node.
CPUS_A_NODE, MEMORY_MIB_A_NODE, GPUS_A_NODE = 8192, 256 * 1024 * 1024, 256


def implausible(runs: Sequence[Run], asked: Resources, wall_seconds: int, latest: float) -> str:
    """Returns the first implausible value as text, or ''. `latest`: the latest possible time at the site."""
    found = (what for run in runs for what in _of(run, asked, wall_seconds, latest))
    return next(found, "")


def is_dated_after(runs: Sequence[Run], latest: float) -> bool:
    """Returns whether a record has a time in the future."""
    return any(max(run.start, run.end) > latest + CLOCK_SECONDS for run in runs)


def _of(run: Run, asked: Resources, wall_seconds: int, latest: float) -> Iterator[str]:
    limit = LIMIT_FACTOR * wall_seconds + LIMIT_SECONDS
    if run.elapsed < 0 or run.elapsed > limit:
        yield f"{run.elapsed} s elapsed, for a limit of {wall_seconds} s"
    if run.end and run.elapsed > max(0, run.end - run.start):
        yield f"{run.elapsed} s elapsed between start {run.start} and end {run.end}"
    if run.end and run.start > run.end:
        yield f"start {run.start} is after end {run.end}"
    if is_dated_after([run], latest):
        yield f"start {run.start} or end {run.end} is in the future"
    if run.elapsed > 0:
        yield from _allocation(run, asked)


def _allocation(run: Run, asked: Resources) -> Iterator[str]:
    if not run.start:
        yield f"{run.elapsed} s elapsed without a start"
    if not 0 < run.nodes <= asked.nodes:
        yield f"{run.nodes} nodes, {asked.nodes} asked for"
    elif not 0 < run.cpus <= run.nodes * CPUS_A_NODE:
        yield f"{run.cpus} CPU cores on {run.nodes} nodes"
    elif run.memory_mib > run.nodes * MEMORY_MIB_A_NODE:
        yield f"{run.memory_mib} MiB of memory on {run.nodes} nodes"
    elif sum(count for _, count in run.gpus) > run.nodes * GPUS_A_NODE:
        yield f"{sum(count for _, count in run.gpus)} GPUs on {run.nodes} nodes"
