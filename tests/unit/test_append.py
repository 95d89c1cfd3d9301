"""Appending to a file in threads."""

import asyncio
import hashlib
import os
import threading
from pathlib import Path

import pytest

from provider_daemon import append
from provider_daemon.append import Appender, finished

CONTENT = os.urandom(2_500_000)


@pytest.mark.parametrize("start", [0, 1000])
async def test_content_is_written_and_hashed(tmp_path: Path, start: int) -> None:
    """In order, from the offset on, in chunks of any size."""
    path = tmp_path / "file"
    path.write_bytes(CONTENT[:start])
    sha256 = hashlib.sha256(CONTENT[:start])
    appender = Appender(path, start, sha256, sync=True)
    for at in range(start, len(CONTENT), 77_777):
        await appender.append(CONTENT[at : at + 77_777])
    await appender.close()
    assert path.read_bytes() == CONTENT
    assert sha256.digest() == hashlib.sha256(CONTENT).digest()
    assert appender.written == len(CONTENT)


async def test_slow_content_is_written_before_a_piece_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks that arrive within PIECE_SECONDS share a write; after that one more is written at once."""
    (tmp_path / "file").touch()
    time, written = 100.0, []

    def write(handle: int, data: memoryview) -> int:
        written.append(len(data))
        return len(data)

    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: time)
    monkeypatch.setattr(os, "write", write)
    appender = Appender(tmp_path / "file", 0, None, sync=False)
    for after in (0.0, 0.4, 0.4, 0.4, 0.4):
        time += after
        await appender.append(b"x" * 10)
    await appender.close()
    assert written == [10, 30, 10]


async def test_content_goes_to_the_disk_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed write is reported by one sync only, so the failure of any sync is raised."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(append, "SYNC_BYTES", 1)
    synced: list[int] = []

    def sync(handle: int) -> None:
        synced.append(os.fstat(handle).st_size)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", sync)
    appender = Appender(tmp_path / "file", 0, None, sync=True)
    await appender.append(CONTENT)
    with pytest.raises(OSError, match="Input/output"):
        await appender.close()
    assert synced == [len(CONTENT)]


async def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next call raises; what was not written is not counted, and the file is closed."""
    (tmp_path / "file").touch()
    before = len(os.listdir("/proc/self/fd"))

    def full(handle: int, data: memoryview) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    appender = Appender(tmp_path / "file", 0, None, sync=False)
    await appender.append(CONTENT)
    with pytest.raises(OSError, match="No space"):
        await appender.append(CONTENT)
    with pytest.raises(OSError, match="No space"):
        await appender.close()
    assert appender.written == 0
    assert len(os.listdir("/proc/self/fd")) == before


async def test_work_is_finished_although_the_request_is_cancelled() -> None:
    """The thread uses what the request would close."""
    began, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        may_end.wait(10)
        ended.set()

    task = asyncio.create_task(finished(work))
    await asyncio.to_thread(began.wait, 10)
    task.cancel()
    asyncio.get_running_loop().call_soon(may_end.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
