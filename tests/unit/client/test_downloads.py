"""Results on their way to a directory."""

from pathlib import Path

import pytest

from provider_daemon.client import archive, verify
from provider_daemon.client.downloads import ARCHIVES, Download
from provider_daemon.client.meter import NoMeter
from provider_daemon.client.places import NotOnDisk
from provider_daemon.errors import Transient, Unreadable
from tests.unit.client.far_end import FarEnd, manifest_of, opened, tar_of

LARGE = bytes(range(256)) * 2048
FEW = {"output.txt": b"hello\n", "out/large.bin": LARGE, "out/empty": b""}
SIZES = (("a", 0), ("b", 10), ("c", archive.SMALL), ("d", archive.SMALL + 1))
MANY = {f"d{index % 3}/file {index}.txt": b"x" * index for index in range(40)}


async def fetched(far_end: FarEnd, directory: Path) -> None:
    far_end.manifest = far_end.manifest or manifest_of(far_end.files)
    async with opened(far_end) as gateway:
        await Download(gateway, "JOB-1", directory, NoMeter()).fetch(verify.manifest(far_end.manifest))


def on_disk(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


async def test_few_files(tmp_path: Path) -> None:
    """Each by itself; nothing else is left in the directory."""
    await fetched(FarEnd(FEW), tmp_path / "new" / "results")
    assert on_disk(tmp_path / "new" / "results") == FEW


async def test_many_files_come_as_one_archive(tmp_path: Path) -> None:
    far_end = FarEnd({**MANY, "ütf-8 ☃": b"snow"})
    await fetched(far_end, tmp_path)
    assert on_disk(tmp_path) == far_end.files
    assert far_end.requests == ["GET /v1/jobs/JOB-1/archive"]


async def test_equal_contents(tmp_path: Path) -> None:
    """Files of one directory may have the same content, whether or not they are checked in memory."""
    far_end = FarEnd({f"{kind}{index}": kind.encode() * size for index in range(30) for kind, size in SIZES})
    await fetched(far_end, tmp_path)
    assert on_disk(tmp_path) == far_end.files
    assert far_end.requests == ["GET /v1/jobs/JOB-1/archive"]


async def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    """They have the same bytes on disk, from the archive and one by one."""
    odd = {"a\udcff": b"odd", **{str(number): b"" for number in range(9)}}
    await fetched(FarEnd(odd), tmp_path)
    assert (tmp_path / "a\udcff").read_bytes() == b"odd"


async def test_a_lost_connection_is_resumed_at_its_byte(tmp_path: Path) -> None:
    """No byte is sent twice."""
    far_end = FarEnd({"large.bin": LARGE}, cuts=[100_000] * 5)
    await fetched(far_end, tmp_path)
    assert on_disk(tmp_path) == far_end.files
    assert far_end.bytes_sent == len(LARGE)


async def test_an_interrupted_run_is_continued(tmp_path: Path) -> None:
    """Another process fetches only what the first one did not."""
    far_end = FarEnd({"large.bin": LARGE}, cuts=[100_000, *[0] * 10])
    with pytest.raises(Transient):
        await fetched(far_end, tmp_path)
    far_end.cuts.clear()
    await fetched(far_end, tmp_path)
    assert on_disk(tmp_path) == far_end.files
    assert far_end.bytes_sent == len(LARGE)


async def test_a_cut_archive_costs_only_what_is_missing(tmp_path: Path) -> None:
    """The archive again while much is missing, then file by file."""
    large = {f"{number}.bin": bytes([number]) * 40_000 for number in range(60)}
    most = len(tar_of(large))
    far_end = FarEnd(large, cuts=[most // 4, most // 2, most * 3 // 4])
    await fetched(far_end, tmp_path)
    assert on_disk(tmp_path) == large
    single = [line for line in far_end.requests if "/files/" in line]
    assert len(far_end.requests) - len(single) == ARCHIVES
    assert 0 < len(single) < len(large) / 2


async def test_what_is_complete_is_not_fetched_again(tmp_path: Path) -> None:
    """Unless its content is another one."""
    await fetched(FarEnd(FEW), tmp_path)
    (tmp_path / "output.txt").write_bytes(b"HELLO\n")
    far_end = FarEnd(FEW)
    await fetched(far_end, tmp_path)
    assert far_end.requests == ["GET /v1/jobs/JOB-1/files/output.txt"]
    assert on_disk(tmp_path) == FEW


@pytest.mark.parametrize("content", [b"HELLO\n", b"hello\nmore", b"hell"])
async def test_other_content_than_the_manifests(tmp_path: Path, content: bytes) -> None:
    """Never gets the file's name."""
    far_end = FarEnd({"output.txt": content}, manifest=manifest_of({"output.txt": b"hello\n"}))
    with pytest.raises((Unreadable, Transient)):
        await fetched(far_end, tmp_path)
    assert not (tmp_path / "output.txt").exists()


async def test_an_archive_with_other_content(tmp_path: Path) -> None:
    """A member with a wrong hash, with a wrong size, a link, or a path out of the directory: none is written;
    the true files are fetched one by one."""
    wrong = {**MANY, "d1/file 1.txt": b"y", "d2/file 2.txt": b"", "../outside": b"!", "/outside": b"!"}
    far_end = FarEnd(MANY, archive=tar_of(wrong))
    await fetched(far_end, tmp_path / "results")
    assert on_disk(tmp_path) == {f"results/{path}": content for path, content in MANY.items()}


@pytest.mark.parametrize("content", [b"no archive", b"", tar_of(MANY)[:-2000], b"\0" * 20_000])
async def test_an_archive_that_is_none(tmp_path: Path, content: bytes) -> None:
    """The files are fetched one by one."""
    await fetched(FarEnd(MANY, archive=content), tmp_path)
    assert on_disk(tmp_path) == MANY


async def test_a_link_in_the_directory_is_not_followed(tmp_path: Path) -> None:
    """Whoever made it: nothing is written through it."""
    outside, results = tmp_path / "outside", tmp_path / "results"
    outside.mkdir()
    results.mkdir()
    (results / "out").symlink_to(outside)
    with pytest.raises(NotOnDisk, match="symbolic link"):
        await fetched(FarEnd(FEW), results)
    assert list(outside.iterdir()) == []


async def test_what_cannot_be_written(tmp_path: Path) -> None:
    """A file in the place of a directory: named, and not taken for a lost connection."""
    (tmp_path / "out").write_text("a file")
    with pytest.raises(NotOnDisk, match="out cannot be"):
        await fetched(FarEnd(FEW), tmp_path)
