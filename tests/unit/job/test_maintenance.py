"""Maintenance windows: what runs into one, and what its customer is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.maintenance import (
    Reservation,
    Window,
    WindowSource,
    in_the_way,
    of_reservations,
    refusal,
)

START, END = 1_800_000_000, 1_800_014_400
WINDOW = Window(WindowSource.OPERATOR, START, END, reason="new switches")


@pytest.mark.parametrize(
    ("now", "seconds", "met"),
    [
        (START - 3600, 3600, False),  # ends in the second in which the window starts
        (START - 3600, 3601, True),
        (START, 60, True),
        (END - 1, 60, True),
        (END, 60, False),
    ],
)
def test_a_job_runs_into_a_window(now: int, seconds: int, met: bool) -> None:
    assert (in_the_way([WINDOW], 1, seconds, now) is WINDOW) is met


def test_only_jobs_that_need_more_nodes_than_a_window_leaves_run_into_it() -> None:
    part = Window(WindowSource.SLURM, START, END, nodes_left=2, reason="rack-7")
    assert in_the_way([part], 2, 60, START) is None
    assert in_the_way([part], 3, 60, START) is part


def test_the_first_window_counts() -> None:
    later = Window(WindowSource.SLURM, START + 100, END + 100)
    assert in_the_way([later, WINDOW], 1, 7200, START - 60) is WINDOW


def test_refusal_before_a_window_names_the_time_that_fits() -> None:
    assert refusal(WINDOW, 7200, START - 3599) == (
        "maintenance from 2027-01-15 08:00 UTC to 2027-01-15 12:00 UTC (new switches): a job of 7200 s would "
        "run into it; request at most 3540 s of run time, or submit it after 2027-01-15 12:00 UTC"
    )


def test_refusal_in_a_window_names_its_end() -> None:
    assert refusal(WINDOW, 60, START + 1).endswith(
        "the cluster starts no such job before its end; submit it after 2027-01-15 12:00 UTC"
    )


def test_reservations_without_the_flag_or_without_nodes_are_no_windows() -> None:
    found = of_reservations(
        [
            Reservation("course", START, END, 4, maintenance=False),
            Reservation("licences", START, END, 0, maintenance=True),
            Reservation("rack", START, END, 3, maintenance=True),
            Reservation("all", START, END, 5, maintenance=True),
        ],
        nodes=4,
    )
    assert [(window.reason, window.nodes_left) for window in found] == [("rack", 1), ("all", 0)]
    assert {window.source for window in found} == {WindowSource.SLURM}


@given(
    st.integers(0, 10**10),
    st.integers(1, 10**6),
    st.integers(0, 10**10),
    st.integers(1, 10**6),
    st.integers(1, 9),
)
def test_a_job_that_fits_the_named_time_is_not_refused(
    start: int, length: int, now: int, seconds: int, nodes: int
) -> None:
    """Whoever follows the refusal's advice is accepted: a shorter job at once, the same job after the end."""
    window = Window(WindowSource.OPERATOR, start, start + length)
    if in_the_way([window], nodes, seconds, now) is None:
        return
    assert in_the_way([window], nodes, seconds, window.ends_at) is None
    if now < start:
        assert in_the_way([window], nodes, (start - now) // 60 * 60, now) is None
