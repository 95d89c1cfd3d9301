"""Stores the agent's state: in memory, and on the disk before anything depends on it."""

from dataclasses import replace
from pathlib import Path

from provider_daemon.agent import files, state
from provider_daemon.agent.failures import Failed
from provider_daemon.agent.state import State
from provider_daemon.errors import ConfigError, Unreadable


class StateFile:
    """`current`: the state, as the file has it."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError if the file is damaged: without it, an old command could be executed again."""
        self._path = path
        self.current = _load(path)
        self._sequence = self.current.reserved

    def change(self, new: State) -> None:
        """Stores the state, which is on the disk when this returns. Raises Failed."""
        if new == self.current:
            return
        try:
            files.write(self._path, state.encode(new))
        except OSError as error:
            following = "no heartbeat is sent without it: check space and owner of state_directory"
            raise Failed("state_not_stored", f"{self._path}: {error.strerror}", following) from None
        self.current = new

    def next_sequence(self) -> int:
        """Returns the next sequence number of a heartbeat, each once, over restarts too. Raises Failed."""
        if self._sequence >= self.current.reserved:
            self.change(replace(self.current, reserved=self._sequence + state.RESERVED_NUMBERS))
        self._sequence += 1
        return self._sequence

    def advance_sequence(self, seen: int) -> None:
        """Continues above a number that the collector has already accepted."""
        if seen <= state.MOST_SEQUENCE:
            self._sequence = max(self._sequence, seen)


def _load(path: Path) -> State:
    try:
        return state.recovered(state.read(files.read_private(path)))
    except FileNotFoundError:
        return State()
    except Unreadable as error:
        following = "restore it, or delete it and register the node with a new token"
        raise ConfigError([f"{path}: {error}; {following}"]) from None
