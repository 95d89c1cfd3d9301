"""The files of one process's audit log: a directory with one file of JSON lines for each day.

Several processes may append to one log, such as the daemon and commands of operators: a lock file serialises
them. A record is in the operating system when `append` returns, and on the disk a second later at most, or at
once with `sync`.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from provider_daemon.audit_log.records import (
    Action,
    Actor,
    ActorKind,
    Deed,
    Head,
    Process,
    next_record,
    read_line,
)
from provider_daemon.audit_log.verify import Line

DIRECTORY_MODE, FILE_MODE = 0o750, 0o640
SYNC_SECONDS = 1.0
TAIL_BYTES = 16_384  # more than a record's line has


class AuditFiles:
    """`keep_days`: files of older days are deleted when a new one begins; the chain stays verifiable."""

    def __init__(self, directory: Path, process: Process, keep_days: int) -> None:
        self._directory = directory
        self._process = process
        self._keep_days = keep_days
        self._synced_at = 0.0
        self._pending: list[str] = []
        self._last = ("", 0, Head())  # file, its size and its last record after the last append

    def append(self, deeds: Sequence[Deed], now: float, *, sync: bool = False) -> Head:
        """Appends records. Raises OSError, or ValueError if the last record cannot be read."""
        with self._locked():
            today = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d}.jsonl"
            head, newest = self._known(today) or self._head()
            name = max(newest, today)
            if name > newest and newest:
                head = self._prune(head, name, now)
            for deed in deeds:
                record = next_record(head, self._process, deed, now)
                head = Head(record.sequence, record.hash)
                self._pending.append(record.line())
            self._write(name, sync=sync)
        self._last = (name, self._size(name), head)
        return head

    def _known(self, today: str) -> tuple[Head, str] | None:
        """Returns the end of the log as this object left it, or None if that is not the end any more."""
        name, size, head = self._last
        if not name or self._size(name) != size or (name < today and self._size(today)):
            return None
        return head, name

    def _size(self, name: str) -> int:
        try:
            return (self._directory / name).stat().st_size
        except FileNotFoundError:
            return 0

    def head(self) -> Head:
        """Returns the last record. Raises OSError and ValueError."""
        return self._head()[0]

    def lines(self) -> Iterator[Line]:
        for file in self._names():
            with (self._directory / file).open(encoding="utf-8", errors="replace") as opened:
                for number, text in enumerate(opened, 1):
                    yield Line(text, file, number)

    def _names(self) -> list[str]:
        return sorted(path.name for path in self._directory.glob("????-??-??.jsonl"))

    def _head(self) -> tuple[Head, str]:
        """Returns the last record, and the name of the newest file, "" if there is none."""
        for name in reversed(self._names()):
            if line := self._last_line(self._directory / name):
                record, digest = read_line(line)
                return Head(record.sequence, digest), name
        return Head(), ""

    @staticmethod
    def _last_line(path: Path) -> str:
        """Returns the last complete line. What a crash left behind it is not a record."""
        with path.open("rb") as opened:
            size = opened.seek(0, os.SEEK_END)
            opened.seek(max(0, size - TAIL_BYTES))
            lines = opened.read().split(b"\n")[:-1]
        return lines[-1].decode(errors="replace") if lines else ""

    def _write(self, name: str, *, sync: bool) -> None:
        """Writes the pending lines."""
        data, self._pending = "".join(self._pending).encode(), []
        descriptor = os.open(
            self._directory / name, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE
        )
        try:
            _as_owner_of(self._directory, descriptor)
            _drop_partial_line(descriptor)
            while data:
                data = data[os.write(descriptor, data) :]
            if sync or time.monotonic() - self._synced_at >= SYNC_SECONDS:
                os.fsync(descriptor)
                self._synced_at = time.monotonic()
        finally:
            os.close(descriptor)

    def _prune(self, head: Head, newest: str, now: float) -> Head:
        """Deletes the files that are too old, after a record that names the last of their records."""
        oldest = f"{datetime.fromtimestamp(now, UTC) - timedelta(days=self._keep_days):%Y-%m-%d}.jsonl"
        old = [name for name in self._names() if name < oldest]
        last = next((line for name in reversed(old) if (line := self._last_line(self._directory / name))), "")
        if last:
            record, digest = read_line(last)
            actor = Actor(ActorKind.PROCESS, self._process)
            deed = Deed(Action.PRUNED, actor, object=f"{record.sequence}:{digest}")
            pruned = next_record(head, self._process, deed, now)
            head = Head(pruned.sequence, pruned.hash)
            self._pending.append(pruned.line())
            self._write(newest, sync=True)
        for name in old:
            (self._directory / name).unlink()
        return head

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        _as_owner_of(self._directory.parent, self._directory)
        lock = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            _as_owner_of(self._directory, lock)
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _as_owner_of(directory: Path, made: int | Path) -> None:
    """Gives what root made to the directory's owner, whose process must be able to append to it."""
    if os.geteuid() == 0:
        owner = directory.stat()
        with contextlib.suppress(PermissionError):
            os.chown(made, owner.st_uid, owner.st_gid)


def _drop_partial_line(descriptor: int) -> None:
    """Removes what a crash in the middle of a write left behind the last complete line."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - TAIL_BYTES)
    tail = os.pread(descriptor, TAIL_BYTES, start)
    if tail and not tail.endswith(b"\n"):
        os.ftruncate(descriptor, start + tail.rfind(b"\n") + 1)
