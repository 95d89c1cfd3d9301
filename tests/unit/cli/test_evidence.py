"""`provd evidence verify` against a chain in this process."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from google.protobuf.message import Message
from typer.testing import CliRunner, Result

from provider_daemon.chain import evidence, messages
from provider_daemon.chain.evidence import EvidenceFacts
from provider_daemon.cli.evidence import app
from provider_daemon.errors import ConfigError
from provider_daemon.job.state import State
from provider_daemon.job.usage import Usage
from tests.fakes.chain import CHAIN_ID, PROVIDER, TestChain, job, report


@pytest_asyncio.fixture(params=["none", "published", "all"])
async def shop(request: pytest.FixtureRequest) -> AsyncIterator[TestChain]:
    """One job, pending, on a chain that serves no, some or all of the module's queries."""
    chain = await TestChain(queries=request.param).start()
    await chain.open_shop()
    assert (await chain.send(PROVIDER, job(PROVIDER))).ok
    yield chain
    await chain.stop()


VERSION_1 = "verified, but the signature does not cover the job's request (version 1)"


def signed(state: State, core_seconds: int = 7200, claimed: int | None = None) -> Message:
    """A report of JOB-1; with `claimed` it tells the chain other core-seconds than it signed."""
    usage = Usage(3600, core_seconds, 14_400, nodes_used=1) if state is State.COMPLETED else Usage()
    facts = EvidenceFacts(CHAIN_ID, "HPC-1", PROVIDER.address, "JOB-1", "42", state, 0, usage, 2_000_000_000)
    message = messages.unpack(
        messages.report_job_status(facts, signature=evidence.sign(facts, PROVIDER), status_message="")
    )
    if claimed is not None:
        message.usage_metrics.cpu_core_seconds = claimed  # type: ignore[attr-defined]
    return message


async def verify(chain: TestChain, *arguments: str) -> Result:
    node = ["--node", f"127.0.0.1:{chain.devnet.port}", "--chain-id", CHAIN_ID]
    return await asyncio.to_thread(CliRunner().invoke, app, ["verify", *arguments, *node])


async def test_job(shop: TestChain) -> None:
    """Every report of a job, over several transactions, is checked from what the chain holds; exit 0."""
    first = await shop.send(PROVIDER, signed(State.QUEUED), signed(State.RUNNING))
    last = await shop.send(PROVIDER, signed(State.COMPLETED))
    result = await verify(shop, "JOB-1", "-o", "json")
    assert result.exit_code == 0
    assert [(row["state"], row["ok"], row["tx_hash"]) for row in json.loads(result.stdout)] == [
        ("queued", True, first.tx_hash),
        ("running", True, first.tx_hash),
        ("completed", True, last.tx_hash),
    ]


async def test_where_the_chain_is_may_be_said_once(shop: TestChain, monkeypatch: pytest.MonkeyPatch) -> None:
    """$PROVD_NODE and $PROVD_CHAIN_ID lead here as they lead `provd query` and `provd tx`."""
    assert (await shop.send(PROVIDER, signed(State.QUEUED))).ok
    monkeypatch.setenv("PROVD_NODE", f"127.0.0.1:{shop.devnet.port}")
    monkeypatch.setenv("PROVD_CHAIN_ID", CHAIN_ID)
    result = await asyncio.to_thread(CliRunner().invoke, app, ["verify", "JOB-1"])
    assert (result.exit_code, result.stdout.split()[:3]) == (0, ["JOB-1", "queued", "verified,"])


async def test_one_unit(shop: TestChain) -> None:
    """One core-second that was not signed: exit 1, and the line of that report says so."""
    assert (await shop.send(PROVIDER, signed(State.QUEUED), signed(State.RUNNING))).ok
    sent = await shop.send(PROVIDER, signed(State.COMPLETED, 7200, claimed=7201))
    result = await verify(shop, sent.tx_hash)
    assert result.exit_code == 1
    assert (
        result.stdout
        == f"JOB-1 completed  FAILED: the signature does not fit what the report says  tx {sent.tx_hash}\n"
    )
    whole = await verify(shop, "JOB-1")
    assert (whole.exit_code, whole.stdout.count("verified"), whole.stdout.count("FAILED")) == (1, 2, 1)


async def test_transaction(shop: TestChain) -> None:
    """A transaction by its hash, in any case of its letters."""
    sent = await shop.send(PROVIDER, signed(State.QUEUED))
    for tx_hash in (sent.tx_hash, sent.tx_hash.lower()):
        assert (await verify(shop, tx_hash)).stdout == f"JOB-1 queued     {VERSION_1}  tx {sent.tx_hash}\n"


async def test_unsigned(shop: TestChain) -> None:
    """The chain takes a report without evidence; the check does not."""
    sent = await shop.send(PROVIDER, report("queued"))
    result = await verify(shop, sent.tx_hash)
    assert (result.exit_code, "no signature" in result.stdout) == (1, True)


async def test_failed_transaction(shop: TestChain) -> None:
    """A report that the chain refused proves nothing, however well it is signed."""
    sent = await shop.send(PROVIDER, signed(State.COMPLETED))
    assert sent.code == 2107
    result = await verify(shop, sent.tx_hash)
    assert (result.exit_code, "failed with code 2107" in result.stdout) == (1, True)


@pytest.mark.parametrize("what", ["JOB-1", "JOB-99", "AB" * 32])
async def test_nothing_there(shop: TestChain, what: str) -> None:
    """No report is not a success."""
    result = await verify(shop, what)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"provd: no report of {what} found\n")


async def test_neither_a_job_nor_a_transaction(shop: TestChain) -> None:
    """What can be none of them is a mistake in the command line, not something that the chain lacks."""
    result = await verify(shop, "nonsense")
    assert isinstance(result.exception, ConfigError)
    assert "invalid transaction hash: 'nonsense'" in str(result.exception)


async def test_a_dead_endpoint_is_one_line() -> None:
    """Named once, without the daemon's own warning before it."""
    command = ["verify", "JOB-1", "--node", "127.0.0.1:1", "--chain-id", CHAIN_ID]
    result = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert result.output == ""
    assert str(result.exception).startswith("no chain endpoint is healthy: 127.0.0.1:1: UNAVAILABLE")
