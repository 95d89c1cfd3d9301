"""The Python API, with and without asyncio, against a devnet and a gateway."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from provider_daemon.client import blocking
from provider_daemon.client.api import Client
from provider_daemon.client.gateway_facts import GatewayRefused
from provider_daemon.client.places import NotOnDisk
from provider_daemon.client.submission import Submitted
from provider_daemon.encryption import age
from provider_daemon.encryption.identity import Keyring, generate
from provider_daemon.encryption.recipients import NoKey
from provider_daemon.errors import ConfigError, Refused, Unreadable
from provider_daemon.job.state import State
from tests.fakes.chain import ALICE, BOB
from tests.unit.cli.shop import CHAIN_ID, PASSPHRASE, Shop, example, shop
from tests.unit.client.far_end import REAL_TIME, FarEnd, manifest_of, served, sha256

JOB = {"image": "docker.io/library/alpine:3", "command": ["echo", "hello"], "max_runtime": "10m"}
FILES = {"output.txt": b"hello\n", "a/b": b"1", "a/c/d": b"2", "error.txt": b"oops\n"}
REPORTS = (
    "--state queued --slurm-job 42",
    "--state running",
    "--state failed --exit-code 3 --message broken",
)


@pytest_asyncio.fixture
async def market(tmp_path: Path) -> AsyncIterator[Shop]:
    async with shop(tmp_path, block_seconds=0.1) as opened:
        for name in ("register-cluster", "update-cluster", "create-offering"):
            await opened.done(example("tx", name))
        yield opened


@pytest_asyncio.fixture
async def far_end() -> AsyncIterator[FarEnd]:
    made = FarEnd(
        FILES, manifest_of(FILES), customer=BOB, provider=ALICE.address, chain_id=CHAIN_ID, now=REAL_TIME
    )
    async with served(made):
        yield made


def settings(market: Shop, far_end: FarEnd) -> dict[str, Any]:
    return {"nodes": [market.env["PROVD_NODE"]], "chain_id": CHAIN_ID, "gateway": far_end.url}


async def reported(market: Shop) -> None:
    for line in REPORTS:
        await market.done(f"tx hpc report-job-status JOB-1 --from alice {line}")


async def test_jobs_of_one_key_at_the_same_time(market: Shop, far_end: FarEnd) -> None:
    """A transaction that another one of the key overtakes is signed again, and no job exists twice."""
    async with Client(BOB, **settings(market, far_end), poll_seconds=0.02) as client:
        assert len(set(await asyncio.gather(*(client.submit(JOB) for _ in range(3))))) == 3
        assert await client.chain.job("JOB-4") is None


async def test_from_a_job_to_its_results(market: Shop, far_end: FarEnd, tmp_path: Path) -> None:
    """Plan, send, wait, read, fetch."""
    (tmp_path / "in.txt").write_bytes(b"in")
    job = {**JOB, "inputs": [{"file": "in.txt"}]}
    seen: list[tuple[State, str]] = []
    async with Client(BOB, **settings(market, far_end), poll_seconds=0.02) as client:
        plan = await client.plan(job, directory=tmp_path)
        assert (plan.choice.offering.offering_id, plan.escrow, client.address) == (
            "OFF-1",
            "10832uvirt",
            BOB.address,
        )
        submitted = await client.send(plan)
        assert isinstance(submitted, Submitted)
        assert far_end.uploads == {sha256(b"in"): bytearray(b"in")}
        await reported(market)
        ended = await client.wait("JOB-1", lambda state, message: seen.append((state, message)))
        assert (ended.state, ended.exit_code, ended.ran, ended.message) == (State.FAILED, 3, True, "broken")
        assert seen == [(State.FAILED, "broken")]
        assert b"".join([part async for part in client.logs("JOB-1")]) == b"hello\n"
        assert (
            b"".join([part async for part in client.logs("JOB-1", stream="error", follow=True)]) == b"oops\n"
        )
        assert [entry.path for entry in await client.files("JOB-1")] == [
            "a",
            "a/b",
            "a/c",
            "a/c/d",
            "error.txt",
            "output.txt",
        ]
        fetched = await client.fetch("JOB-1", tmp_path / "results")
        assert (len(fetched.files), fetched.bytes, fetched.root) == (4, 13, sha256(manifest_of(FILES)))
        assert fetched.problem == "the final report signs no results"
    assert (tmp_path / "results/a/c/d").read_bytes() == b"2"


async def test_an_encrypted_input(market: Shop, far_end: FarEnd, tmp_path: Path) -> None:
    """What is uploaded can be opened with the provider's key alone; size and hash are the ciphertext's."""
    (tmp_path / "secret.txt").write_bytes(b"secret")
    job = {**JOB, "inputs": [{"file": "secret.txt", "encrypted": True}]}
    identity = generate()
    async with Client(BOB, **settings(market, far_end), poll_seconds=0.02) as client:
        with pytest.raises(NoKey):
            await client.plan(job, directory=tmp_path)
        register = "tx encryption register-recipient-key --from alice"
        await market.done(f"{register} {identity.recipient}")
        await client.send(await client.plan(job, directory=tmp_path))
        record = await client.chain.query.job("JOB-1")
    assert record is not None
    ((name, content),) = far_end.uploads.items()
    plain = io.BytesIO()
    age.decrypt_file(io.BytesIO(bytes(content)), plain, Keyring((identity,)))
    assert plain.getvalue() == b"secret"
    (sent,) = record.data_references
    assert (sent.reference_id, sent.encrypted, sent.uri) == ("secret.txt", True, f"upload:{name}")
    assert (sent.checksum, sent.size_bytes) == (f"sha256:{name}", len(content))


async def test_an_upload_is_fetched_again(market: Shop, far_end: FarEnd, tmp_path: Path) -> None:
    """A cut download continues at its byte, wrong content is refused, and no other file is replaced."""
    content = bytes(range(256)) * 40
    (tmp_path / "in").write_bytes(content)
    async with Client(BOB, **settings(market, far_end), poll_seconds=0.02) as client:
        name = await client.upload(tmp_path / "in")
        far_end.cuts = [3000, 3000]
        before = far_end.bytes_sent
        assert await client.download(name, tmp_path / "out") == len(content)
        assert far_end.bytes_sent - before == len(content)
        assert (tmp_path / "out").read_bytes() == content
        assert await client.download(name, tmp_path / "in") == len(content)
        (tmp_path / "out").write_bytes(b"mine")
        with pytest.raises(Refused, match="already exists"):
            await client.download(name, tmp_path / "out")
        with pytest.raises(NotOnDisk):
            await client.download(name, tmp_path / "none/out")
        with pytest.raises(Refused, match="no complete upload"):
            await client.download(sha256(b"other"), tmp_path / "other")
        far_end.uploads[name][0] ^= 1
        with pytest.raises(Unreadable, match="SHA-256"):
            await client.download(name, tmp_path / "wrong")
    assert (
        sorted(path.name for path in tmp_path.iterdir() if "part" in path.name or path.name == "wrong") == []
    )


async def test_without_asyncio(market: Shop, far_end: FarEnd, tmp_path: Path) -> None:
    """The same from a keyring, in a thread without an event loop."""

    def begin() -> str:
        with blocking.Client.from_keyring(
            "bob", keyring_dir=tmp_path / "keys", passphrase=PASSPHRASE, **settings(market, far_end)
        ) as client:
            assert client.plan(JOB).escrow == "10832uvirt"
            return client.submit(JOB)

    def end() -> tuple[State, bytes, int]:
        with blocking.Client.from_keyring(
            BOB.address,
            keyring_dir=tmp_path / "keys",
            passphrase=lambda: PASSPHRASE,
            **settings(market, far_end),
        ) as client:
            output = b"".join(client.logs("JOB-1", follow=True))
            assert len(client.files("JOB-1")) == 6
            assert client.manifest("JOB-1")[0] == manifest_of(FILES)
            fetched = client.fetch("JOB-1", tmp_path / "results")
            path = tmp_path / "data"
            path.write_bytes(b"data")
            assert [each.sha256 for each in client.uploads().uploads] == []
            sha = client.upload(path)
            assert client.download(sha, tmp_path / "again") == 4
            client.remove_upload(sha)
            return client.wait("JOB-1").state, output, len(fetched.files)

    assert await asyncio.to_thread(begin) == "JOB-1"
    await reported(market)
    assert await asyncio.to_thread(end) == (State.FAILED, b"hello\n", 4)


async def test_a_manifest_is_waited_for(market: Shop, far_end: FarEnd, tmp_path: Path) -> None:
    """As long as the caller's patience lasts, or until the provider gives a reason why there is none."""
    far_end.manifest = None
    async with Client(BOB, **settings(market, far_end), poll_seconds=0.01) as client:
        await client.submit(JOB)
        with pytest.raises(GatewayRefused, match="no_manifest"):
            await client.fetch("JOB-1", tmp_path / "results")
        waiting = asyncio.create_task(client.fetch("JOB-1", tmp_path / "results", patience=30))
        while len(far_end.requests) < 4:
            await asyncio.sleep(0)
        far_end.manifest = manifest_of(FILES)
        assert len((await waiting).files) == 4
        far_end.manifest, far_end.detail = None, "the directory has too many files"
        with pytest.raises(Refused, match="too many files"):
            await client.fetch("JOB-1", tmp_path / "results", patience=30)


async def test_the_reader_of_a_log_may_stop(market: Shop, far_end: FarEnd) -> None:
    """Nothing keeps running behind it."""
    async with Client(BOB, **settings(market, far_end), poll_seconds=0.01) as client:
        await client.submit(JOB)
        far_end.ended = False
        parts = client.logs("JOB-1", follow=True)
        assert await anext(parts) == b"hello\n"
        await parts.aclose()
        await asyncio.sleep(0)
        assert [task for task in asyncio.all_tasks() if "follow" in repr(task)] == []


async def test_gateways_that_are_not_known(market: Shop, far_end: FarEnd) -> None:
    """Said before anything is signed for them."""
    without = {**settings(market, far_end), "gateway": ""}
    async with Client(BOB, **without) as client:
        await client.submit(JOB)
        with pytest.raises(ConfigError, match=r"--gateway .* is required"):
            await client.uploads()
        with pytest.raises(ConfigError, match="set --gateway"):
            await client.fetch("JOB-1", "nowhere")
        with pytest.raises(Refused, match="JOB-9 does not exist on chain"):
            await client.fetch("JOB-9", "nowhere")
    await market.done(f"tx hpc update-cluster HPC-1 --gateway {far_end.url} --from alice")
    async with Client(BOB, **without) as client:
        assert await client.files("JOB-1")
    far_end.chain_id = "other-1"
    async with Client(BOB, **settings(market, far_end)) as client:
        with pytest.raises(Refused, match=f"serves chain other-1, not {CHAIN_ID}"):
            await client.uploads()
