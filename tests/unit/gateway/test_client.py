"""provd's own client against the real gateway: what it sends is understood, and so is what it gets."""

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from provider_daemon.chain.sign import LocalSigner
from provider_daemon.client.downloads import Download
from provider_daemon.client.gateway import Gateway
from provider_daemon.client.gateway_facts import GatewayRefused
from provider_daemon.client.job_request import LocalFile
from provider_daemon.client.login import Login
from provider_daemon.client.logs import Log
from provider_daemon.client.meter import NoMeter
from provider_daemon.client.uploads import send
from provider_daemon.client.verify import ResultFile
from tests.fakes.chain import ALICE, BOB
from tests.unit.gateway.conftest import AUDIENCE, NEWCOMER, Running


@asynccontextmanager
async def connected(running: Running, who: LocalSigner = ALICE) -> AsyncIterator[Gateway]:
    url = f"http://{running.address[0]}:{running.address[1]}"
    async with Gateway(url, Login(who, AUDIENCE, running.clock.now), retry_seconds=0.01) as gateway:
        yield gateway


async def test_a_job_and_its_files(running: Running) -> None:
    """Facts, listings over several pages, links; another customer's job is refused by its code."""
    job = running.job(7)
    names = [f"f{number:04}" for number in range(1200)]
    for name in names:
        running.write(job, name, b"x")
    async with connected(running) as gateway:
        assert (await gateway.info()).providers == tuple(AUDIENCE.providers)
        assert (await gateway.job("JOB-7")).state == "running"
        found = [file.path async for file in gateway.files("JOB-7")]
        assert (await gateway.link("JOB-7", 60)).expires_at == int(running.clock.now()) + 60
    assert found == [*names, "inputs"]
    async with connected(running, BOB) as gateway:
        with pytest.raises(GatewayRefused) as refused:
            await gateway.job("JOB-7")
    assert (refused.value.status, refused.value.reason) == (403, "not_yours")


@pytest.mark.parametrize("count", [2, 30])
async def test_results(running: Running, tmp_path: Path, count: int) -> None:
    """A few one by one, many as one archive; the same bytes are on disk."""
    job = running.job(7)
    content = {f"d/{number}\u20ac.bin": os.urandom(10_000 + number) for number in range(count)}
    for path, data in content.items():
        running.write(job, path, data)
    wanted = [ResultFile(path, len(data), hashlib.sha256(data).hexdigest()) for path, data in content.items()]
    async with connected(running) as gateway:
        await Download(gateway, "JOB-7", tmp_path / "results", NoMeter()).fetch(wanted)
    for path, data in content.items():
        assert (tmp_path / "results" / path).read_bytes() == data


async def test_a_resumed_file(running: Running) -> None:
    """From a byte on."""
    running.write(running.job(7), "a", b"0123456789")
    async with connected(running) as gateway, gateway.file("JOB-7", "a", 4) as chunks:
        assert b"".join([chunk async for chunk in chunks]) == b"456789"


async def test_a_log(running: Running) -> None:
    """Followed to the job's end, and what is there now."""
    job = running.job(7)
    running.write(job, "output.txt", "h\u00e4llo\r\n".encode())
    written = bytearray()
    async with connected(running) as gateway:
        await Log(gateway, "JOB-7", written.extend).copy()
        running.end(job)
        await Log(gateway, "JOB-7", written.extend).follow()
    assert written.decode() == "h\u00e4llo\r\n" * 2


async def test_an_upload(running: Running, tmp_path: Path) -> None:
    """Whole, again (nothing is sent), continued, listed and removed."""
    data = os.urandom(700_000)
    sha256 = hashlib.sha256(data).hexdigest()
    path = tmp_path / "input.bin"
    path.write_bytes(data)
    part = {"Upload-Offset": "0", "Upload-Length": str(len(data))}
    await running.ask("PATCH", f"/v1/uploads/{sha256}", headers=part, data=data[:300_000])
    async with connected(running) as gateway:
        await send(gateway, LocalFile("input.bin", str(path), len(data), sha256), NoMeter())
        await send(gateway, LocalFile("input.bin", str(path), len(data), sha256), NoMeter())
        found = await gateway.uploads()
        assert [(upload.sha256, upload.offset) for upload in found.uploads] == [(sha256, len(data))]
        await gateway.remove_upload(sha256)
        assert (await gateway.uploads()).used_bytes == 0


async def test_an_account_without_a_key_signs_a_challenge(running: Running, tmp_path: Path) -> None:
    """Its first transaction is still to come, and its client logs in with the key itself. Its first request
    is a HEAD, whose refusal has no body."""
    path = tmp_path / "input.bin"
    path.write_bytes(b"first")
    file = LocalFile("input.bin", str(path), 5, hashlib.sha256(b"first").hexdigest())
    async with connected(running, NEWCOMER) as gateway:
        await send(gateway, file, NoMeter())
        assert [upload.length for upload in (await gateway.uploads()).uploads] == [5]
