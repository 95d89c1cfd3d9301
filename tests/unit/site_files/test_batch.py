"""Many files of one directory in one request."""

import hashlib
import os
from pathlib import Path

import pytest

from provider_daemon.site_files.files import SiteFiles
from provider_daemon.site_files.remote import batch, writing
from provider_daemon.site_files.remote.wire import Wire
from provider_daemon.site_files.values import Identity, Mismatch, NewFile, NotAllowed, NotThere


def new(name: str, content: bytes) -> NewFile:
    return NewFile(name, content, hashlib.sha256(content).hexdigest())


def several(count: int) -> list[NewFile]:
    return [new(f"file-{number}", f"content {number}".encode() * (number % 3)) for number in range(count)]


async def test_store(files: SiteFiles, root: Path) -> None:
    """All appear whole and read-only, in a private directory, with the identities that are returned."""
    wanted = several(batch.GROUP * 2 + 1)
    (root / "cache").mkdir()
    (root / "cache/file-1").write_bytes(b"old")
    (root / "cache" / os.fsdecode(writing.partial_name(b"file-2"))).write_bytes(b"left by a kill")
    found = await files.store(str(root), "cache", wanted)
    for file, identity in zip(wanted, found, strict=True):
        place = root / "cache" / file.name
        assert place.read_bytes() == file.content
        assert place.stat().st_mode & 0o7777 == 0o444
        assert identity == await files.identity(str(root), f"cache/{file.name}")
    assert len(os.listdir(root / "cache")) == len(wanted)
    await files.store(str(root), "made/with parents", [new("a", b"x")])
    assert (root / "made/with parents/a").read_bytes() == b"x"


async def test_other_content_is_not_stored(local: SiteFiles, root: Path) -> None:
    """Content that does not have its hash gets no name, and the file that was there stays."""
    (root / "b").write_bytes(b"old")
    with pytest.raises(Mismatch, match="other content for b"):
        await local.store(str(root), "", [new("a", b"x"), NewFile("b", b"y", "0" * 64)])
    assert (root / "b").read_bytes() == b"old"
    assert not (root / "a").exists()


def test_nothing_has_its_name_before_it_is_on_disk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file is synced under its partial name, and the directory after the last name."""
    events: list[str] = []
    sync, rename = os.fsync, os.rename

    def synced(handle: int) -> None:
        sync(handle)
        events.append(os.path.basename(os.readlink(f"/proc/self/fd/{handle}")))

    def renamed(old: bytes, name: bytes, **handles: int) -> None:
        rename(old, name, **handles)
        events.append(os.fsdecode(name))

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)

    class Sent(Wire):
        def __init__(self) -> None:
            self._parts = [b"xy", b""]

        def content(self) -> bytes:
            return self._parts.pop(0)

        def working(self) -> None:
            return

    listed = [[file.name, len(file.content), file.sha256] for file in (new("a", b"x"), new("b", b"y"))]
    batch.store(Sent(), {"root": str(root), "path": "", "files": listed})
    parts = {os.fsdecode(writing.partial_name(name)) for name in (b"a", b"b")}
    assert set(events[:2]) == parts
    assert events[2:] == ["a", "b", root.name]


async def test_names_that_are_no_names(local: SiteFiles, root: Path, tmp_path: Path) -> None:
    """Neither a path nor a link leads out of the directory."""
    for name in ("", "..", "../a", "a/b", "/a"):
        with pytest.raises(NotAllowed):
            await local.store(str(root), "", [new(name, b"x")])
        with pytest.raises(NotAllowed):
            await local.identities(str(root), "", [name])
        with pytest.raises(NotAllowed):
            await local.link(str(root), "", "", [(name, "a")])
    (tmp_path / "outside").mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(NotAllowed, match="symbolic"):
        await local.store(str(root), "link", [new("a", b"x")])
    with pytest.raises(NotAllowed, match="symbolic"):
        await local.identities(str(root), "link", ["a"])
    assert os.listdir(tmp_path / "outside") == []


async def test_identities_and_digests(files: SiteFiles, root: Path) -> None:
    """What is missing or not a file has none, and hides nothing of the others."""
    (root / "cache").mkdir()
    (root / "cache/a").write_bytes(b"a")
    (root / "cache/link").symlink_to("a")
    os.mkfifo(root / "cache/fifo")
    names = ["none", "a", "link", "fifo"]
    found = await files.identities(str(root), "cache", names)
    assert found[1] == await files.identity(str(root), "cache/a")
    assert [each for each in found if not isinstance(each, Identity)] == [NotThere, NotAllowed, NotAllowed]
    digests = await files.digests(str(root), "cache", names)
    assert digests == [None, hashlib.sha256(b"a").hexdigest(), None, None]
    assert await files.identities(str(root), "no/directory", ["a", "b"]) == [NotThere, NotThere]


async def test_link(files: SiteFiles, root: Path) -> None:
    """A link shares the inode; making it twice is no failure, replacing another file is."""
    (root / "cache").mkdir()
    for name in ("data", "more"):
        (root / "cache" / name).write_bytes(b"x")
    for _ in range(2):
        found = await files.link(str(root), "cache", "staged/job", [("data", "data"), ("more", "second")])
    assert (root / "staged/job/data").samefile(root / "cache/data")
    assert (root / "staged/job/second").samefile(root / "cache/more")
    assert found == await files.identities(str(root), "cache", ["data", "more"])
    (root / "other").write_bytes(b"y")
    with pytest.raises(NotAllowed, match="exists"):
        await files.link(str(root), "", "staged/job", [("other", "data")])
    (root / "symbolic").symlink_to("other")
    with pytest.raises(NotAllowed, match="symbolic"):
        await files.link(str(root), "", "staged", [("symbolic", "third")])
    with pytest.raises(NotThere):
        await files.link(str(root), "", "staged", [("none", "third")])
    assert os.listdir(root / "staged") == ["job"]
