"""Local files on their way to a gateway."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provider_daemon.client import uploads
from provider_daemon.client.gateway_facts import GatewayRefused
from provider_daemon.client.job_file import parse
from provider_daemon.client.meter import NoMeter
from provider_daemon.errors import ConfigError, Transient
from tests.unit.client.far_end import FarEnd, opened, sha256

CONTENT = bytes(range(256)) * 4096  # 1 MiB


class Seen:
    """A meter that keeps what it was told."""

    def __init__(self) -> None:
        self.done: list[int] = []

    @contextmanager
    def transfer(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        self.what, self.total = what, total
        yield self.done.append


async def sent(far_end: FarEnd, path: Path, meter: Seen | None = None) -> None:
    async with opened(far_end) as gateway:
        await uploads.send(gateway, await uploads.local_file(path, path.name), meter or NoMeter())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "data.bin"
    made.write_bytes(CONTENT)
    return made


async def test_a_file_arrives_whole(path: Path) -> None:
    """Under its hash; the meter begins at zero and ends at the size."""
    far_end, seen = FarEnd(), Seen()
    await sent(far_end, path, seen)
    assert bytes(far_end.uploads[sha256(CONTENT)]) == CONTENT
    assert (seen.what, seen.total, seen.done[0], seen.done[-1]) == (
        "upload data.bin",
        len(CONTENT),
        0,
        len(CONTENT),
    )


async def test_a_lost_connection_is_resumed_at_its_byte(path: Path) -> None:
    """Cut five times, more often than one call is retried: what has arrived is not sent again."""
    far_end = FarEnd(cuts=[100_000] * 5)
    await sent(far_end, path)
    assert bytes(far_end.uploads[sha256(CONTENT)]) == CONTENT
    assert far_end.bytes_received == len(CONTENT)


async def test_what_is_there_is_not_sent_again(path: Path) -> None:
    """One question, no byte."""
    name = sha256(CONTENT)
    far_end = FarEnd(uploads={name: bytearray(CONTENT)}, lengths={name: len(CONTENT)})
    await sent(far_end, path)
    assert far_end.requests == [f"HEAD /v1/uploads/{name}"]


async def test_an_upload_of_an_earlier_run_is_continued(path: Path) -> None:
    name = sha256(CONTENT)
    far_end = FarEnd(uploads={name: bytearray(CONTENT[:1000])}, lengths={name: len(CONTENT)})
    await sent(far_end, path)
    assert far_end.bytes_received == len(CONTENT) - 1000


async def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    far_end = FarEnd()
    await sent(far_end, tmp_path / "empty")
    assert far_end.uploads == {sha256(b""): bytearray()}


async def test_another_writer_is_waited_for(path: Path) -> None:
    """409 upload_busy: how much has arrived is asked again."""
    far_end = FarEnd(failures=[(404, "not_found"), (409, "upload_busy")])
    await sent(far_end, path)
    assert bytes(far_end.uploads[sha256(CONTENT)]) == CONTENT


async def test_without_progress_it_ends(path: Path) -> None:
    """A connection that is cut at once, again and again, is reported after three attempts."""
    with pytest.raises(Transient, match="connection to the gateway"):
        await sent(FarEnd(cuts=[0] * 20), path)


async def test_a_quota_is_final(path: Path) -> None:
    """Nothing is tried again."""
    far_end = FarEnd(quota=10)
    with pytest.raises(GatewayRefused, match=r"HTTP 507, quota_exceeded\): Your uploads"):
        await sent(far_end, path)
    assert sum(line.startswith("PATCH") for line in far_end.requests) == 1


async def test_a_file_that_changed_is_refused_by_its_hash(path: Path) -> None:
    """It is hashed before it is sent."""
    async with opened(FarEnd()) as gateway:
        file = await uploads.local_file(path, path.name)
        path.write_bytes(CONTENT[::-1])
        with pytest.raises(GatewayRefused, match="wrong_hash"):
            await uploads.send(gateway, file, NoMeter())


async def test_files_of_a_job(tmp_path: Path) -> None:
    """By their names as inputs, with the script of a run of several lines."""
    (tmp_path / "a.txt").write_text("one")
    job = parse(
        "image: a\nmax_runtime: 60\nrun: |\n  echo a\n  echo b\n"
        "inputs:\n  - file: a.txt\n    name: b.txt\n  - dataset: genomes\n",
        "job.yaml",
    )
    found = await uploads.local_files(job, tmp_path)
    assert {name: (file.size, file.sha256) for name, file in found.items()} == {
        "b.txt": (3, sha256(b"one")),
        "run.sh": (14, sha256(b"echo a\necho b\n")),
    }


async def test_every_file_that_cannot_be_sent_is_named(tmp_path: Path) -> None:
    job = parse(
        "image: a\nmax_runtime: 60\nrun: a\ninputs:\n  - file: missing\n  - file: folder\n", "job.yaml"
    )
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError) as caught:
        await uploads.local_files(job, tmp_path)
    assert caught.value.problems == [
        f"{tmp_path}/missing cannot be read: No such file or directory",
        f"{tmp_path}/folder is a directory: pack it with `tar -czf folder.tar.gz {tmp_path}/folder` first",
    ]
