"""What is gathered from nodes, whatever they are like."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from provider_daemon.chain import codec, keyspace
from provider_daemon.chain.probe import probe
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.config.model import ChainConfig
from provider_daemon.doctor import gather_chain
from provider_daemon.doctor.deadline import Deadline
from provider_daemon.doctor.facts import Parameters
from provider_daemon.doctor.finding import CheckOutcome, Unknown
from provider_daemon.doctor.gather_chain import ChainAnswers
from provider_daemon.doctor.registry import examine
from tests.fakes.chain import CHAIN_ID, FakeClock
from tests.unit.chain.far_end import FarEnd
from tests.unit.doctor.healthy import SCENE


@asynccontextmanager
async def looked_at(*far_ends: FarEnd) -> AsyncIterator[ChainAnswers]:
    """The look at these nodes, ten seconds after their newest block."""
    config = ChainConfig(id=CHAIN_ID, endpoints=[await far.start() for far in far_ends])
    found = await gather_chain.gather(config, Deadline(5), FakeClock(time=10.0))
    try:
        yield found
    finally:
        await found.client.close()
        for far in far_ends:
            await far.stop()


def red(found: ChainAnswers) -> dict[str, CheckOutcome]:
    rows = (row for row in examine(replace(SCENE, chain=found.facts)) if row.check.section == "chain")
    return {
        row.check.name: row.finding.outcome
        for row in rows
        if row.finding.outcome in (CheckOutcome.FAIL, CheckOutcome.WARN)
    }


async def test_a_node_without_queries() -> None:
    """None of the RPCs is served, the store answers: all is well."""
    async with looked_at(FarEnd()) as found:
        assert (found.facts.wired, found.facts.store, found.facts.gas_price, found.missing) == (
            frozenset(),
            True,
            0.025,
            None,
        )
        assert red(found) == {}
        assert await gather_chain.offered(found.client, "HPC-1") == ()
        assert await gather_chain.parameters(found.client) == Parameters(0, 0)


async def test_a_node_without_queries_and_store() -> None:
    async with looked_at(FarEnd(store_code=18, store_log="not allowed")) as found:
        assert found.facts.store is False
        assert red(found)["chain-queries"] is CheckOutcome.FAIL


@pytest.mark.parametrize(
    ("far", "cause"),
    [(FarEnd(syncing=True), "chain-sync"), (FarEnd(chain_id="another-1"), "chain-id")],
    ids=["syncing", "another"],
)
async def test_an_unhealthy_node(far: FarEnd, cause: str) -> None:
    """Its check is red, nothing else of the chain is, and whatever needs a node waits for that check."""
    async with looked_at(far) as found:
        assert red(found) == {cause: CheckOutcome.FAIL}
        assert found.missing == Unknown("no endpoint is usable", cause)


async def test_a_node_that_is_not_there() -> None:
    """So is one that does not answer."""
    far = FarEnd()
    config = ChainConfig(id=CHAIN_ID, endpoints=[await far.start()])
    await far.stop()
    found = await gather_chain.gather(config, Deadline(5), FakeClock(time=10.0))
    assert red(found) == {"chain-endpoints": CheckOutcome.FAIL}
    assert found.missing == Unknown("no endpoint is usable", "chain-endpoints")


async def test_one_of_two() -> None:
    """The other one is asked, and the first is a warning."""
    async with looked_at(FarEnd(height=3), FarEnd(height=10)) as found:
        assert red(found) == {"chain-heights-agree": CheckOutcome.WARN}
        assert isinstance(found.facts.wired, frozenset)


async def test_probe() -> None:
    """What a node says of itself, and of one that is not there why."""
    far = FarEnd(height=7)
    url = await far.start()
    found = await probe(url)
    assert (found.problem, found.chain_id, found.syncing, found.height) == ("", CHAIN_ID, False, 7)
    await far.stop()
    assert (await probe(url)).problem.startswith(f"{url}: UNAVAILABLE")


async def test_parameters() -> None:
    """As the chain has them at the moment."""
    stored = codec.encode(types_pb2.Params(node_heartbeat_timeout=90, max_job_duration_seconds=3600))
    async with looked_at(FarEnd(records={("hpc", keyspace.PARAMS): stored})) as found:
        assert await gather_chain.parameters(found.client) == Parameters(90, 3600)


@pytest.mark.parametrize(
    ("escrow_id", "expected"), [("", {"chain-settlement": CheckOutcome.WARN}), ("hpc-escrow-JOB-2", {})]
)
async def test_what_the_chain_settles(escrow_id: str, expected: dict[str, CheckOutcome]) -> None:
    """The newest job with a price shows it; a record that cannot be read does not stand in the way."""
    record = types_pb2.HPCJob(
        job_id="JOB-2",
        state=types_pb2.JOB_STATE_PENDING,
        agreed_price=[Coin(denom="uvirt", amount="5")],
        escrow_id=escrow_id,
    )
    record.created_at.FromSeconds(1)
    records = {
        ("hpc", keyspace.NEXT_JOB): (4).to_bytes(8, "big"),
        ("hpc", keyspace.key(keyspace.JOB, "JOB-2")): codec.encode(record),
        ("hpc", keyspace.key(keyspace.JOB, "JOB-3")): b"no record",
    }
    async with looked_at(FarEnd(records=records)) as found:
        assert red(found) == expected
