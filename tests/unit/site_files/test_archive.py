"""The archive is a tar file that any program reads, whatever the names are, and while files change."""

import io
import json
import os
import tarfile
from pathlib import Path

from provider_daemon.site_files.files import SiteFiles
from provider_daemon.site_files.remote.archive import header
from tests.unit.site_files.test_attacks import special_files

LONG = "/".join(["d" * 200] * 5) + "/file"


async def archived(files: SiteFiles, root: Path, *exclude: str) -> tarfile.TarFile:
    async with files.archive(str(root), exclude or ("inputs",)) as chunks:
        whole = b"".join([chunk async for chunk in chunks])
    assert len(whole) % 512 == 0
    return tarfile.open(fileobj=io.BytesIO(whole), errors="surrogateescape")


def content(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file
    return file.read()


async def test_archive(files: SiteFiles, root: Path) -> None:
    """Files of all sizes, empty directories, long names and names of any bytes come back."""
    odd = os.fsdecode(b"line\nbreak \xff")
    contents = {
        "a": b"", "b/c": b"1" * 512, "b/d": b"2" * 513, "big": os.urandom(1_000_000), LONG: b"long",
        "\u00fcml\u00e4ut": b"text", odd: b"odd",
    }  # fmt: skip
    for path, data in {**contents, "inputs/x": b"left out"}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    (root / "empty").mkdir()
    (root / "b/c").chmod(0o755)
    os.utime(root / "b/c", (1, 1_700_000_000))
    with await archived(files, root) as tar:
        assert {member.name: content(tar, member.name) for member in tar if member.isfile()} == contents
        member = tar.getmember("b/c")
        assert (member.mode, member.mtime, member.uid, member.uname) == (0o755, 1_700_000_000, 0, "")
        assert tar.getmember("empty").isdir()
        assert tar.getnames().index("b") < tar.getnames().index("b/c")


async def test_what_is_not_in_it_is_listed(files: SiteFiles, root: Path, tmp_path: Path) -> None:
    """Links and special files are named with the reason, in a member of its own."""
    (root / "a").write_bytes(b"x")
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "b\n").symlink_to(tmp_path / "secret")
    os.link(tmp_path / "secret", root / "hard")
    with special_files(root) as kinds, await archived(files, root) as tar:
        lines = content(tar, ".provd-skipped.txt").decode().splitlines()
        assert sorted(tar.getnames()) == [".provd-skipped.txt", "a"]
    listed = {json.loads(path): reason for reason, path in (line.split(" ", 1) for line in lines)}
    expected = {name: reason.value for name, reason in kinds.items()}
    assert listed == {**expected, "b\n": "symbolic_link", "hard": "hard_link"}


async def test_file_that_shrinks_is_listed(local: SiteFiles, root: Path) -> None:
    """The archive stays readable, and says which member is not whole."""
    for name in ("a", "z"):
        (root / name).write_bytes(b"x" * 40_000_000)
    whole = bytearray()
    async with local.archive(str(root)) as chunks:
        async for chunk in chunks:
            if not whole:
                os.truncate(root / "a", 10)
            whole += chunk
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        assert tar.getnames() == ["a", "z", ".provd-skipped.txt"]
        assert content(tar, ".provd-skipped.txt") == b'changed "a"\n'
        assert content(tar, "z") == b"x" * 40_000_000


async def test_many_files(local: SiteFiles, root: Path) -> None:
    """Ten thousand small files are all there."""
    for number in range(10_000):
        (root / f"{number:05}").write_bytes(b"%05d" % number)
    with await archived(local, root) as tar:
        members = [(member.name, member.size) for member in tar]
        assert members == [(f"{number:05}", 5) for number in range(10_000)]
        assert content(tar, "09999") == b"09999"


async def test_empty_directory(files: SiteFiles, root: Path) -> None:
    """The archive of nothing is a valid archive."""
    with await archived(files, root) as tar:
        assert tar.getnames() == []


def test_large_sizes() -> None:
    """A file of 9 GiB has a header that tells its size."""
    info = tarfile.TarFile.open(fileobj=io.BytesIO(header(b"a", b"0", 0o644, 9 * 2**30, 5) + bytes(1024)))
    with info as tar:
        assert tar.next().size == 9 * 2**30  # type: ignore[union-attr] # there is a member
