"""One writer; readers of other users; files of other versions."""

import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from provider_daemon.errors import ConfigError, Transient
from provider_daemon.job.transfer import InputState, Transfer
from provider_daemon.transfers.rows import JobTransfer
from provider_daemon.transfers.store import TransferStore
from provider_daemon.transfers.writer import TransferWriter

NOBODY = 65534


def add(writer: TransferWriter, name: str) -> None:
    transfer = Transfer(inputs=InputState.WAITING)
    writer.add_jobs([JobTransfer(name, "HPC-1", "JOB-1", "ve1customer", 100.0, transfer)])


def as_another_user(call: Callable[[], None]) -> str:
    """Runs `call` in a child without the right to write anything here; returns its error, "" if none."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            call()
        except BaseException as error:
            os.write(into, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.close(into)
    with os.fdopen(out) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text


@pytest.fixture
def shared(path: Path) -> Path:
    """The file's directory, readable by the other user's group, as the unit's StateDirectoryMode makes it."""
    if os.getuid() != 0:
        pytest.skip("needs root to become another user")
    path.parent.mkdir(mode=0o750)
    os.chown(path.parent, -1, NOBODY)
    path.parent.chmod(0o2750)
    for directory in path.parent.parents:
        if not directory.stat().st_mode & stat.S_IXOTH:
            directory.chmod(directory.stat().st_mode | stat.S_IXOTH)
    return path


@pytest.mark.parametrize("end", ["running", "closed", "killed"])
def test_another_user_of_the_group_reads(shared: Path, end: str) -> None:
    """A reader without the right to write works while the mover runs, after its end, and after a kill."""
    child = os.fork()
    if child == 0:  # a writer that ends without closing
        os.umask(0o077)
        add(TransferWriter.open(shared), "ve-1")
        os._exit(0)
    os.waitpid(child, 0)
    if end != "killed":
        writer = TransferWriter.open(shared)
        if end == "closed":
            writer.close()

    def read() -> None:
        assert list(TransferStore(shared).facts(["ve-1"])) == ["ve-1"]
        assert not os.access(shared, os.W_OK)

    assert as_another_user(read) == ""


def test_a_user_outside_the_group_reads_nothing(shared: Path) -> None:
    """The file has facts about customers: others cannot open it, and the error says why."""
    TransferWriter.open(shared).close()
    os.chown(shared, -1, 0)

    def read() -> None:
        TransferStore(shared).facts(["ve-1"])

    assert as_another_user(read).startswith("Transient: ")


def test_the_file_is_readable_by_its_group(path: Path) -> None:
    """Whatever the umask is, also of the WAL."""
    old = os.umask(0o077)
    try:
        writer = TransferWriter.open(path)
        add(writer, "ve-1")
        for each in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            assert stat.S_IMODE(each.stat().st_mode) == 0o640
        writer.close()
    finally:
        os.umask(old)


def test_no_mover_yet(store: TransferStore) -> None:
    """A missing database is a temporary failure, never 'no job is known'."""
    with pytest.raises(Transient, match="does not exist: start provd mover"):
        store.facts(["ve-1"])


def test_a_second_mover_is_refused(path: Path, writer: TransferWriter) -> None:
    """Two movers would fetch everything twice."""
    with pytest.raises(ConfigError, match="another provd mover uses it"):
        TransferWriter.open(path)


def test_the_file_of_a_newer_version(path: Path, store: TransferStore) -> None:
    """Neither written nor read."""
    TransferWriter.open(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match="schema 99"):
        TransferWriter.open(path)
    with pytest.raises(Transient, match="schema 99"):
        store.facts(["ve-1"])


def test_a_damaged_file(path: Path, store: TransferStore) -> None:
    """Damage is reported by both sides, and nothing is overwritten."""
    path.parent.mkdir()
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(ConfigError, match="cannot be opened"):
        TransferWriter.open(path)
    with pytest.raises(Transient, match="cannot be read"):
        store.facts(["ve-1"])
    assert path.read_bytes().startswith(b"not a database")


def test_a_failed_write_changes_nothing(
    path: Path, writer: TransferWriter, store: TransferStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is a temporary failure."""
    add(writer, "ve-1")
    writer._db.execute("PRAGMA max_page_count = 1")
    with pytest.raises(Transient, match="cannot be written"):
        writer.add_jobs([JobTransfer("x" * 100_000, "HPC-1", "JOB-1", "ve1customer", 1.0, Transfer())])
    assert list(store.facts(["ve-1"])) == ["ve-1"]
