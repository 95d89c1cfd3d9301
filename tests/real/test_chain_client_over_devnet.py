"""One contract for the chain port, whichever part of the Query service the chain offers."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from provider_daemon.chain import messages
from provider_daemon.chain import tx as transactions
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.endpoints import RECHECK_SECONDS
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.errors import Refused, Transient
from provider_daemon.job.state import State
from provider_daemon.ports import EndpointState
from tests.fakes.chain import ALICE, BOB, CHAIN_ID, PROVIDER, TestChain, job, person, report


@pytest.fixture(params=["none", "published", "all"])
async def chain(request: pytest.FixtureRequest) -> AsyncIterator[TestChain]:
    served = await TestChain(queries=request.param).start()
    await served.open_shop()
    yield served
    await served.stop()


async def test_records(chain: TestChain) -> None:
    """Cluster, offering and jobs are the same by every query, and missing records are None."""
    await chain.send(
        ALICE,
        job(
            workload_spec=types_pb2.JobWorkloadSpec(
                container_image="alpine:3", command="<&>", arguments=["ü", ""]
            )
        ),
    )
    await chain.send(BOB, job(BOB))
    found = await chain.client.job("JOB-1")
    assert found is not None
    assert (found.state, found.spec.customer, found.spec.provider) == (
        State.PENDING,
        ALICE.address,
        PROVIDER.address,
    )
    assert (found.spec.workload.command, found.spec.workload.arguments) == ("<&>", ("ü", ""))
    assert found.spec.created_ns > 2_000_000_000 * 10**9
    assert await chain.client.job_counter() == 3
    cluster, offering = await chain.client.cluster("HPC-1"), await chain.client.offering("OFF-1")
    assert cluster is not None
    assert offering is not None
    assert (cluster.state, offering.active, offering.queues[0].partition) == ("active", True, "standard")
    assert [
        await chain.client.job("JOB-3"),
        await chain.client.cluster("HPC-2"),
        await chain.client.offering("OFF-2"),
    ] == [None, None, None]


async def test_sweep(chain: TestChain) -> None:
    """A sweep returns every job once."""
    for _ in range(3):
        await chain.send(ALICE, *(job() for _ in range(4)))
    found = [item.job_id async for item in chain.client.query.jobs() if isinstance(item, types_pb2.HPCJob)]
    assert sorted(found) == sorted(f"JOB-{number}" for number in range(1, 13))


async def test_nodes(chain: TestChain) -> None:
    """A cluster's heartbeats can be read back."""
    beat = tx_pb2.MsgUpdateNodeMetadata(
        provider_address=PROVIDER.address, node_id="alpha.n1", cluster_id="HPC-1", region="eu", active=True
    )
    assert (await chain.send(PROVIDER, beat)).ok
    nodes = [item async for item in chain.client.query.nodes("HPC-1")]
    assert nodes == [await chain.client.query.node("alpha.n1")]
    assert [item async for item in chain.client.query.nodes("HPC-2")] == []


async def test_life_of_a_job(chain: TestChain) -> None:
    """Reports are found with their transactions; the settled job has its accounting record."""
    await chain.send(ALICE, job())
    for state in ("queued", "running", "completed"):
        usage = types_pb2.HPCUsageMetrics(wall_clock_seconds=60, cpu_core_seconds=120, nodes_used=1)
        assert (await chain.send(PROVIDER, report(state, usage_metrics=usage))).ok
    found = await chain.client.job("JOB-1")
    assert found is not None
    assert found.state is State.COMPLETED
    assert found.started_at > 0
    told = await chain.client.reports_of("JOB-1")
    assert len(told) == 3
    whole = await chain.client.txs.get(told[0].tx_response.txhash)
    assert whole is not None
    assert whole.tx == told[0].tx
    accounting = await chain.client.query.job_accounting("JOB-1")
    assert accounting is not None
    assert accounting.usage_metrics.cpu_core_seconds == 120


async def test_cancels(chain: TestChain) -> None:
    """Only successful cancels at or above the height are returned."""
    await chain.send(ALICE, job(), job())
    await chain.send(ALICE, tx_pb2.MsgCancelJob(requester_address=ALICE.address, job_id="JOB-1"))
    height = (await chain.client.head()).height
    refused = await chain.send(BOB, tx_pb2.MsgCancelJob(requester_address=BOB.address, job_id="JOB-2"))
    assert not refused.ok
    assert await chain.client.cancelled_since(height) == frozenset({"JOB-1"})
    assert await chain.client.cancelled_since(height + 1) == frozenset()


async def test_transactions(chain: TestChain) -> None:
    """A transaction's CheckTx result comes first, then its block.

    It is found by hash, and by the sequence that it used.
    """
    await chain.send(ALICE, job())
    account = await chain.client.account(PROVIDER.address)
    signed = await chain.signed(PROVIDER, report("queued"))
    assert (await chain.client.broadcast(signed.tx_bytes)).ok
    assert await chain.client.find(signed.tx_hash) is None
    chain.block()
    found = await chain.client.find(signed.tx_hash)
    assert found is not None
    assert found.ok
    assert found == await chain.client.find_by_sequence(PROVIDER.address, account.sequence)
    assert await chain.client.find_by_sequence(PROVIDER.address, account.sequence + 1) is None


async def test_simulation(chain: TestChain) -> None:
    """A simulation returns the gas of the transaction, or which of its messages fails."""
    await chain.send(ALICE, job())

    async def gas(*wanted: tx_pb2.MsgReportJobStatus) -> int:
        account = await chain.client.account(PROVIDER.address)
        unsigned = transactions.for_simulation(
            [messages.pack(message) for message in wanted],
            public_key=PROVIDER.public_key,
            sequence=account.sequence,
            gas_limit=200_000,
            fee=5_000,
            fee_denom="uve",
            timeout_height=chain.devnet.blocks.height + 10,
        )
        return await chain.client.simulate(unsigned)

    assert 50_000 < await gas(report("queued")) < 150_000
    with pytest.raises(Refused) as refused:
        await gas(report("queued"), report("completed"))
    assert refused.value.message_index == 1


async def test_an_account_without_funds(chain: TestChain) -> None:
    """Every call that needs an unfunded account reports that the chain does not know it."""
    stranger = person("stranger")
    with pytest.raises(Refused, match="the chain has no account"):
        await chain.client.account(stranger.address)
    signed = transactions.build(
        [messages.pack(report("queued"))],
        signer=stranger,
        chain_id=CHAIN_ID,
        account_number=0,
        sequence=0,
        gas_limit=200_000,
        fee=5_000,
        fee_denom="uve",
        timeout_height=chain.devnet.blocks.height + 10,
    )
    assert not (await chain.client.broadcast(signed.tx_bytes)).ok


async def test_money(chain: TestChain) -> None:
    """Balances are returned by denom, with the price of gas."""
    assert await chain.client.balance(BOB.address, "uvirt") == 10**12
    assert await chain.client.balance(person("stranger").address, "uvirt") == 0
    assert await chain.client.gas_price("uve") == Decimal("0.025")


async def test_another_chain_behind_the_same_address(chain: TestChain) -> None:
    """A client of another chain accepts nothing from this one."""
    other = GrpcChain("other-9", [f"127.0.0.1:{chain.devnet.port}"], chain.clock)
    with pytest.raises(Transient, match="on chain 'test-1', not 'other-9'"):
        await other.job("JOB-1")
    await other.close()


async def test_a_chain_that_started_again(tmp_path: Path) -> None:
    """A chain that restarts from genesis with the same chain id is unhealthy: its height is lower."""
    old = await TestChain(path=str(tmp_path / "old")).start()
    for _ in range(10):
        old.block()
    assert (await old.client.head()).height >= 10
    port = old.devnet.port
    await old.devnet.stop()
    new = TestChain(path=str(tmp_path / "new"), clock=old.clock)
    new.devnet = type(old.devnet)(path=new.path, listen=f"127.0.0.1:{port}", rules=new.rules)
    await new.devnet.start()
    async with asyncio.timeout(30):
        # the first calls fail on the broken connection
        while old.client.endpoints.all[0].state is not EndpointState.HEIGHT_DECREASED:
            old.clock.time += RECHECK_SECONDS
            with pytest.raises(Transient):
                await old.client.head()
    await old.client.close()
    await new.devnet.stop()
