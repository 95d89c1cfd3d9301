"""What one customer may use: which jobs are taken, left on chain, refused and submitted."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.customer_limits import (
    MOST_AT_ONCE,
    REFUSALS_A_MINUTE,
    CustomerLimits,
    CustomerPolicy,
    Decision,
    Held,
    History,
    Later,
    Limit,
    Refuse,
    Take,
    decide,
    over_limit,
    room,
)
from provider_daemon.job.spec import Resources
from tests.unit.job import jobs

SPEC = replace(
    jobs.SPEC,
    customer="ve1alice",
    resources=Resources(nodes=2, cpus_per_node=4, gpus_per_node=1),
    max_runtime_seconds=3600,
)
LIMITS = CustomerLimits(
    max_jobs=3,
    max_waiting=5,
    max_cores=16,
    max_gpus=4,
    core_hours_per_day=20,
    submissions_per_minute=2,
)
POLICY = CustomerPolicy(LIMITS)


@pytest.mark.parametrize(
    ("policy", "history", "asked", "expected"),
    [
        (CustomerPolicy(), History(10**6, 10**6, 10**6, 10**12), {}, Take()),
        (POLICY, History(), {}, Take()),
        (POLICY, History(waiting=4, taken=1, core_seconds=12 * 3600), {}, Take()),
        (POLICY, History(waiting=5), {}, Later(Limit.WAITING)),
        (POLICY, History(taken=2), {}, Later(Limit.SUBMISSIONS)),
        (POLICY, History(core_seconds=12 * 3600 + 1), {}, Later(Limit.CORE_HOURS)),
        (CustomerPolicy(LIMITS, {"ve1alice": CustomerLimits()}), History(waiting=100), {}, Take()),
        (
            CustomerPolicy(LIMITS, {"ve1bob": CustomerLimits()}),
            History(waiting=100),
            {},
            Later(Limit.WAITING),
        ),
        (
            POLICY,
            History(),
            {"resources": Resources(nodes=17)},
            Refuse(Limit.CORES, "17 CPU cores requested, this provider allows a customer 16 in all"),
        ),
        (
            POLICY,
            History(),
            {"resources": Resources(nodes=5, gpus_per_node=1)},
            Refuse(Limit.GPUS, "5 GPUs requested, this provider allows a customer 4 in all"),
        ),
        (
            POLICY,
            History(),
            {"max_runtime_seconds": 9001},
            Refuse(
                Limit.CORE_HOURS,
                "20.0022 core-hours requested, this provider allows a customer 20 in all in 24 hours",
            ),
        ),
        (
            CustomerPolicy(blocked={"ve1alice": "unpaid bills"}),
            History(),
            {},
            Refuse(Limit.BLOCKED, "this provider accepts no jobs from this account: unpaid bills"),
        ),
        (CustomerPolicy(blocked={"ve1bob": "unpaid bills"}), History(), {}, Take()),
        (CustomerPolicy(allowed={"ve1alice": "contract 12"}), History(), {}, Take()),
        (
            CustomerPolicy(allowed={"ve1bob": "contract 12"}),
            History(),
            {},
            Refuse(
                Limit.NOT_ALLOWED,
                "this provider accepts jobs of registered accounts only: contact it",
            ),
        ),
        (
            CustomerPolicy(allowed={"ve1alice": ""}, blocked={"ve1alice": "x"}),
            History(refused=REFUSALS_A_MINUTE),
            {},
            Later(Limit.BLOCKED),
        ),
    ],
)
def test_decisions(
    policy: CustomerPolicy, history: History, asked: dict[str, object], expected: Decision
) -> None:
    """A job is taken up to and including each limit; beyond it waits, or is refused if it can never fit."""
    assert decide(policy, history, replace(SPEC, **asked)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("held", "asked", "expected"),
    [
        (Held(), Resources(nodes=2, cpus_per_node=8, gpus_per_node=2), None),
        (Held(2, 8, 0), Resources(nodes=1, cpus_per_node=8), None),
        (Held(3, 3, 0), Resources(nodes=1), Limit.JOBS),
        (Held(1, 9, 0), Resources(nodes=1, cpus_per_node=8), Limit.CORES),
        (Held(1, 1, 3), Resources(nodes=1, gpus_per_node=2), Limit.GPUS),
    ],
)
def test_submission(held: Held, asked: Resources, expected: Limit | None) -> None:
    assert over_limit(LIMITS, held, asked) is expected


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.booleans())
def test_room_is_what_is_taken(waiting: int, taken: int, refused: int, hours: int, blocked: bool) -> None:
    """As many small jobs as `room` grants are decided on at once; after them, the next one waits."""
    policy = replace(POLICY, blocked={"ve1alice": "x"} if blocked else {})
    history = History(waiting, taken, refused, hours * 3600)
    spec = replace(SPEC, resources=Resources(nodes=1), max_runtime_seconds=0)
    decided = 0
    while decided < MOST_AT_ONCE and not isinstance(decision := decide(policy, history, spec), Later):
        history, decided = history.after(decision, spec), decided + 1
    granted = room(policy, "ve1alice", History(waiting, taken, refused, hours * 3600))
    assert granted == decided or hours >= 20


def test_no_limit_has_bounded_room() -> None:
    """Postponed jobs of a customer whose limits were lifted are read in bounded steps."""
    assert room(CustomerPolicy(), "ve1alice", History()) == MOST_AT_ONCE
