"""What an agent remembers over restarts, as values. Pure; `state_file` stores it.

- The sequence number: numbers are reserved in blocks, so that not every heartbeat writes to the disk. A
  restart skips the rest of a block.
- The registration: which provider's commands count.
- Commands: the highest sequence that was executed, the command in execution, and the newest results. The
  sequence is stored before a command starts, so that none is executed twice: one that a crash interrupts
  is reported as failed.
"""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from provider_daemon.errors import Unreadable
from provider_daemon.nodes.command import CommandResult
from provider_daemon.nodes.report import Acknowledgement

VERSION = 1
RESERVED_NUMBERS = 20
# The highest number of a collector's that is continued. A hostile one could otherwise use up all numbers.
MOST_SEQUENCE = 2**62 - 2**32
KEPT_RESULTS = 16
SENT_RESULTS = 4  # in one heartbeat, so that it stays below the collector's limit whatever their output is
INTERRUPTED = "the agent was stopped while it executed the command, which is not repeated"


@dataclass(frozen=True, slots=True)
class Registered:
    """What a registration settled. `provider_pubkey`: hex of the key that signs commands.

    `since`: when the token was issued, seconds since the epoch. Commands that are older do not count.
    `token_sha256`: the token that was used. `fingerprint`: hex SHA-256 of the hardware, as registered.
    """

    node_id: str
    cluster_id: str
    provider_address: str
    provider_pubkey: str
    collector_url: str
    since: int
    token_sha256: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Result:
    """`delivered`: a heartbeat with it was accepted."""

    acknowledgement: Acknowledgement
    delivered: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """`reserved`: the highest sequence number that may be in use. `executing`: a command id or empty."""

    registered: Registered | None = None
    reserved: int = 0
    command_sequence: int = 0
    executing: str = ""
    drained: bool = False
    results: tuple[Result, ...] = ()


def begin(state: State, command_id: str, sequence: int) -> State:
    return replace(state, command_sequence=sequence, executing=command_id)


def finish(state: State, acknowledgement: Acknowledgement) -> State:
    """Adds a result, in place of an earlier one of the same command."""
    others = [each for each in state.results if each.acknowledgement.command_id != acknowledgement.command_id]
    return replace(state, executing="", results=(*others, Result(acknowledgement))[-KEPT_RESULTS:])


def recovered(state: State) -> State:
    """Returns the state after a start: a command that was in execution has failed."""
    if not state.executing:
        return state
    return finish(state, Acknowledgement(state.executing, CommandResult.FAILED, INTERRUPTED))


def undelivered(state: State) -> tuple[Acknowledgement, ...]:
    """Returns the oldest results that no accepted heartbeat had, as many as fit into one."""
    return tuple(each.acknowledgement for each in state.results if not each.delivered)[:SENT_RESULTS]


def delivered(state: State, sent: tuple[Acknowledgement, ...]) -> State:
    return replace(
        state,
        results=tuple(
            replace(each, delivered=True) if each.acknowledgement in sent else each for each in state.results
        ),
    )


def result_of(state: State, command_id: str) -> Acknowledgement | None:
    found = (each.acknowledgement for each in state.results if each.acknowledgement.command_id == command_id)
    return next(found, None)


def encode(state: State) -> bytes:
    return json.dumps({"version": VERSION, **asdict(state)}).encode()


def read(data: bytes) -> State:
    """Raises Unreadable if the data is not a state of this version."""
    try:
        values: dict[str, Any] = json.loads(data)
        if values.pop("version") != VERSION:
            raise ValueError("another version")
        known = values.pop("registered")
        return State(
            registered=Registered(**known) if known else None,
            results=tuple(_result(each) for each in values.pop("results")),
            **values,
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Unreadable(f"not a state of the agent: {error}") from None


def _result(value: dict[str, Any]) -> Result:
    acknowledgement = value["acknowledgement"]
    result = CommandResult(acknowledgement.pop("result"))
    return Result(Acknowledgement(result=result, **acknowledgement), value["delivered"])
