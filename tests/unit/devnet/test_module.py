"""The HPC module's rules, seen through signed transactions."""

from typing import Any

import pytest

from provider_daemon.chain import codec, keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.devnet import bank
from tests.fakes.chain import ALICE, BOB, PROVIDER, TestChain, job, report

pytestmark = pytest.mark.asyncio

HOUR = types_pb2.HPCUsageMetrics(
    wall_clock_seconds=3600, cpu_core_seconds=7200, memory_gb_seconds=14400, node_hours=1, nodes_used=1
)


def heartbeat(node_id: str = "alpha.n1", **changes: object) -> tx_pb2.MsgUpdateNodeMetadata:
    values: dict[str, object] = {
        "provider_address": PROVIDER.address,
        "node_id": node_id,
        "cluster_id": "HPC-1",
        "region": "eu",
        "active": True,
        "resources": types_pb2.NodeResources(cpu_cores=16, memory_gb=64, gpus=2),
        **changes,
    }
    return tx_pb2.MsgUpdateNodeMetadata(**values)  # type: ignore[arg-type]


async def test_pending_cluster_takes_no_job(chain: TestChain) -> None:
    """A registered cluster is pending; jobs come in once its owner made it active (2101 before)."""
    register = tx_pb2.MsgRegisterCluster(
        provider_address=PROVIDER.address, name="a", region="eu", total_nodes=1
    )
    create = tx_pb2.MsgCreateOffering(
        provider_address=PROVIDER.address,
        cluster_id="HPC-1",
        name="o",
        queue_options=[types_pb2.QueueOption(partition_name="standard")],
        max_runtime_seconds=600,
    )
    assert (await chain.send(PROVIDER, register, create)).ok
    assert (await chain.send(ALICE, job())).code == 2101


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"offering_id": "OFF-9"}, 2104),
        ({"max_runtime_seconds": 7200}, 2119),
        ({"max_runtime_seconds": 59}, 4),
        ({"queue_name": ""}, 4),
        ({"resources": types_pb2.JobResources(nodes=0)}, 4),
        ({"workload_spec": types_pb2.JobWorkloadSpec(command="x")}, 4),
    ],
)
async def test_refused_jobs(chain: TestChain, changes: dict[str, Any], code: int) -> None:
    """What the chain itself checks of a job."""
    await chain.open_shop()
    assert (await chain.send(ALICE, job(**changes))).code == code


@pytest.mark.parametrize(
    "changes",
    [
        {"queue_name": "nowhere"},
        {"resources": types_pb2.JobResources(nodes=99)},
        {"max_price": []},
        {"workload_spec": types_pb2.JobWorkloadSpec(is_preconfigured=True, preconfigured_workload_id="x")},
    ],
)
async def test_accepted_jobs(chain: TestChain, changes: dict[str, Any]) -> None:
    """What it does not check is the daemon's to find out."""
    await chain.open_shop()
    assert (await chain.send(ALICE, job(**changes))).ok


async def test_only_the_provider_reports(chain: TestChain) -> None:
    """Somebody else's report is 2118, one about no job 2106, one without a state 7."""
    await chain.open_shop()
    await chain.send(ALICE, job())
    foreign = report("queued")
    foreign.provider_address = BOB.address
    assert (await chain.send(BOB, foreign)).code == 2118
    assert (await chain.send(PROVIDER, report("queued", "JOB-7"))).code == 2106
    assert (await chain.send(PROVIDER, report("unspecified"))).code == 7


async def test_settlement_pays_out_what_was_escrowed(chain: TestChain) -> None:
    """An hour on 2 cores and 4 GB costs 90,000: 87,750 for the provider, 2,250 for the platform, the rest
    goes back."""
    await chain.open_shop()
    before = await chain.client.balance(ALICE.address, "uvirt")
    await chain.send(ALICE, job())
    assert await chain.client.balance(ALICE.address, "uvirt") == before - 1_000_000
    provider = await chain.client.balance(PROVIDER.address, "uvirt")
    assert (
        await chain.send(
            PROVIDER, report("queued"), report("running"), report("completed", usage_metrics=HOUR)
        )
    ).ok
    assert await chain.client.balance(ALICE.address, "uvirt") == before - 90_000
    assert await chain.client.balance(PROVIDER.address, "uvirt") == provider + 87_750
    assert await chain.client.balance(bank.PLATFORM_ADDRESS, "uvirt") == 2_250
    assert await chain.client.balance(bank.ESCROW_ADDRESS, "uvirt") == 0
    accounting = await chain.client.query.job_accounting("JOB-1")
    assert accounting is not None
    assert accounting.total_cost[0].amount == "90000"


async def test_a_job_that_never_ran_is_refunded_whole(chain: TestChain) -> None:
    """A failed report without usage costs the customer nothing."""
    await chain.open_shop()
    before = await chain.client.balance(ALICE.address, "uvirt")
    await chain.send(ALICE, job())
    await chain.send(PROVIDER, report("failed", status_message="no such queue"))
    assert await chain.client.balance(ALICE.address, "uvirt") == before


async def test_cancel_while_running_is_billed_on_what_was_asked_for(chain: TestChain) -> None:
    """The chain takes no report after a customer's cancel, so it bills the request from started_at to the
    cancel; nobody pays twice."""
    await chain.open_shop()
    before = await chain.client.balance(ALICE.address, "uvirt")
    await chain.send(ALICE, job())
    await chain.send(PROVIDER, report("queued"), report("running"))
    cancel = tx_pb2.MsgCancelJob(requester_address=ALICE.address, job_id="JOB-1", reason="enough")
    assert (await chain.send(ALICE, cancel)).ok
    assert (await chain.send(PROVIDER, report("completed"))).code == 2107
    assert await chain.client.balance(ALICE.address, "uvirt") == before - 10_000
    assert await chain.client.cancelled_since(1) == frozenset({"JOB-1"})


async def test_the_chain_ends_overdue_jobs(chain: TestChain) -> None:
    """A running job past its limit becomes timeout by itself; a pending one never does."""
    await chain.open_shop()
    await chain.send(ALICE, job(), job())
    await chain.send(PROVIDER, report("queued"), report("running"))
    chain.block(seconds=602)
    states = [record.state for job_id in ("JOB-1", "JOB-2") if (record := await chain.client.job(job_id))]
    assert states == ["timeout", "pending"]


async def test_nodes_age(chain: TestChain) -> None:
    """Stale after 120 s, offline after 300 s with the whole cluster, deregistered after an hour, and then no
    heartbeat helps (2128)."""
    await chain.open_shop()
    assert (await chain.send(PROVIDER, heartbeat())).ok
    cluster = await chain.client.cluster("HPC-1")
    assert cluster is not None
    assert cluster.available_nodes == 1
    for seconds, word in ((121, "stale"), (200, "offline"), (3400, "deregistered")):
        chain.block(seconds=seconds)
        node = await chain.client.query.node("alpha.n1")
        assert node is not None
        assert types_pb2.NodeState.Name(node.state) == f"NODE_STATE_{word.upper()}"
    cluster = await chain.client.cluster("HPC-1")
    assert cluster is not None
    assert (cluster.state, cluster.available_nodes) == ("offline", 0)
    assert (await chain.send(PROVIDER, heartbeat())).code == 2128


async def test_heartbeat_rules(chain: TestChain) -> None:
    """A sequence number must grow (2127), inactive needs a state (2109), and a wrong transition is 2109."""
    await chain.open_shop()
    assert (await chain.send(PROVIDER, heartbeat(last_sequence_number=5))).ok
    assert (await chain.send(PROVIDER, heartbeat(last_sequence_number=5))).code == 2127
    assert (await chain.send(PROVIDER, heartbeat(active=False))).code == 2109
    assert (await chain.send(PROVIDER, heartbeat(state=types_pb2.NODE_STATE_PENDING))).code == 2109
    assert (await chain.send(PROVIDER, heartbeat())).ok


async def test_disputes(chain: TestChain) -> None:
    """Only governance resolves them."""
    await chain.open_shop()
    await chain.send(ALICE, job())
    flag = tx_pb2.MsgFlagDispute(
        disputer_address=ALICE.address, job_id="JOB-1", dispute_type="usage", reason="wrong usage"
    )
    assert (await chain.send(ALICE, flag)).ok
    assert chain.devnet.blocks.state.get(keyspace.HPC_STORE, keyspace.key(keyspace.DISPUTE, "hpc-dispute-2"))
    resolve = tx_pb2.MsgResolveDispute(
        resolver_address=ALICE.address, dispute_id="hpc-dispute-2", status=types_pb2.DISPUTE_STATUS_RESOLVED
    )
    assert (await chain.send(ALICE, resolve)).code == 2118


async def test_stored_job_looks_as_on_the_chain(chain: TestChain) -> None:
    """Empty fields are left out and times are trimmed, as in the samples."""
    await chain.open_shop()
    await chain.send(ALICE, job(max_price=[]))
    stored = codec.loads(
        chain.devnet.blocks.state.get(keyspace.HPC_STORE, keyspace.key(keyspace.JOB, "JOB-1"))
    )
    assert list(stored) == [
        "job_id", "offering_id", "cluster_id", "provider_address", "customer_address", "state", "queue_name",
        "workload_spec",
        "resources", "max_runtime_seconds", "agreed_price", "scheduling_decision_id", "created_at",
        "block_height",
    ]  # fmt: skip
    assert stored["agreed_price"] == []


async def test_resumes(tmp_path: object) -> None:
    """The one file holds everything: a devnet that is started again goes on at the next height with the same
    records and transactions."""
    first = await TestChain(path=f"{tmp_path}/chain.sqlite").start()
    await first.open_shop()
    sent = await first.send(ALICE, job())
    height = first.devnet.blocks.height
    await first.stop()
    second = await TestChain(path=f"{tmp_path}/chain.sqlite", clock=first.clock).start()
    assert second.devnet.blocks.height == height + 1
    assert await second.client.job_counter() == 2
    assert await second.client.find(sent.tx_hash) == sent
    await second.stop()


@pytest.mark.parametrize("queries", ["none", "published", "all"])
async def test_records_by_rpc_or_store(queries: str) -> None:
    """A client reads the same records whichever Query calls the chain answers."""
    chain = await TestChain(queries=queries).start()
    await chain.open_shop()
    await chain.send(ALICE, job(), job())
    record = await chain.client.job("JOB-2")
    assert record is not None
    assert (record.spec.customer, record.spec.resources.cpus_per_node) == (ALICE.address, 2)
    assert await chain.client.job("JOB-3") is None
    assert {
        found.job_id async for found in chain.client.query.jobs() if isinstance(found, types_pb2.HPCJob)
    } == {"JOB-1", "JOB-2"}
    await chain.stop()
