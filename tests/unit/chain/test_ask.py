"""The 21 queries: whatever a chain has wired, the same question has the same answer."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from provider_daemon.chain import broadcast, codec, keyspace
from provider_daemon.chain.ask import METHODS, Ask, request
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.grpc_errors import NotFound
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.devnet.server import Devnet
from provider_daemon.errors import Refused
from tests.fakes.chain import ALICE, CHAIN_ID, PROVIDER, FakeClock, TestChain, job, report

QUESTIONS: dict[str, dict[str, Any]] = {
    "Cluster": {"cluster_id": "HPC-1"},
    "Clusters": {"state": 2, "region": "eu"},
    "ClustersByProvider": {"provider_address": PROVIDER.address},
    "Offering": {"offering_id": "OFF-1"},
    "Offerings": {"active_only": True},
    "OfferingsByCluster": {"cluster_id": "HPC-1"},
    "Job": {"job_id": "JOB-10"},
    "Jobs": {"cluster_id": "HPC-1", "state": 1, "pagination": {"limit": 3, "offset": 2, "count_total": True}},
    "JobsByCustomer": {"customer_address": ALICE.address, "pagination": {"limit": 4, "reverse": True}},
    "JobsByProvider": {"provider_address": PROVIDER.address},
    "JobAccounting": {"job_id": "JOB-1"},
    "NodeMetadata": {"node_id": "alpha.n1"},
    "NodesByCluster": {"cluster_id": "HPC-1"},
    "SchedulingDecision": {"decision_id": "hpc-decision-1"},
    "SchedulingDecisionByJob": {"job_id": "JOB-2"},
    "SchedulingMetrics": {"cluster_id": "HPC-1", "queue_name": "standard"},
    "Reward": {"reward_id": "hpc-reward-JOB-1"},
    "RewardsByJob": {"job_id": "JOB-1"},
    "Dispute": {"dispute_id": "hpc-dispute-2"},
    "Disputes": {"status": 1},
    "Params": {},
}


@pytest_asyncio.fixture
async def chain() -> AsyncIterator[TestChain]:
    """One of everything, and twelve jobs."""
    chain = await TestChain().start()
    await chain.open_shop()
    node = tx_pb2.MsgUpdateNodeMetadata(
        provider_address=PROVIDER.address,
        node_id="alpha.n1",
        cluster_id="HPC-1",
        region="eu",
        active=True,
        last_sequence_number=1,
    )
    assert (await chain.send(PROVIDER, node)).ok
    assert (await chain.send(ALICE, *[job() for _ in range(12)], gas_limit=10_000_000, fee=10**6)).ok
    usage = types_pb2.HPCUsageMetrics(wall_clock_seconds=60, cpu_core_seconds=120, nodes_used=1)
    done = [report("queued"), report("running"), report("completed", usage_metrics=usage)]
    assert (await chain.send(PROVIDER, *done)).ok
    dispute = tx_pb2.MsgFlagDispute(
        disputer_address=ALICE.address, job_id="JOB-1", dispute_type="usage", reason="too much"
    )
    assert (await chain.send(ALICE, dispute)).ok
    yield chain
    await chain.stop()


async def answered(chain: TestChain, queries: str, rpc: str, values: dict[str, Any]) -> Any:
    """By a second server over the same blocks, with other calls wired."""
    served = Devnet(rules=chain.devnet.rules, queries=queries)
    await served.start()
    served.blocks.state, served.blocks.height = chain.devnet.blocks.state, chain.devnet.blocks.height
    client = GrpcChain(CHAIN_ID, [f"127.0.0.1:{served.port}"], FakeClock())
    try:
        return (await client.ask(rpc, request(rpc, values))).message
    finally:
        await client.close()
        await served.stop()


@pytest.mark.parametrize("job_id", ["JOB-1", "JOB-2", "JOB-11", "JOB-12"])
async def test_a_decision_that_the_published_query_does_not_find(chain: TestChain, job_id: str) -> None:
    """Its own query by job reads a field that nothing stores: the decision is found in the store, by a
    handful of reads."""
    chain.devnet.blocks.rules = replace(chain.devnet.blocks.rules, compat="published")
    found: Any = (
        await chain.client.ask(
            "SchedulingDecisionByJob", request("SchedulingDecisionByJob", {"job_id": job_id})
        )
    ).message
    assert found.decision.job_id == job_id


@pytest.mark.parametrize("job_id", ["JOB-13", "JOB-0", "JOB-x", "", "JOB-99999999999999999999999"])
async def test_no_decision(chain: TestChain, job_id: str) -> None:
    """Of a job that is not there, or of no job."""
    with pytest.raises(NotFound):
        await chain.client.ask(
            "SchedulingDecisionByJob", request("SchedulingDecisionByJob", {"job_id": job_id})
        )


def test_all_of_them() -> None:
    assert set(QUESTIONS) == set(METHODS)
    assert len(METHODS) == 21


@pytest.mark.parametrize("rpc", QUESTIONS)
async def test_same_answer_whatever_is_wired(chain: TestChain, rpc: str) -> None:
    """By RPC, by the six calls of the published chain, or from the raw store alone."""
    wired = await answered(chain, "all", rpc, QUESTIONS[rpc])
    assert wired.ByteSize()
    assert await answered(chain, "none", rpc, QUESTIONS[rpc]) == wired
    assert await answered(chain, "published", rpc, QUESTIONS[rpc]) == wired


async def test_pages_lead_through_all(chain: TestChain) -> None:
    """Following the key from page to page finds each job once, in store order."""
    key, found = b"", []
    while True:
        page = await answered(chain, "none", "Jobs", {"pagination": {"limit": 5, "key": key}})
        found += [record.job_id for record in page.jobs]
        key = page.pagination.next_key
        if not key:
            break
    assert found == sorted(f"JOB-{number}" for number in range(1, 13))


@pytest.mark.parametrize("queries", ["none", "all"])
@pytest.mark.parametrize(
    ("rpc", "values"),
    [(rpc, values) for rpc, values in QUESTIONS.items() if any("_id" in name for name in values)],
)
async def test_not_there(chain: TestChain, queries: str, rpc: str, values: dict[str, Any]) -> None:
    """What does not exist is NotFound, or an empty list."""
    missing = {name: "X-99" if name.endswith("_id") else value for name, value in values.items()}
    field = METHODS[rpc].output_type.fields[0]
    if field.is_repeated:
        assert not getattr(await answered(chain, queries, rpc, missing), field.name)
    elif rpc != "SchedulingMetrics":
        with pytest.raises(NotFound):
            await answered(chain, queries, rpc, missing)


async def test_key_and_offset_together(chain: TestChain) -> None:
    with pytest.raises(Refused, match="either offset or key"):
        await answered(chain, "none", "Jobs", {"pagination": {"key": b"JOB-1", "offset": 1}})


async def test_a_bad_record_hides_no_other(chain: TestChain) -> None:
    """It is named beside the answer."""
    state = chain.devnet.blocks.state
    state.put(
        keyspace.HPC_STORE,
        keyspace.key(keyspace.OFFERING, "OFF-2"),
        codec.dumps({"offering_id": "OFF-2", "active": "yes"}),
    )
    ask = Ask(chain.client.query, chain.client.agreement.any.store)
    found = await ask.from_store("Offerings", request("Offerings", {}))
    assert [record.offering_id for record in found.message.offerings] == ["OFF-1"]  # type: ignore[attr-defined]
    (line,) = found.unreadable
    assert line.startswith("the record of OFF-2 cannot be read: HPCOffering.active")


async def test_sums_of_a_chain_that_keeps_none(chain: TestChain) -> None:
    """They are added up from the decisions for jobs of that queue; a queue without any has no record."""
    state = chain.devnet.blocks.state
    stored = (await answered(chain, "all", "SchedulingMetrics", QUESTIONS["SchedulingMetrics"])).metrics
    for key, _ in list(state.scan(keyspace.HPC_STORE, keyspace.SCHEDULING_METRICS)):
        state.delete(keyspace.HPC_STORE, key)
    added = (await answered(chain, "none", "SchedulingMetrics", QUESTIONS["SchedulingMetrics"])).metrics
    assert (added.total_decisions, added.avg_combined_score) == (
        stored.total_decisions,
        stored.avg_combined_score,
    )
    with pytest.raises(NotFound):
        await answered(chain, "none", "SchedulingMetrics", {"cluster_id": "HPC-1", "queue_name": "other"})


async def test_reports_of_an_ended_job_are_not_looked_for_for_ever(
    chain: TestChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came after its end is not read: the chain takes no report then."""
    for number in range(2, 9):
        chain.block(seconds=2.0)
        assert (await chain.send(PROVIDER, report("queued", f"JOB-{number}"))).ok
    monkeypatch.setattr(broadcast, "PAGE", 1)
    pages = 0
    asked = chain.client.txs._page

    async def counted(query: str, page: int, limit: int) -> Any:
        nonlocal pages
        pages += 1
        return await asked(query, page, limit)

    monkeypatch.setattr(chain.client.txs, "_page", counted)
    assert len(await chain.client.reports_of("JOB-1")) == 1
    assert pages == 2
    assert len(await chain.client.reports_of("JOB-8")) == 1
