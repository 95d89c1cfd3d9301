"""Writing, linking and removing files."""

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from provider_daemon.errors import Transient
from provider_daemon.site_files import program
from provider_daemon.site_files.files import SiteFiles
from provider_daemon.site_files.remote import writing
from provider_daemon.site_files.remote.beneath import Failure
from provider_daemon.site_files.remote.writing import partial_name
from provider_daemon.site_files.values import Mismatch, NoSpace, NotAllowed, NotThere, Written
from tests.unit.site_files.test_attacks import deep, exchanged, swapping

WHOLE = os.urandom(3_000_000)
SHA256 = hashlib.sha256(WHOLE).hexdigest()


async def chunks(data: bytes, size: int = 700_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def cut(data: bytes) -> AsyncIterator[bytes]:
    yield data
    raise Transient("the source was lost")


def names(directory: Path) -> list[str]:
    return sorted(each.name for each in directory.iterdir())


async def test_write(files: SiteFiles, root: Path) -> None:
    """A file appears whole, read-only and with private parents; nothing else is left."""
    written = await files.write(str(root), "one/two/data", chunks(WHOLE), size=len(WHOLE), sha256=SHA256)
    assert written == Written(len(WHOLE), SHA256)
    assert (root / "one/two/data").read_bytes() == WHOLE
    assert (root / "one/two/data").stat().st_mode & 0o7777 == 0o444
    assert (root / "one").stat().st_mode & 0o7777 == 0o700
    assert names(root / "one/two") == ["data"]


async def test_write_without_declared_content(files: SiteFiles, root: Path) -> None:
    """Size and hash are returned where they were not known before; an old file is replaced."""
    (root / "a").write_bytes(b"old")
    written = await files.write(str(root), "a", chunks(b""), size=None, sha256=None, mode=0o600)
    assert written == Written(0, hashlib.sha256().hexdigest())
    assert ((root / "a").read_bytes(), (root / "a").stat().st_mode & 0o777) == (b"", 0o600)


@pytest.mark.parametrize(
    ("size", "sha256"), [(10, None), (len(WHOLE) + 1, None), (None, "0" * 64), (len(WHOLE), "0" * 64)]
)
async def test_other_content_than_declared(
    files: SiteFiles, root: Path, size: int | None, sha256: str | None
) -> None:
    """Wrong content is refused as soon as that is certain, and removed; the old file stays."""
    (root / "a").write_bytes(b"old")
    with pytest.raises(Mismatch, match="received"):
        await files.write(str(root), "a", chunks(WHOLE), size=size, sha256=sha256)
    assert (root / "a").read_bytes() == b"old"
    assert await files.partial(str(root), "a") == 0
    assert names(root) == ["a"]


async def test_endless_content(local: SiteFiles, root: Path) -> None:
    """A source that never ends is cut when it exceeds the declared size."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(100_000)

    with pytest.raises(Mismatch, match="more than 1000000"):
        await local.write(str(root), "a", endless(), size=1_000_000, sha256=None)
    assert names(root) == []


async def test_resumed_write(files: SiteFiles, root: Path) -> None:
    """What arrived before an interruption is kept, and the hash is that of the whole file."""
    with pytest.raises(Transient, match="source was lost"):
        await files.write(str(root), "a", cut(WHOLE[:1_000_000]), size=len(WHOLE), sha256=SHA256)
    while (offset := await files.partial(str(root), "a")) < 1_000_000:
        continue
    assert not (root / "a").exists()
    written = await files.write(
        str(root), "a", chunks(WHOLE[offset - 7 :]), size=len(WHOLE), sha256=SHA256, offset=offset - 7
    )
    assert written == Written(len(WHOLE), SHA256)
    assert (root / "a").read_bytes() == WHOLE


async def test_resumed_write_with_less_than_claimed(local: SiteFiles, root: Path) -> None:
    """An offset beyond what is there is refused: a gap would be zeros."""
    (root / os.fsdecode(partial_name(b"a"))).write_bytes(b"12345")
    with pytest.raises(NotAllowed, match="cannot be continued"):
        await local.write(str(root), "a", chunks(b"x"), size=None, sha256=None, offset=6)
    with pytest.raises(NotThere):
        await local.write(str(root), "b", chunks(b"x"), size=None, sha256=None, offset=6)


@pytest.mark.parametrize("offset", [0, 3])
async def test_partial_file_that_is_a_link(local: SiteFiles, root: Path, tmp_path: Path, offset: int) -> None:
    """A job that puts a link in the partial file's place does not get another file overwritten."""
    for make in (os.link, os.symlink):
        (tmp_path / "keys").write_bytes(b"authorized")
        place = root / os.fsdecode(partial_name(b"a"))
        place.unlink(missing_ok=True)
        make(tmp_path / "keys", place)
        assert await local.partial(str(root), "a") == 0
        if offset:
            with pytest.raises(NotAllowed):
                await local.write(str(root), "a", chunks(b"x"), size=None, sha256=None, offset=offset)
        else:
            await local.write(str(root), "a", chunks(b"x"), size=None, sha256=None)
            assert (root / "a").read_bytes() == b"x"
        assert (tmp_path / "keys").read_bytes() == b"authorized"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
async def test_full_disk(local: SiteFiles, root: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A full file system or quota is a transient failure of its own class, and the partial file stays."""
    full = f"import os\nwhole = os.write\ndef write(*_): raise OSError({number}, '')\nos.write = write\n"
    modules = json.loads(program.modules())
    (writing,) = (module for module in modules if module[0].endswith(".writing"))
    writing[1] = full + writing[1]
    text = json.dumps(modules).encode()
    monkeypatch.setattr(program, "modules", lambda: text)
    with pytest.raises(NoSpace, match=r"write .*/a: the (file system is full|disk quota is exhausted)"):
        await local.write(str(root), "a", chunks(WHOLE), size=None, sha256=None)
    assert issubclass(NoSpace, Transient)
    assert await local.partial(str(root), "a") == 0
    assert names(root) == [os.fsdecode(partial_name(b"a"))]


async def test_a_sync_that_fails_meanwhile(
    local: SiteFiles, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system reports a failed write to one sync only: the file does not get its name then."""
    broken = "import os\ndef fdatasync(_): raise OSError(5, '')\nos.fdatasync = fdatasync\n"
    modules = json.loads(program.modules())
    (writing,) = (module for module in modules if module[0].endswith(".writing"))
    writing[1] = broken + writing[1].replace("SYNC_BYTES = 64 * 1024 * 1024", "SYNC_BYTES = 1000")
    text = json.dumps(modules).encode()
    monkeypatch.setattr(program, "modules", lambda: text)
    with pytest.raises(Transient, match="Input/output error"):
        await local.write(str(root), "a", chunks(WHOLE), size=len(WHOLE), sha256=SHA256)
    assert not (root / "a").exists()


async def test_write_through_a_link(files: SiteFiles, root: Path, tmp_path: Path) -> None:
    """Neither a directory that is a link nor a target that is one leads outside."""
    (tmp_path / "outside").mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(NotAllowed, match="symbolic"):
        await files.write(str(root), "link/a", chunks(b"x"), size=None, sha256=None)
    with pytest.raises(NotAllowed, match="symbolic"):
        await files.make_directory(str(root), "link/a")
    (tmp_path / "outside/file").write_bytes(b"old")
    (root / "a").symlink_to(tmp_path / "outside/file")
    await files.write(str(root), "a", chunks(b"new"), size=None, sha256=None)
    assert (tmp_path / "outside/file").read_bytes() == b"old"
    assert not (root / "a").is_symlink()
    for path in ("", "../a", "/a"):
        with pytest.raises(NotAllowed):
            await files.write(str(root), path, chunks(b"x"), size=None, sha256=None)


async def test_make_directory(files: SiteFiles, root: Path) -> None:
    """A directory, its parents and the root are made once."""
    for _ in range(2):
        await files.make_directory(f"{root}/new/root", "")
        await files.make_directory(f"{root}/new/root", "a/b")
    assert (root / "new/root/a/b").stat().st_mode & 0o777 == 0o700
    (root / "file").touch()
    with pytest.raises((NotAllowed, NotThere)):
        await files.make_directory(str(root), "file")


async def test_remove(files: SiteFiles, root: Path, tmp_path: Path) -> None:
    """A tree goes with everything in it; links in it are removed, not followed."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").touch()
    (root / "tree/a/b").mkdir(parents=True)
    (root / "tree/a/file").touch()
    (root / "tree/closed").mkdir()
    (root / "tree/closed/file").touch()
    (root / "tree/closed").chmod(0)
    (root / "tree/link").symlink_to(tmp_path / "outside")
    os.mkfifo(root / "tree/fifo")
    await files.remove(str(root), "tree")
    await files.remove(str(root), "tree")
    await files.remove(str(root), "none/below")
    (root / "link").symlink_to(tmp_path / "outside")
    await files.remove(str(root), "link")
    assert names(root) == []
    assert names(tmp_path / "outside") == ["file"]
    for path in ("", "..", "../outside"):
        with pytest.raises(NotAllowed):
            await files.remove(str(root), path)


async def test_removal_through_a_link(local: SiteFiles, root: Path, tmp_path: Path) -> None:
    """A path with a link in it is refused."""
    (tmp_path / "outside/inner").mkdir(parents=True)
    (root / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(NotAllowed):
        await local.remove(str(root), "link/inner")
    assert (tmp_path / "outside/inner").exists()


def test_removal_while_a_process_writes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that is filled again and again ends the request, which the mover repeats later."""
    (root / "tree").mkdir()
    (root / "tree/file").touch()
    monkeypatch.setattr(writing, "_emptied", lambda wire, top, path: [])
    wire = Mock()
    with pytest.raises(Failure, match="keeps writing") as caught:
        writing.remove(wire, {"root": str(root), "path": "tree"})
    assert (caught.value.kind, wire.working.call_count) == ("changed", writing.REMOVALS - 1)


async def test_removal_of_a_deep_tree(local: SiteFiles, root: Path) -> None:
    """Depth needs neither handles nor a stack."""
    with deep(root, 1000):
        await local.remove(str(root), "d")
        assert names(root) == []


async def test_removal_while_a_directory_is_swapped(local: SiteFiles, root: Path, tmp_path: Path) -> None:
    """A job that swaps directories for links during the removal loses only its own files."""
    outside = tmp_path / "outside"
    (outside / "inner").mkdir(parents=True)
    (outside / "inner/file").touch()
    for _ in range(60):
        (root / "tree/a/inner").mkdir(parents=True, exist_ok=True)
        (root / "tree/b").symlink_to(outside)

        def swap() -> None:
            try:
                exchanged(root / "tree/a", root / "tree/b")()
            except OSError:
                return

        with swapping(swap), contextlib.suppress(NotAllowed, Transient):
            await local.remove(str(root), "tree")
        await local.remove(str(root), "tree")
        assert (outside / "inner/file").exists()
