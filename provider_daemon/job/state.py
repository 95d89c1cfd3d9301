"""The chain's job states and which report may follow which (docs/protocol.md, 'Reports')."""

from enum import StrEnum


class State(StrEnum):
    """The state of a job. Values are those of the chain's records."""

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"


TERMINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.TIMEOUT})

# Terminal states that the chain sets itself: the SLURM job may still run, and its usage is not reported.
ENDED_BY_CHAIN = frozenset({State.CANCELLED, State.TIMEOUT})

# The chain refuses any other transition, including to the same state, with hpc code 2107.
TRANSITIONS: dict[State, frozenset[State]] = {
    State.PENDING: frozenset({State.QUEUED, State.FAILED, State.CANCELLED}),
    State.QUEUED: frozenset({State.RUNNING, State.FAILED, State.CANCELLED, State.TIMEOUT}),
    State.RUNNING: frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.TIMEOUT}),
    State.COMPLETED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
    State.TIMEOUT: frozenset(),
}

# The order of a job's states; a route never goes back in it.
_FORWARD = (State.QUEUED, State.RUNNING)


def route(reported: State, state: State, *, ran: bool = False) -> tuple[State, ...]:
    """Returns the reports that lead from the confirmed state to `state`, in order; empty if none is needed.

    Also empty if no legal route exists (the chain's record is terminal, or ahead of ours). A job that `ran`
    passes through running even if the chain would accept a shorter route, so that its record has the start
    time.
    """
    if reported == state or reported in TERMINAL:
        return ()
    steps: list[State] = []
    current = reported
    while state not in TRANSITIONS[current] or (ran and current is not State.RUNNING and state in TERMINAL):
        following = next((step for step in _FORWARD if step in TRANSITIONS[current]), None)
        if following is None:
            return ()
        steps.append(following)
        current = following
    return (*steps, state)
