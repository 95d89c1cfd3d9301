"""Accounting records that overlap and repeat: every second of a job is billed once."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.occupancy import held_seconds
from provider_daemon.job.snapshot import Run
from provider_daemon.job.usage import measure


def record(submitted: int, start: int, end: int, nodes: int, elapsed: int | None = None) -> Run:
    return Run(
        end - start if elapsed is None else elapsed, 4 * nodes, 1024 * nodes, nodes, (), start, end, submitted
    )


def core_seconds(*runs: Run) -> int:
    return measure(runs, 0).cpu_core_seconds


RESIZED = (record(13, 13, 35, 2), record(35, 13, 58, 1))


def test_a_resized_job() -> None:
    """The rows that SLURM 22.05.8 wrote of a job that shrank from two nodes to one: 22 s of 8 cores and 23 s
    of 4, not 22 and 45."""
    assert core_seconds(*RESIZED) == 22 * 8 + 23 * 4 == 268
    assert core_seconds(record(13, 13, 34, 2), record(34, 13, 36, 1)) == 176
    assert measure(RESIZED, 0).wall_clock_seconds == 45


def test_the_same_record_twice() -> None:
    """An archive that was loaded again, and a record that was open when it was read first."""
    assert core_seconds(*RESIZED, *RESIZED) == 268
    still_open = replace(RESIZED[1], end=0, elapsed=20)
    assert core_seconds(*RESIZED, still_open) == 268


def test_a_requeued_job_holds_its_nodes_each_time() -> None:
    """Time between the runs is nobody's."""
    assert core_seconds(record(10, 20, 50, 1), record(50, 170, 200, 1)) == 60 * 4


def test_suspension_is_left_out() -> None:
    """As SLURM's elapsed time leaves it out."""
    assert core_seconds(record(10, 20, 50, 1, elapsed=12)) == 12 * 4
    assert (
        core_seconds(record(13, 13, 35, 2, elapsed=20), record(35, 13, 58, 1, elapsed=40)) == 20 * 8 + 18 * 4
    )


def test_a_record_of_what_never_ran() -> None:
    """It holds nothing, and its end covers nothing."""
    assert core_seconds(Run(0, 0, 0, 0, end=100, submitted=10), record(10, 20, 50, 1)) == 120


@st.composite
def records(draw: st.DrawFn) -> Run:
    start = draw(st.integers(1, 100))
    length = draw(st.integers(0, 50))
    suspended = draw(st.integers(0, length))
    submitted = draw(st.integers(max(0, start - 20), start + length))
    return record(submitted, start, start + length, draw(st.integers(1, 4)), length - suspended)


@given(st.lists(records(), min_size=1, max_size=6), st.randoms())
def test_repetition_and_order_change_nothing(runs: list[Run], dice: object) -> None:
    """However often and in whatever order SLURM gives the records."""
    again = [*runs, *runs[: len(runs) // 2 + 1]]
    dice.shuffle(again)  # type: ignore[attr-defined]
    assert measure(again, 0) == measure(runs, 0)


@given(st.lists(records(), min_size=1, max_size=6))
def test_never_more_than_the_time_that_passed(runs: list[Run]) -> None:
    """No second twice, so never more than the largest allocation for the whole time; and no record for more
    than it says itself."""
    used = measure(runs, 0)
    passed = max(run.end for run in runs) - min(run.start for run in runs)
    assert used.wall_clock_seconds <= passed
    assert used.cpu_core_seconds <= passed * max(run.cpus for run in runs)
    assert all(0 <= seconds <= run.elapsed for run, seconds in held_seconds(runs))
