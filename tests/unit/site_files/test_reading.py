"""Listing, reading and following files."""

import asyncio
import os
from contextlib import aclosing
from pathlib import Path

import pytest

from provider_daemon.errors import Refused, Transient
from provider_daemon.site_files import requests
from provider_daemon.site_files import stream as stream_module
from provider_daemon.site_files.files import SiteFiles
from provider_daemon.site_files.requests import printable
from provider_daemon.site_files.stream import FileStream
from provider_daemon.site_files.values import Abandoned, Changed, Entry, Kind, NotAllowed, NotThere
from provider_daemon.slurm.local import LocalTransport

ODD = b"line\nbreak \xff\xfe \xf0\x9f\x8c\x8a"


async def content(
    files: SiteFiles, root: Path, path: str, offset: int = 0, length: int | None = None
) -> bytes:
    async with files.read(str(root), path, offset, length) as stream:
        return b"".join([chunk async for chunk in stream])


async def rest(stream: FileStream) -> int:
    return sum([len(chunk) async for chunk in stream])


async def test_listing(files: SiteFiles, root: Path) -> None:
    """A directory's entries have kinds and sizes, in the order of the bytes of their names."""
    (root / "sub").mkdir()
    (root / "sub/b.txt").write_bytes(b"12345")
    (root / "sub/a").mkdir()
    (root / "sub/link").symlink_to("b.txt")
    os.utime(root / "sub/b.txt", (1_000_000, 1_700_000_000))
    found = await files.list(str(root), "sub")
    assert [(each.path, each.kind) for each in found.entries] == [
        ("sub/a", Kind.DIRECTORY),
        ("sub/b.txt", Kind.FILE),
        ("sub/link", Kind.OTHER),
    ]
    assert found.entries[1] == Entry("sub/b.txt", Kind.FILE, 5, 1_700_000_000)
    assert not found.more
    assert await files.stat(str(root), "sub/b.txt") == found.entries[1]
    assert (await files.stat(str(root), "")).kind is Kind.DIRECTORY


async def test_pages_of_a_large_directory(local: SiteFiles, root: Path) -> None:
    """Ten thousand names are returned in parts, each once and in order."""
    (root / "many").mkdir()
    for number in range(10_000):
        (root / "many" / f"{number:05}").touch()
    names, after, more = list[str](), "", True
    while more:
        part = await local.list(str(root), "many", after, 3000)
        names += [each.path for each in part.entries]
        after, more = names[-1], part.more
    assert names == [f"many/{number:05}" for number in range(10_000)]


async def test_names_of_any_bytes(files: SiteFiles, root: Path) -> None:
    """Names with line breaks and bytes that are not UTF-8 come back, and open the file they name."""
    Path(os.fsdecode(os.fsencode(root) + b"/" + ODD)).write_bytes(b"odd")
    (entry,) = (await files.list(str(root))).entries
    assert os.fsencode(entry.path) == ODD
    assert await content(files, root, entry.path) == b"odd"


@pytest.mark.parametrize(
    ("offset", "length"), [(0, None), (3, None), (3, 100_000), (2_999_999, 5), (3_000_000, 1), (9**9, None)]
)
async def test_parts_of_a_file(files: SiteFiles, root: Path, offset: int, length: int | None) -> None:
    """A part has exactly the bytes that it names; beyond the end there are none."""
    whole = os.urandom(3_000_000)
    (root / "output.txt").write_bytes(whole)
    end = None if length is None else offset + length
    assert await content(files, root, "output.txt", offset, length) == whole[offset:end]


async def test_size_and_time_before_the_content(local: SiteFiles, root: Path) -> None:
    """Both are known when the stream is open, and chunks are small."""
    (root / "a").write_bytes(bytes(1_000_000))
    os.utime(root / "a", (1, 1_700_000_000))
    async with local.read(str(root), "a", 10) as stream:
        assert (stream.size, stream.modified_at) == (1_000_000, 1_700_000_000)
        assert max([len(chunk) async for chunk in stream]) <= 256 * 1024


async def test_file_that_grows(local: SiteFiles, root: Path) -> None:
    """A read ends at the size that the file had when it was opened."""
    (root / "a").write_bytes(b"x" * 3_000_000)
    async with local.read(str(root), "a") as stream:
        chunks = stream.chunks
        first = await anext(chunks)
        with (root / "a").open("ab") as more:
            more.write(b"y" * 1000)
        assert len(first) + sum([len(chunk) async for chunk in chunks]) == 3_000_000


async def test_file_that_shrinks(local: SiteFiles, root: Path) -> None:
    """A file that is truncated during a read fails it: fewer bytes than announced are never the end."""
    (root / "a").write_bytes(b"x" * 9_000_000)
    async with local.read(str(root), "a") as stream:
        await anext(stream.chunks)
        os.truncate(root / "a", 1_500_000)
        with pytest.raises(Changed, match="truncated"):
            await rest(stream)


async def test_file_that_is_replaced(local: SiteFiles, root: Path) -> None:
    """The parts of one read are of one file."""
    (root / "a").write_bytes(b"x" * 9_000_000)
    async with local.read(str(root), "a") as stream:
        await anext(stream.chunks)
        (root / "b").write_bytes(b"y" * 9_000_000)
        (root / "b").rename(root / "a")
        with pytest.raises(Changed, match="replaced"):
            await rest(stream)


async def test_slow_consumers_occupy_no_program(root: Path) -> None:
    """While consumers wait between small parts, another request is served by the only program."""
    (root / "a").write_bytes(b"x" * 3_000_000)
    files = SiteFiles(LocalTransport(), workers=1)
    async with files.read(str(root), "a") as one, files.read(str(root), "a") as other:
        await anext(one.chunks)
        await anext(other.chunks)
        assert (await files.stat(str(root), "a")).size == 3_000_000
    await files.close()


async def test_consumer_that_stalls(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A consumer that stops in a large part loses its program to others, and then continues where it was."""
    whole = os.urandom(1_000_000) * 12
    (root / "a").write_bytes(whole)
    monkeypatch.setattr(stream_module, "STALL_SECONDS", 0.01)
    files = SiteFiles(LocalTransport(), workers=1)
    async with files.read(str(root), "a") as stream:
        got = b""
        while len(got) < 2_000_000:
            got += await anext(stream.chunks)
        assert (await files.stat(str(root), "a")).size == len(whole)
        async for chunk in stream:
            got += chunk
    assert got == whole
    await files.close()


async def test_archive_that_nobody_takes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A consumer that stops in an archive loses it: another request gets the program."""
    (root / "a").write_bytes(bytes(50_000_000))
    monkeypatch.setattr(requests, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(requests, "LONG_WORKERS", 1)
    files = SiteFiles(LocalTransport())
    async with files.archive(str(root)) as chunks:
        await anext(chunks)
        assert (await files.usage(str(root))).inodes == 2
        with pytest.raises(Abandoned, match="not taken"):
            await anext(chunks)
    await files.close()


async def test_follow(files: SiteFiles, root: Path) -> None:
    """What is appended arrives in order, from the offset on, also of a file that does not exist yet."""
    async with files.follow(str(root), "output.txt", 2, (0.001, 0.01)) as chunks:
        waiting = asyncio.ensure_future(anext(chunks))
        await files.stat(str(root), "")
        assert not waiting.done()
        (root / "output.txt").write_bytes(b"12345")
        assert await waiting == b"345"
        with (root / "output.txt").open("ab") as more:
            more.write(b"678")
        assert await anext(chunks) == b"678"


async def test_follow_of_much_content(local: SiteFiles, root: Path) -> None:
    """Existing content arrives whole before the first wait."""
    whole = os.urandom(2_500_000)
    (root / "output.txt").write_bytes(whole)
    got = b""
    async with local.follow(str(root), "output.txt", 0, (60, 60)) as chunks:
        while len(got) < len(whole):
            got += await anext(chunks)
    assert got == whole


async def test_what_is_not_there(files: SiteFiles, root: Path) -> None:
    """A missing file, directory or root is NotThere, with the request and path in the text."""
    for path in ("none", "none/below"):
        with pytest.raises(NotThere, match=path):
            await content(files, root, path)
    with pytest.raises(NotThere):
        await files.list(str(root), "none")
    with pytest.raises(NotThere):
        await files.list(f"{root}.none")
    (root / "file").touch()
    with pytest.raises(NotThere):
        await files.stat(str(root), "file/below")
    with pytest.raises(Refused, match="directory"):
        await content(files, root, "")


async def test_identity_and_hash(files: SiteFiles, root: Path) -> None:
    """The identity changes with the content, and the hash is that of the whole file."""
    (root / "a").write_bytes(b"abc")
    before = await files.identity(str(root), "a")
    assert before.size == 3
    assert (await files.sha256(str(root), "a")).startswith("ba7816bf8f01cfea")
    (root / "a").write_bytes(b"abd")
    assert await files.identity(str(root), "a") != before
    assert await files.space(str(root)) > 0


async def test_unreadable_by_permission(local: SiteFiles, root: Path) -> None:
    """A missing permission is a refusal; the superuser has every permission."""
    (root / "closed").mkdir()
    (root / "closed/a").touch()
    (root / "closed").chmod(0)
    if os.geteuid():
        with pytest.raises(NotAllowed, match="permission denied"):
            await local.stat(str(root), "closed/a")
    else:
        assert (await local.stat(str(root), "closed/a")).kind is Kind.FILE


async def test_left_in_the_middle(local: SiteFiles, root: Path) -> None:
    """A stream that is closed early costs nothing but its program: the next request gets another one."""
    (root / "a").write_bytes(bytes(300_000_000))
    async with local.read(str(root), "a") as stream, aclosing(stream.chunks) as chunks:
        for _ in range(40):
            await anext(chunks)
    assert (await local.stat(str(root), "a")).size == 300_000_000


def test_printable() -> None:
    """A path in a message is one line of ASCII."""
    assert printable("a\nb\udcff\u20ac") == "a\\nb\\\\udcff\\u20ac"


async def test_failures_are_of_the_class_that_says_what_to_do(local: SiteFiles, root: Path) -> None:
    """Changed is transient; NotThere and NotAllowed are refusals."""
    assert issubclass(Changed, Transient)
    with pytest.raises(Refused):
        await local.stat(str(root), "none")
