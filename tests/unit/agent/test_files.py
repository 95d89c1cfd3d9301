"""The agent's key and state: what is on the disk, and what a damaged file means."""

import json
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provider_daemon.agent import files, key_file, state
from provider_daemon.agent.failures import Failed
from provider_daemon.agent.state import RESERVED_NUMBERS, Registered, Result, State
from provider_daemon.agent.state_file import StateFile
from provider_daemon.errors import ConfigError, Unreadable
from provider_daemon.nodes.command import CommandResult
from provider_daemon.nodes.report import Acknowledgement

TEXT = st.text(max_size=20)
ACKNOWLEDGEMENTS = st.builds(Acknowledgement, TEXT, st.sampled_from(CommandResult), TEXT)
STATES = st.builds(
    State,
    st.none() | st.builds(Registered, TEXT, TEXT, TEXT, TEXT, TEXT, st.integers(), TEXT, TEXT),
    st.integers(0, 2**62),
    st.integers(0, 2**62),
    TEXT,
    st.booleans(),
    st.lists(st.builds(Result, ACKNOWLEDGEMENTS, st.booleans()), max_size=3).map(tuple),
)


def test_the_key_is_made_once_for_nobody_else(tmp_path: Path) -> None:
    """In the published agent's format: 64 bytes, the private key and the public one."""
    path = tmp_path / "agent.key"
    key = key_file.load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert key_file.public_text(key_file.load_or_create(path)) == key_file.public_text(key)
    held = json.loads(path.read_text())
    assert held["public_key"] == key_file.public_text(key)
    assert len(held["private_key"]) == 88


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"private_key": "AAAA"}', f'{{"private_key": "{"A" * 86}=="}}']
)
def test_a_damaged_key_is_not_replaced(tmp_path: Path, text: str) -> None:
    """A new one would not be the registered one. The error does not show the content."""
    path = tmp_path / "agent.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=r"agent\.key: damaged") as error:
        key_file.load_or_create(path)
    assert "AAAA" not in str(error.value)
    assert path.read_text() == text


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """As is a link, which could lead to another file."""
    path = tmp_path / "agent.key"
    key_file.load_or_create(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        key_file.load_or_create(path)
    path.chmod(0o600)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(ConfigError, match="symbolic links"):
        files.read_private(tmp_path / "link")


@settings(max_examples=30)
@given(STATES)
def test_a_state_is_read_as_it_was_written(value: State) -> None:
    """Every field of it."""
    assert state.read(state.encode(value)) == value


@settings(max_examples=30)
@given(st.binary(max_size=50) | st.sampled_from([b"{}", b'{"version":1}', b'{"version":2}', b"[1]"]))
def test_other_content_is_unreadable(data: bytes) -> None:
    """Nothing is guessed."""
    with pytest.raises(Unreadable):
        state.read(data)


def test_a_damaged_state_stops_the_start(tmp_path: Path) -> None:
    """Without the sequence of commands, an old one could be executed again."""
    path = tmp_path / "state.json"
    files.write(path, b'{"version":1')
    with pytest.raises(ConfigError, match="register the node with a new token"):
        StateFile(path)


def test_most_heartbeats_do_not_write(tmp_path: Path) -> None:
    """Numbers are reserved in blocks."""
    file = StateFile(tmp_path / "state.json")
    file.next_sequence()
    (tmp_path / ".state.json.new").mkdir()
    assert [file.next_sequence() for _ in range(RESERVED_NUMBERS - 1)][-1] == RESERVED_NUMBERS
    with pytest.raises(Failed, match=r"state\.json: Is a directory"):
        file.next_sequence()


@settings(max_examples=50)
@given(st.lists(st.sampled_from(["beat", "kill"]) | st.integers(0, 200), max_size=60))
def test_no_number_is_used_twice(steps: list[str | int]) -> None:
    """Heartbeats, kills and numbers of the collector in any order: each number is greater than all before."""
    disk: dict[Path, bytes] = {}
    path, used = Path("/state.json"), [0]

    def read(_: Path) -> bytes:
        if path not in disk:
            raise FileNotFoundError
        return disk[path]

    with mock.patch.object(files, "write", disk.__setitem__), mock.patch.object(files, "read_private", read):
        file = StateFile(path)
        for step in steps:
            if step == "beat":
                used.append(file.next_sequence())
            elif step == "kill":
                file = StateFile(path)
            else:
                file.advance_sequence(int(step))
    assert used == sorted(set(used))
