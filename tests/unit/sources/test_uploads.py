"""Uploads are read from the gateway's directory, by customer and hash."""

import errno
import hashlib
import os
import threading
from pathlib import Path

import pytest

from provider_daemon.errors import Transient
from provider_daemon.sources.inputs import Input, Scheme
from provider_daemon.sources.refusals import InputRefusal, InputRefused
from provider_daemon.sources.uploads import fetch, read_all
from tests.unit.chain.vectors import ADDRESS
from tests.unit.sources.cases import BODY, BODY_SHA256, collect

OTHER_SHA256 = hashlib.sha256(b"more").hexdigest()


def upload(sha256: str = BODY_SHA256, size: int | None = None) -> Input:
    return Input("f", f"upload:{sha256}", Scheme.UPLOAD, sha256, size, 10**7)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    own = tmp_path / "uploads" / ADDRESS
    own.mkdir(parents=True)
    (own / BODY_SHA256).write_bytes(BODY)
    return tmp_path / "uploads"


async def test_read(directory: Path) -> None:
    """The whole, and from an offset on."""
    assert await collect(fetch(directory, ADDRESS, upload())) == BODY
    assert await collect(fetch(directory, ADDRESS, upload(), 1000)) == BODY[1000:]
    assert await read_all(directory, ADDRESS, [upload(), upload()]) == [BODY, BODY]


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EOPNOTSUPP])
async def test_read_from_the_disk(directory: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """What is not in memory is read in a thread; so is everything where the file system cannot tell."""
    whole = os.preadv

    def preadv(handle: int, buffers: list[bytearray], at: int, flags: int = 0) -> int:
        if flags:
            raise OSError(number, os.strerror(number))
        assert threading.current_thread() is not threading.main_thread()
        return whole(handle, buffers, at)

    monkeypatch.setattr(os, "preadv", preadv)
    assert await collect(fetch(directory, ADDRESS, upload(), 10)) == BODY[10:]


async def test_a_failed_read(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails is tried again later."""

    def preadv(handle: int, buffers: list[bytearray], at: int, flags: int = 0) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "preadv", preadv)
    with pytest.raises(Transient, match="Input/output error"):
        await collect(fetch(directory, ADDRESS, upload()))


@pytest.mark.parametrize("customer", ["virtengine1other7xyz", "..", "", f"../{ADDRESS}", f"{ADDRESS}/"])
async def test_not_uploaded(directory: Path, customer: str) -> None:
    """Another customer's upload does not exist for this one, and an address is never a path."""
    with pytest.raises(Transient, match="has not uploaded"):
        await collect(fetch(directory, customer, upload()))


async def test_damaged(directory: Path) -> None:
    """Content that does not have its hash is refused where it is hashed; the others are read."""
    (directory / ADDRESS / BODY_SHA256).write_bytes(b"other")
    (directory / ADDRESS / OTHER_SHA256).write_bytes(b"more")
    damaged, missing, other = await read_all(
        directory, ADDRESS, [upload(), upload("0" * 64), upload(OTHER_SHA256, 4)]
    )
    assert isinstance(damaged, InputRefused)
    assert damaged.reason is InputRefusal.WRONG_CHECKSUM
    assert "has not uploaded" in str(missing)
    assert other == b"more"


async def test_wrong_size(directory: Path) -> None:
    """A declared size is checked before a byte is read."""
    with pytest.raises(InputRefused) as caught:
        await collect(fetch(directory, ADDRESS, upload(size=1)))
    assert caught.value.reason is InputRefusal.WRONG_SIZE


async def test_links_are_not_followed(directory: Path, tmp_path: Path) -> None:
    """Neither a file nor a customer's directory may be a symbolic link."""
    (directory / "virtengine1link7xyz").symlink_to(directory / ADDRESS)
    with pytest.raises(Transient, match="cannot be read"):
        await collect(fetch(directory, "virtengine1link7xyz", upload()))
    (directory / ADDRESS / BODY_SHA256).rename(tmp_path / "secret")
    (directory / ADDRESS / BODY_SHA256).symlink_to(tmp_path / "secret")
    with pytest.raises(Transient, match="cannot be read"):
        await collect(fetch(directory, ADDRESS, upload()))


async def test_only_regular_files(directory: Path) -> None:
    """A named pipe is refused without waiting for a writer."""
    (directory / ADDRESS / BODY_SHA256).unlink()
    os.mkfifo(directory / ADDRESS / BODY_SHA256)
    with pytest.raises(InputRefused, match="not a regular file"):
        await collect(fetch(directory, ADDRESS, upload()))
