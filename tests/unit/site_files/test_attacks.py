"""A job writes anything into its directory, while it is read. Nothing outside is ever returned."""

import contextlib
import hashlib
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from provider_daemon.errors import Transient
from provider_daemon.site_files.files import SiteFiles
from provider_daemon.site_files.remote.walking import Holes
from provider_daemon.site_files.values import Kind, NotAllowed, NotThere, Skipped, SkipReason

SECRET = b"secret of another customer"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory of another customer, beside the root."""
    made = tmp_path / "other"
    (made / "deep").mkdir(parents=True)
    (made / "secret").write_bytes(SECRET)
    (made / "deep/secret").write_bytes(SECRET)
    return made


async def read(files: SiteFiles, root: str, path: str) -> bytes:
    async with files.read(root, path) as stream:
        return b"".join([chunk async for chunk in stream])


async def listed(files: SiteFiles, root: Path) -> dict[str, str]:
    """Returns path -> reason or hash of the manifest."""
    async with files.manifest(str(root)) as entries:
        return {
            each.path: each.reason.value if isinstance(each, Skipped) else each.sha256
            async for each in entries
        }


@pytest.mark.parametrize(
    "path",
    ["..", "../other/secret", "a/../../other/secret", "/etc/passwd", "a//b", "./a", "a/.", "a/", "/", "a\0b"],
)
async def test_paths_that_are_not_relative(local: SiteFiles, root: Path, outside: Path, path: str) -> None:
    """'..', '.', empty components, absolute paths and NUL are refused before anything is opened."""
    (root / "a").mkdir()
    for work in (read(local, str(root), path), local.stat(str(root), path), local.sha256(str(root), path)):
        with pytest.raises(NotAllowed, match="not a relative path"):
            await work
    with pytest.raises(NotAllowed):
        await local.list(str(root), path)


@pytest.mark.parametrize("depth", [0, 1, 2])
async def test_symbolic_link_at_each_component(
    files: SiteFiles, root: Path, outside: Path, depth: int
) -> None:
    """A symbolic link is never followed, wherever in the path it is."""
    parts = ["one", "deep", "secret"]
    (root / "/".join(parts[:depth])).mkdir(parents=True, exist_ok=True)
    target = [outside.parent / "other", outside / "deep", outside / "deep/secret"][depth]
    if depth == 0:
        target = outside
    (root / "/".join(parts[: depth + 1])).symlink_to(target)
    path = "/".join(parts)
    with pytest.raises(NotAllowed, match="symbolic"):
        await read(files, str(root), path)
    with pytest.raises((NotAllowed, NotThere)):
        await files.list(str(root), path)
    for work in (files.sha256, files.identity):
        with pytest.raises(NotAllowed):
            await work(str(root), path)


async def test_root_that_is_a_symbolic_link(files: SiteFiles, tmp_path: Path, outside: Path) -> None:
    """A job directory that was replaced by a link is refused; directories above may be links."""
    (tmp_path / "job").symlink_to(outside)
    for work in (read(files, f"{tmp_path}/job", "secret"), files.list(f"{tmp_path}/job")):
        with pytest.raises(NotAllowed, match="root"):
            await work
    assert await read(files, f"{tmp_path}/job/", "secret") == SECRET
    (tmp_path / "scratch").symlink_to(tmp_path)
    assert await read(files, f"{tmp_path}/scratch/other", "secret") == SECRET
    with pytest.raises(NotAllowed, match="absolute"):
        await files.list("relative")


async def test_hard_links(files: SiteFiles, root: Path, outside: Path) -> None:
    """A file with a second name is listed and not read, except where provd itself makes hard links."""
    os.link(outside / "secret", root / "stolen")
    (root / "inputs").mkdir()
    os.link(outside / "secret", root / "inputs/data")
    with pytest.raises(NotAllowed, match="hard_link"):
        await read(files, str(root), "stolen")
    assert (await files.stat(str(root), "stolen")).kind is Kind.OTHER
    assert await read(files, str(root), "inputs/data") == SECRET
    assert await listed(files, root) == {"stolen": "hard_link"}
    async with files.read(str(root), "stolen", links=True) as stream:
        assert stream.size == len(SECRET)


@contextlib.contextmanager
def special_files(root: Path) -> Iterator[dict[str, SkipReason]]:
    os.mkfifo(root / "fifo")
    kinds = {"fifo": SkipReason.FIFO, "socket": SkipReason.SOCKET}
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.getcwd()
        os.chdir(root)  # the name of a socket is short
        try:
            listening.bind("socket")
        finally:
            os.chdir(here)
        with contextlib.suppress(PermissionError):
            os.mknod(root / "device", 0o20600, os.makedev(1, 5))  # /dev/zero
            kinds["device"] = SkipReason.DEVICE
        yield kinds


async def test_special_files(files: SiteFiles, root: Path) -> None:
    """Fifos, sockets and devices are named and never opened: a read of them would block or never end."""
    with special_files(root) as kinds:
        for name in kinds:
            with pytest.raises(NotAllowed, match="not a regular file"):
                await read(files, str(root), name)
            with pytest.raises(NotAllowed):
                await files.sha256(str(root), name)
        assert [each.kind for each in (await files.list(str(root))).entries] == [Kind.OTHER] * len(kinds)
        assert await listed(files, root) == {name: reason.value for name, reason in kinds.items()}


@contextlib.contextmanager
def swapping(swap: Callable[[], None]) -> Iterator[None]:
    """Calls `swap` in a thread, as fast as possible."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            swap()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def exchanged(first: Path, second: Path) -> Callable[[], None]:
    """Returns what exchanges two names, so that each exists nearly always."""
    spare = first.with_name("spare")

    def swap() -> None:
        first.rename(spare)
        second.rename(first)
        spare.rename(second)

    return swap


@pytest.mark.parametrize("depth", ["directory", "file"])
async def test_swap_between_check_and_open(local: SiteFiles, root: Path, outside: Path, depth: str) -> None:
    """A component that is replaced by a link all the time yields the job's own content or an error."""
    (root / "a").mkdir()
    (root / "a/secret").write_bytes(b"own")
    if depth == "directory":
        (root / "b").symlink_to(outside)
        swap = exchanged(root / "a", root / "b")
    else:
        (root / "a/link").symlink_to(outside / "secret")
        swap = exchanged(root / "a/secret", root / "a/link")
    got = set[bytes]()
    with swapping(swap):
        for _ in range(150):
            with contextlib.suppress(NotAllowed, NotThere, Transient):
                got.add(await read(local, str(root), "a/secret"))
            for each in await listed(local, root):
                assert "deep" not in each
    assert got == {b"own"}


async def test_fifo_that_replaces_a_file(local: SiteFiles, root: Path) -> None:
    """An open does not block where a file becomes a fifo after the check."""
    (root / "a").write_bytes(b"own")
    os.mkfifo(root / "b")
    got = set[bytes]()
    with swapping(exchanged(root / "a", root / "b")):
        for _ in range(150):
            with contextlib.suppress(NotAllowed, NotThere, Transient):
                got.add(await read(local, str(root), "a"))
    assert got == {b"own"}


@contextlib.contextmanager
def deep(root: Path, depth: int) -> Iterator[None]:
    """A chain of directories named d, with a file at its end. pytest could not remove it: rm can."""
    here = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    try:
        yield
    finally:
        subprocess.run(["rm", "-rf", root], check=True)


async def test_tree_of_a_thousand_levels(local: SiteFiles, root: Path) -> None:
    """Depth needs neither handles nor a stack: the file at the bottom is listed and read."""
    with deep(root, 1000):
        bottom = "d/" * 1000 + "file"
        assert list(await listed(local, root)) == [bottom]
        assert await read(local, str(root), bottom) == b""
        assert (await local.usage(str(root))).inodes == 1002


async def test_tree_without_an_end(local: SiteFiles, root: Path) -> None:
    """What is deeper than a walk goes is named, not dropped."""
    with deep(root, 2100):
        ((path, reason),) = (await listed(local, root)).items()
        assert (path.count("d"), reason) == (2049, "too_deep")


async def test_files_of_holes(local: SiteFiles, root: Path) -> None:
    """A sparse file costs a job nothing, and would occupy the program for hours: it is named, not read."""
    (root / "a").write_bytes(b"result")
    with (root / "b").open("wb") as small:
        small.truncate(1_000_000)
    with (root / "c").open("wb") as huge:
        huge.truncate(2**40)
    (root / "d").write_bytes(b"more")
    zeros = hashlib.sha256(bytes(1_000_000)).hexdigest()
    found = await listed(local, root)
    assert (found["b"], found["c"]) == (zeros, "sparse")
    assert set(found) == {"a", "b", "c", "d"}
    async with local.archive(str(root)) as chunks:
        packed = b"".join([chunk async for chunk in chunks])
    assert b'sparse "c"' in packed
    assert len(packed) < 2_000_000


def test_holes_of_a_compressed_file_system() -> None:
    """Files that are stored in a tenth of their size are read, and many small files of holes are not."""

    def status(size: int, stored: int) -> os.stat_result:
        return cast(os.stat_result, SimpleNamespace(st_size=size, st_blocks=stored // 512))

    terabyte = 2**40
    compressed = Holes()
    assert not any(compressed.refuses(status(terabyte, terabyte // 10)) for _ in range(100))
    many = Holes()
    refused = [many.refuses(status(2**30, 0)) for _ in range(1000)]
    assert refused == [False] * 64 + [True] * 936
