"""The chain's job states and which report may follow which (docs/protocol.md, 'Reports')."""

from enum import StrEnum


class State(StrEnum):
    """Values are the words of the chain's store records."""

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"


TERMINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.TIMEOUT})

# Terminal states that end a job without us: its SLURM job may live on, and what it used is told to nobody.
ENDED_BY_CHAIN = frozenset({State.CANCELLED, State.TIMEOUT})

# Anything that is not listed, the same state again included, is refused by the chain with hpc code 2107.
TRANSITIONS: dict[State, frozenset[State]] = {
    State.PENDING: frozenset({State.QUEUED, State.FAILED, State.CANCELLED}),
    State.QUEUED: frozenset({State.RUNNING, State.FAILED, State.CANCELLED, State.TIMEOUT}),
    State.RUNNING: frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.TIMEOUT}),
    State.COMPLETED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
    State.TIMEOUT: frozenset(),
}

# The order in which a job lives; a way from one state to another never goes back along it.
_FORWARD = (State.QUEUED, State.RUNNING)


def route(reported: State, state: State, *, ran: bool = False) -> tuple[State, ...]:
    """The reports that lead legally from what the chain confirmed to what we know, in order; empty when there
    is nothing to say.

    Empty too when no legal way exists (the chain's record is terminal, or ahead of ours): then nothing is
    sent. A job that `ran` passes through running even where the chain would take a shorter way, so that its
    record says when it started."""
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
