"""What a hostile gateway sends to a customer, a row each: nothing outside, nothing false, flat memory."""

import gzip
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from provider_daemon.client import gateway as client
from provider_daemon.client import verify
from provider_daemon.client.downloads import Download
from provider_daemon.client.gateway_facts import GatewayRefused
from provider_daemon.client.meter import NoMeter
from provider_daemon.errors import Unreadable
from tests.unit.client.far_end import FarEnd, manifest_of, opened, served, tar_of
from tests.zstd import zstd

FILES = {f"d/{number}.txt": b"%d" % number for number in range(20)}
MIB = 2**20
HUGE = 2**33 - 1  # the largest size of a plain header
BOMB = bytes(64 * MIB)


async def fetched(far_end: FarEnd, directory: Path) -> dict[str, bytes]:
    """Returns what the real client has written."""
    far_end.manifest = far_end.manifest or manifest_of(far_end.files)
    async with opened(far_end) as gateway:
        await Download(gateway, "JOB-1", directory, NoMeter()).fetch(verify.manifest(far_end.manifest))
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


# --- archives that grow ---


def header(kind: bytes, size: int, name: str = "x") -> bytes:
    made = tarfile.TarInfo(name)
    made.type, made.size = kind, size
    return made.tobuf(tarfile.GNU_FORMAT)


def extended(records: dict[str, str]) -> bytes:
    """A PAX header, and a file to which it belongs."""
    made = tarfile.TarInfo("x")
    made.pax_headers = records
    return made.tobuf(tarfile.PAX_FORMAT)


def endless(start: bytes, block: bytes = bytes(MIB)) -> Iterator[bytes]:
    yield start
    while True:
        yield block


SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "d/1.txt"}
MAP = b"99999999999999\n" + b"1" * 497 + b"\n" + (b"1" * 511 + b"\n") * (MIB // 512 - 1)
ARCHIVES = {
    "zstd bomb": lambda: iter([zstd.compress(BOMB)]),
    "gzip bomb": lambda: iter([gzip.compress(BOMB)]),
    "PAX header without an end": lambda: endless(header(tarfile.XHDTYPE, HUGE)),
    "global header without an end": lambda: endless(header(tarfile.XGLTYPE, HUGE)),
    "name without an end": lambda: endless(header(tarfile.GNUTYPE_LONGNAME, HUGE), b"a" * MIB),
    "link name without an end": lambda: endless(header(tarfile.GNUTYPE_LONGLINK, HUGE), b"a" * MIB),
    "headers of headers": lambda: endless(b"", header(tarfile.GNUTYPE_LONGNAME, 0) * 2048),
    "sparse file of exabytes": lambda: endless(
        extended({"GNU.sparse.size": str(2**60), "GNU.sparse.map": "0,1"}) + bytes(512)
    ),
    "sparse map without an end": lambda: endless(extended({**SPARSE, "size": str(2**60)}) + MAP, MAP),
    "sparse map that is no number": lambda: iter([extended({**SPARSE, "size": "512"}) + b"x\n" * 256]),
    "size that is no number": lambda: iter([extended({"size": "nan"}) + bytes(1024)]),
}


class Endless(FarEnd):
    """Its archive is the row's. `sent`: how many bytes of it the client took."""

    row: str = ""
    sent: int = 0

    async def _archive(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in ARCHIVES[self.row]():
            await response.write(chunk)
            self.sent += len(chunk)
        return response


@pytest.mark.parametrize("row", ARCHIVES)
async def test_decompression_and_header_bombs(tmp_path: Path, row: str) -> None:
    """The client stops reading after a few MB, decompresses nothing, and fetches the files one by one."""
    far_end = Endless(FILES)
    far_end.row = row
    assert await fetched(far_end, tmp_path) == FILES
    assert far_end.sent < 3 * 24 * MIB


# --- archives that lead out of the directory ---


def linking(kind: bytes, name: str, target: str) -> bytes:
    """An archive with a link, then a file through it, then the files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        link = tarfile.TarInfo(name)
        link.type, link.linkname = kind, target
        archive.addfile(link)
        through = tarfile.TarInfo(f"{name}/1.txt")
        through.size = 1
        archive.addfile(through, io.BytesIO(b"1"))
    return packed.getvalue()[: -tarfile.RECORDSIZE] + tar_of(FILES)


MEMBERS = {
    "symbolic link, then a file through it": linking(tarfile.SYMTYPE, "d", "../outside"),
    "symbolic link in place of a file": linking(tarfile.SYMTYPE, "d/1.txt", "../../outside"),
    "hard link in place of a file": linking(tarfile.LNKTYPE, "d/1.txt", "../outside"),
    "device in place of a file": linking(tarfile.CHRTYPE, "d/1.txt", ""),
    "fifo in place of a file": linking(tarfile.FIFOTYPE, "d/1.txt", ""),
    "path upwards": tar_of({**FILES, "../outside/x": b"!", "d/../../outside/x": b"!"}),
    "absolute path": tar_of({**FILES, "/tmp/provd-test-outside": b"!"}),
    "other content": tar_of({**FILES, "d/1.txt": b"!"}),
    "a file that no manifest lists": tar_of({**FILES, ".bashrc": b"!"}),
}


@pytest.mark.parametrize("row", MEMBERS)
async def test_archive_members(tmp_path: Path, row: str) -> None:
    """Only listed files with the listed content are written, into plain directories."""
    outside = tmp_path / "outside"
    outside.mkdir()
    assert await fetched(FarEnd(FILES, archive=MEMBERS[row]), tmp_path / "results") == FILES
    assert list(outside.iterdir()) == []
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))


PATHS = ["../x", "/etc/x", "a/../../x", "a//x", "./x", "a\0b", "a/..", ".."]


@pytest.mark.parametrize("path", PATHS)
async def test_manifest_paths(tmp_path: Path, path: str) -> None:
    """A manifest with a path out of the directory is refused as a whole."""
    far_end = FarEnd({path: b"!"})
    with pytest.raises(Unreadable):
        await fetched(far_end, tmp_path / "results")
    assert not (tmp_path / "results").exists() or not list((tmp_path / "results").iterdir())


# --- answers ---


class Odd(FarEnd):
    """Answers each question about the job with `body`."""

    body: bytes = b""
    encoding: str = "identity"

    async def _job(self, request: web.Request) -> web.Response:
        return web.Response(
            body=self.body, headers={"Content-Encoding": self.encoding}, content_type="application/json"
        )

    _manifest = _job


COMPRESSED = {
    "gzip": gzip.compress(BOMB),
    "zstd": zstd.compress(BOMB),
    "deflate": gzip.compress(BOMB),
    "br": b"x",
}


@pytest.mark.parametrize("encoding", COMPRESSED)
async def test_compressed_answers(encoding: str) -> None:
    """No answer is decompressed, whatever its Content-Encoding."""
    far_end = Odd()
    far_end.body, far_end.encoding = COMPRESSED[encoding], encoding
    async with opened(far_end) as gateway:
        with pytest.raises(Unreadable, match="not JSON"):
            await gateway.job("JOB-1")
        assert await gateway.manifest("JOB-1") == COMPRESSED[encoding]


async def test_oversize_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer and a manifest end at their limit."""
    monkeypatch.setattr(client, "MAX_ANSWER", 1000)
    monkeypatch.setattr(client, "MAX_MANIFEST", 1000)
    far_end = Odd()
    far_end.body = b" " * 5000
    async with opened(far_end) as gateway:
        for asked in (gateway.job("JOB-1"), gateway.manifest("JOB-1")):
            with pytest.raises(Unreadable, match="longer than 1000 bytes"):
                await asked


async def test_redirect_with_the_token() -> None:
    """It is not followed: another server never sees the login."""
    other = FarEnd()

    class Moved(FarEnd):
        async def _job(self, request: web.Request) -> web.Response:
            raise web.HTTPTemporaryRedirect(f"{other.url}/v1/jobs/JOB-1")

    async with served(other), opened(Moved()) as gateway:
        with pytest.raises(GatewayRefused, match="HTTP 307"):
            await gateway.job("JOB-1")
    assert other.requests == []
