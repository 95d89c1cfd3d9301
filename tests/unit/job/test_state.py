"""The transition table and the way through it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.state import TERMINAL, TRANSITIONS, State, route

states = st.sampled_from(list(State))


@pytest.mark.parametrize(
    ("reported", "state", "expected"),
    [
        (State.PENDING, State.FAILED, [State.FAILED]),
        (State.PENDING, State.RUNNING, [State.QUEUED, State.RUNNING]),
        (State.PENDING, State.COMPLETED, [State.QUEUED, State.RUNNING, State.COMPLETED]),
        (State.PENDING, State.TIMEOUT, [State.QUEUED, State.TIMEOUT]),
        (State.QUEUED, State.COMPLETED, [State.RUNNING, State.COMPLETED]),
        (State.RUNNING, State.QUEUED, []),
        (State.RUNNING, State.RUNNING, []),
        (State.CANCELLED, State.COMPLETED, []),
    ],
)
def test_route(reported: State, state: State, expected: list[State]) -> None:
    """A job seen late is reported through every state that the chain insists on, and never backwards."""
    assert list(route(reported, state)) == expected


@given(states, states)
def test_every_step_of_a_route_is_one_the_chain_takes(reported: State, state: State) -> None:
    """Each report of a route is a legal transition from the one before, and the last one says what we
    know."""
    current = reported
    for step in route(reported, state):
        assert step in TRANSITIONS[current]
        current = step
    assert current in (reported, state)


@given(states, st.sampled_from(sorted(TERMINAL)))
def test_a_terminal_state_is_always_reachable_from_a_live_one(reported: State, state: State) -> None:
    """Nothing that ends in SLURM is unreportable while the chain's record is open."""
    assert bool(route(reported, state)) == (reported not in TERMINAL)
