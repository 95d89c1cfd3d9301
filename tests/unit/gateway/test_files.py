"""Listing and downloading what a job wrote."""

import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from tests.unit.gateway.conftest import Running
from tests.zstd import zstd

FILE = "/v1/jobs/JOB-7/files"


async def test_listing(running: Running) -> None:
    """One directory at a time, page by page, with kinds; links are named, never opened."""
    job = running.job(7)
    running.write(job, "b.txt", b"bb")
    running.write(job, "sub/c.txt", b"c")
    os.symlink("/etc/passwd", Path(job.directory) / "link")
    _, first, _ = await running.ask("GET", f"{FILE}?limit=2")
    assert [(each["path"], each["kind"]) for each in first["files"]] == [
        ("b.txt", "file"),
        ("inputs", "directory"),
    ]
    assert first["more"]
    _, rest, _ = await running.ask("GET", f"{FILE}?after=inputs")
    assert [(each["path"], each["kind"]) for each in rest["files"]] == [
        ("link", "other"),
        ("sub", "directory"),
    ]
    _, inner, _ = await running.ask("GET", f"{FILE}?prefix=sub/")
    assert [each["path"] for each in inner["files"]] == ["sub/c.txt"]


async def test_a_whole_file(running: Running) -> None:
    """As a download, with its length and tag; HEAD says the same without the content."""
    content = os.urandom(700_000)
    running.write(running.job(7), "sub/it's \u00e4.bin", content)
    path = f"{FILE}/sub/it%27s%20%C3%A4.bin"
    status, body, headers = await running.ask("GET", path)
    assert (status, body) == (200, content)
    assert headers["Content-Disposition"] == "attachment; filename*=UTF-8''it%27s%20%C3%A4.bin"
    assert headers["Content-Type"] == "application/octet-stream"
    head_status, nothing, head = await running.ask("HEAD", path)
    assert (head_status, nothing, head["Content-Length"], head["ETag"]) == (
        200,
        b"",
        str(len(content)),
        headers["ETag"],
    )


@pytest.mark.parametrize(
    ("header", "body", "content_range"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=4-", b"456789", "bytes 4-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=8-100", b"89", "bytes 8-9/10"),
        ("bytes=-100", b"0123456789", "bytes 0-9/10"),
    ],
)
async def test_ranges(running: Running, header: str, body: bytes, content_range: str) -> None:
    """One range of bytes, so that a download can be resumed."""
    running.write(running.job(7), "a", b"0123456789")
    status, part, headers = await running.ask("GET", f"{FILE}/a", headers={"Range": header})
    assert (status, part, headers["Content-Range"]) == (206, body, content_range)


async def test_a_resumed_download_notices_a_change(running: Running) -> None:
    """With If-Range the whole new file comes, instead of a mixture of two."""
    file = running.write(running.job(7), "a", b"0123456789")
    _, _, headers = await running.ask("GET", f"{FILE}/a")
    same = {"Range": "bytes=5-", "If-Range": headers["ETag"]}
    assert (await running.ask("GET", f"{FILE}/a", headers=same))[:2] == (206, b"56789")
    file.write_bytes(b"abcdefghij")
    assert (await running.ask("GET", f"{FILE}/a", headers=same))[:2] == (200, b"abcdefghij")
    fresh = {"If-None-Match": (await running.ask("HEAD", f"{FILE}/a"))[2]["ETag"]}
    assert (await running.ask("GET", f"{FILE}/a", headers=fresh))[0] == 304


async def test_an_empty_file(running: Running) -> None:
    """It is there, and it has no range."""
    running.write(running.job(7), "empty", b"")
    assert (await running.ask("GET", f"{FILE}/empty"))[:2] == (200, b"")
    refused = await running.refusal("GET", f"{FILE}/empty", headers={"Range": "bytes=0-"})
    assert refused == (416, "range_not_satisfiable")


async def test_what_is_not_there(running: Running) -> None:
    """A file that does not exist, and a directory that was asked for as a file."""
    running.job(7)
    assert await running.refusal("GET", f"{FILE}/none") == (404, "not_found")
    assert (await running.refusal("GET", f"{FILE}/inputs"))[0] in (403, 404)


async def test_a_name_that_is_not_utf8(running: Running) -> None:
    """Listed with an escape in JSON, and downloaded by its percent-encoded bytes."""
    job = running.job(7)
    Path(os.fsdecode(os.fsencode(job.directory) + b"/\xff.txt")).write_bytes(b"x")
    _, found, _ = await running.ask("GET", FILE)
    assert found["files"][1]["path"] == "\udcff.txt"
    assert (await running.ask("GET", f"{FILE}/%FF.txt"))[:2] == (200, b"x")


@pytest.mark.parametrize("kind", ["tar", "tar.zst"])
async def test_archive(running: Running, kind: str) -> None:
    """All regular files without inputs; links and devices are named in a list, not followed."""
    job = running.job(7)
    running.write(job, "sub/a.bin", b"a" * 300_000)
    running.write(job, "output.txt", b"hello\n")
    running.write(job, "inputs/big", b"not in it")
    os.symlink("/etc/passwd", Path(job.directory) / "link")
    status, body, headers = await running.ask("GET", f"/v1/jobs/JOB-7/archive?format={kind}")
    assert (status, headers["Content-Disposition"]) == (200, f'attachment; filename="JOB-7.{kind}"')
    data = zstd.decompress(body) if kind == "tar.zst" else body
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        files = {each.name: archive.extractfile(each) for each in archive if each.isfile()}
        content = {name: file.read() for name, file in files.items() if file}
    skipped = content.pop(".provd-skipped.txt")
    assert content == {"sub/a.bin": b"a" * 300_000, "output.txt": b"hello\n"}
    assert b"link" in skipped


async def test_a_directory_that_is_gone(running: Running) -> None:
    """Somebody deleted it at the site: nothing is found, in the list and in the archive."""
    job = running.job(7)
    shutil.rmtree(job.directory)
    for path in (FILE, f"{FILE}/a", "/v1/jobs/JOB-7/archive"):
        assert await running.refusal("GET", path) == (404, "not_found")
