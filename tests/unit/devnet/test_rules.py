"""Rules of clusters, offerings, jobs, nodes and disputes, one by one."""

from typing import Any

import pytest
from google.protobuf.message import Message

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.cosmos.bank.v1beta1.bank_pb2 import MsgSend
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2 as t
from provider_daemon.devnet import bank, nodes
from provider_daemon.devnet.context import Rules
from provider_daemon.devnet.failures import ChainError
from provider_daemon.job.state import TERMINAL, TRANSITIONS, State, route
from tests.fakes.chain import ALICE, BOB, PROVIDER, job, report
from tests.unit.devnet.pure import Module

P = PROVIDER.address
QUEUE = t.QueueOption(partition_name="standard")


@pytest.fixture
def module() -> Module:
    """HPC-1 of the provider, pending."""
    made = Module()
    made.do(register())
    return made


@pytest.fixture
def shop(module: Module) -> Module:
    """The same, active, with OFF-1."""
    module.do(update(state=t.CLUSTER_STATE_ACTIVE), create())
    return module


def register(**changes: Any) -> tx_pb2.MsgRegisterCluster:
    return tx_pb2.MsgRegisterCluster(**{"provider_address": P, "name": "alpha", "region": "eu", "total_nodes": 4, **changes})


def update(**changes: Any) -> tx_pb2.MsgUpdateCluster:
    return tx_pb2.MsgUpdateCluster(**{"provider_address": P, "cluster_id": "HPC-1", **changes})


def create(**changes: Any) -> tx_pb2.MsgCreateOffering:
    values = {"provider_address": P, "cluster_id": "HPC-1", "name": "std", "queue_options": [QUEUE], "max_runtime_seconds": 3600}
    return tx_pb2.MsgCreateOffering(**{**values, **changes})


def heartbeat(**changes: Any) -> tx_pb2.MsgUpdateNodeMetadata:
    values = {"provider_address": P, "node_id": "alpha.n1", "cluster_id": "HPC-1", "region": "eu", "active": True}
    return tx_pb2.MsgUpdateNodeMetadata(**{**values, **changes})


def refused(module: Module, message: Message) -> tuple[str, int]:
    with pytest.raises(ChainError) as caught:
        module.do(message)
    return caught.value.codespace, caught.value.code


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (register(provider_address="cosmos1xyz"), 1),
        (register(name=""), 2),
        (register(region=""), 2),
        (register(total_nodes=0), 2),
        (update(cluster_id=""), 2),
        (create(queue_options=[]), 3),
        (create(max_runtime_seconds=59), 3),
        (create(required_identity_threshold=101), 3),
        (job(queue_name=""), 4),
        (job(resources=t.JobResources()), 4),
        (job(workload_spec=t.JobWorkloadSpec(command="x")), 4),
        (tx_pb2.MsgCancelJob(requester_address=P), 4),
        (heartbeat(node_id=""), 5),
        (heartbeat(region=""), 5),
        (tx_pb2.MsgFlagDispute(disputer_address=P), 6),
        (tx_pb2.MsgResolveDispute(resolver_address=P), 6),
        (report("unspecified"), 7),
    ],
)
def test_basic_validation(shop: Module, message: Message, code: int) -> None:
    """Codes 1 to 7 of the module's codespace, by subject."""
    assert refused(shop, message) == ("hpc", code)


# --- clusters and offerings ---


def test_cluster_is_pending_until_its_owner_activates_it(module: Module) -> None:
    """An offering can be made meanwhile, a job cannot (2101)."""
    module.do(create())
    assert refused(module, job()) == ("hpc", 2101)
    module.do(update(state=t.CLUSTER_STATE_ACTIVE), job())


def test_only_the_owner_changes_a_cluster(module: Module) -> None:
    """2118 for anybody else, 2101 when there is none."""
    for message in (update(provider_address=BOB.address), create(provider_address=BOB.address), heartbeat(provider_address=BOB.address)):
        assert refused(module, message) == ("hpc", 2118)
    assert refused(module, update(cluster_id="HPC-9")) == ("hpc", 2101)


def test_update_leaves_empty_fields_alone(module: Module) -> None:
    """Only what is named changes."""
    module.do(update(description="new"))
    record = module.record(keyspace.CLUSTER, "HPC-1")
    assert (record["description"], record["name"], record["total_nodes"], record["state"]) == ("new", "alpha", 4, "pending")


def test_deregistering_is_undone_by_active(shop: Module) -> None:
    """As the chain has it."""
    shop.do(tx_pb2.MsgDeregisterCluster(provider_address=P, cluster_id="HPC-1"))
    assert refused(shop, job()) == ("hpc", 2101)
    shop.do(update(state=t.CLUSTER_STATE_ACTIVE), job())


def test_updating_an_offering_without_active_deactivates_it(shop: Module) -> None:
    """`active` is always taken from the message; then jobs get 2103."""
    shop.do(tx_pb2.MsgUpdateOffering(provider_address=P, offering_id="OFF-1", description="new"))
    assert refused(shop, job()) == ("hpc", 2103)
    assert refused(shop, tx_pb2.MsgUpdateOffering(provider_address=P, offering_id="OFF-9")) == ("hpc", 2104)


# --- jobs ---


@pytest.mark.parametrize("before", list(State))
@pytest.mark.parametrize("after", list(State))
def test_transitions(shop: Module, before: State, after: State) -> None:
    """Exactly those of the table; every other report, the same state again included, is 2107."""
    shop.do(job(), *(report(step) for step in route(State.PENDING, before)))
    if after in TRANSITIONS[before]:
        shop.do(report(after))
        assert shop.record(keyspace.JOB, "JOB-1")["state"] == after
    else:
        assert refused(shop, report(after)) == ("hpc", 2107)


@pytest.mark.parametrize("state", [State.PENDING, State.QUEUED, State.RUNNING, *sorted(TERMINAL)])
def test_cancel(shop: Module, state: State) -> None:
    """Customer and provider can, at any time but after the end; a stranger cannot (2118)."""
    shop.do(job(), *(report(step) for step in route(State.PENDING, state)))
    assert refused(shop, tx_pb2.MsgCancelJob(requester_address=BOB.address, job_id="JOB-1")) == ("hpc", 2118)
    cancel = tx_pb2.MsgCancelJob(requester_address=ALICE.address, job_id="JOB-1")
    if state in TERMINAL:
        assert refused(shop, cancel) == ("hpc", 2107)
        return
    shop.do(cancel)
    assert shop.record(keyspace.JOB, "JOB-1")["state"] == "cancelled"
    assert refused(shop, report("completed")) == ("hpc", 2107)


def test_job_and_counter_stay_as_they_were_when_a_message_fails(shop: Module) -> None:
    """All or nothing: a good message before a bad one leaves no trace."""
    with pytest.raises(ChainError):
        shop.do(job(), job(offering_id="OFF-9"))
    assert not shop.raw(keyspace.JOB, "JOB-1")
    shop.do(job())
    assert shop.raw(keyspace.JOB, "JOB-1")


def test_time_limit_is_by_the_chains_own_start(shop: Module) -> None:
    """Exactly at the limit a job still runs; a moment later it is timed out, and a report comes too late."""
    shop.do(job(), report("queued"))
    shop.later(10_000).do(heartbeat())
    shop.do(report("running"))
    shop.later(600)
    assert shop.record(keyspace.JOB, "JOB-1")["state"] == "running"
    shop.later(0.001)
    assert shop.record(keyspace.JOB, "JOB-1")["state"] == "timeout"
    assert refused(shop, report("timeout")) == ("hpc", 2107)


# --- nodes ---


@pytest.mark.parametrize("before", sorted(nodes.TRANSITIONS))
@pytest.mark.parametrize("after", sorted(nodes.TRANSITIONS))
def test_node_transitions(shop: Module, before: Any, after: Any) -> None:
    """Exactly those of the table (2109), and nothing after deregistered (2128)."""
    shop.do(heartbeat(state=before))
    if before == t.NODE_STATE_DEREGISTERED:
        assert refused(shop, heartbeat(state=after)) == ("hpc", 2128)
    elif after == before or after in nodes.TRANSITIONS[before]:
        shop.do(heartbeat(state=after))
    else:
        assert refused(shop, heartbeat(state=after)) == ("hpc", 2109)


def test_sequence_numbers(shop: Module) -> None:
    """Above 0 they must grow (2127); 0 starts again."""
    shop.do(heartbeat(last_sequence_number=5))
    assert refused(shop, heartbeat(last_sequence_number=5)) == ("hpc", 2127)
    shop.do(heartbeat(), heartbeat(last_sequence_number=1))


def test_a_known_inactive_node_needs_a_state(shop: Module) -> None:
    """2109; an unknown one becomes pending."""
    shop.do(heartbeat(active=False))
    assert shop.record(keyspace.NODE, "alpha.n1")["state"] == "pending"
    assert refused(shop, heartbeat(active=False)) == ("hpc", 2109)
    shop.do(heartbeat(active=False, state=t.NODE_STATE_OFFLINE))


def test_node_ids_are_global(shop: Module) -> None:
    """Another provider's heartbeat takes the record over."""
    shop.do(heartbeat(node_id="n1"), register(provider_address=BOB.address))
    shop.do(heartbeat(node_id="n1", provider_address=BOB.address, cluster_id="HPC-2"))
    assert shop.record(keyspace.NODE, "n1")["provider_address"] == BOB.address


def test_the_whole_record_is_replaced(shop: Module) -> None:
    """What a later heartbeat leaves out is gone; when it joined stays."""
    shop.do(heartbeat(datacenter="dc1", agent_version="1"))
    joined = shop.record(keyspace.NODE, "alpha.n1")["joined_at"]
    shop.later(10).do(heartbeat())
    record = shop.record(keyspace.NODE, "alpha.n1")
    assert (record["datacenter"], record.get("agent_version"), record["joined_at"]) == ("", None, joined)


def test_ageing(shop: Module) -> None:
    """Stale (still active:true) after 120 s, offline after 300 s, deregistered after an hour; the cluster's sums follow."""
    shop.do(heartbeat(resources=t.NodeResources(cpu_cores=64, memory_gb=256, gpus=2, storage_gb=500)))
    shop.later(120)
    record = shop.record(keyspace.CLUSTER, "HPC-1")
    assert (record["available_nodes"], record["cluster_metadata"]["total_cpu_cores"], record["total_nodes"]) == (1, 64, 4)
    seen = [(shop.later(seconds).record(keyspace.NODE, "alpha.n1")) for seconds in (1, 180, 3300)]
    assert [(node["state"], node["active"]) for node in seen] == [("stale", True), ("offline", False), ("deregistered", False)]
    assert [(node["health_status"], node["total_missed_heartbeats"]) for node in seen] == [("degraded", 1), ("offline", 2), ("offline", 2)]
    record = shop.record(keyspace.CLUSTER, "HPC-1")
    assert (record["available_nodes"], record["cluster_metadata"]["total_cpu_cores"], record["total_nodes"]) == (0, 0, 4)


def test_a_long_halt_takes_two_blocks(shop: Module) -> None:
    """Two hours without a block: offline first, deregistered by the next."""
    shop.do(heartbeat())
    assert shop.later(7200).record(keyspace.NODE, "alpha.n1")["state"] == "offline"
    assert shop.later(1).record(keyspace.NODE, "alpha.n1")["state"] == "deregistered"


def test_a_stale_node_comes_back(shop: Module) -> None:
    """With its next heartbeat."""
    shop.do(heartbeat())
    shop.later(150).do(heartbeat())
    assert shop.record(keyspace.NODE, "alpha.n1")["state"] == "active"


def test_after_a_halt_everything_is_offline(shop: Module) -> None:
    """400 s without a block: node and cluster are offline, and the owner must send both ACTIVE again."""
    shop.do(heartbeat())
    shop.later(400)
    assert shop.record(keyspace.NODE, "alpha.n1")["state"] == "offline"
    assert shop.record(keyspace.CLUSTER, "HPC-1")["state"] == "offline"
    assert refused(shop, job()) == ("hpc", 2101)
    shop.do(heartbeat(), update(state=t.CLUSTER_STATE_ACTIVE), job())


def test_one_living_node_keeps_the_cluster(shop: Module) -> None:
    """Only when every node is silent is the cluster offline."""
    shop.do(heartbeat(), heartbeat(node_id="alpha.n2"))
    shop.later(200).do(heartbeat())
    shop.later(200)
    assert shop.record(keyspace.NODE, "alpha.n2")["state"] == "offline"
    assert shop.record(keyspace.CLUSTER, "HPC-1")["state"] == "active"


# --- disputes and governance ---


def test_dispute_is_resolved_by_governance_under_its_stored_id(shop: Module) -> None:
    """Once, and by nobody else."""
    shop.do(job())
    assert refused(shop, flag(disputer_address=BOB.address)) == ("hpc", 2118)
    shop.do(flag())
    assert refused(shop, resolve(resolver_address=ALICE.address)) == ("hpc", 2118)
    assert refused(shop, resolve(dispute_id="DSP-1")) == ("hpc", 2115)
    shop.do(resolve())
    record = shop.record(keyspace.DISPUTE, "hpc-dispute-2")
    assert (record["status"], record["resolution"], record["resolver_address"]) == ("resolved", "paid back", bank.GOVERNANCE)
    assert refused(shop, resolve()) == ("hpc", 2114)
    assert refused(shop, flag(job_id="JOB-9")) == ("hpc", 2106)


def flag(**changes: Any) -> tx_pb2.MsgFlagDispute:
    values = {"disputer_address": ALICE.address, "job_id": "JOB-1", "dispute_type": "usage", "reason": "wrong usage"}
    return tx_pb2.MsgFlagDispute(**{**values, **changes})


def resolve(**changes: Any) -> tx_pb2.MsgResolveDispute:
    values = {"resolver_address": bank.GOVERNANCE, "dispute_id": "hpc-dispute-2", "status": t.DISPUTE_STATUS_RESOLVED}
    return tx_pb2.MsgResolveDispute(**{**values, "resolution": "paid back", **changes})


def test_parameters_are_governances(shop: Module) -> None:
    """A shorter node time-out holds from the next block on."""
    params = shop.context().params()
    params.node_heartbeat_timeout = 10
    assert refused(shop, tx_pb2.MsgUpdateParams(authority=P, params=params)) == ("hpc", 2118)
    shop.do(heartbeat(), tx_pb2.MsgUpdateParams(authority=bank.GOVERNANCE, params=params))
    assert shop.later(11).record(keyspace.NODE, "alpha.n1")["state"] == "stale"


def test_an_unresolved_dispute_is_rejected_after_the_period(shop: Module) -> None:
    """A week by default; a resolved one stays as it is."""
    shop.do(job(), flag(), flag(reason="again"), resolve())
    shop.later(604_800)
    assert shop.record(keyspace.DISPUTE, "hpc-dispute-4")["status"] == "pending"
    shop.later(1)
    record = shop.record(keyspace.DISPUTE, "hpc-dispute-4")
    assert (record["status"], record["resolution"]) == ("rejected", "not resolved within 604800 s")
    assert shop.record(keyspace.DISPUTE, "hpc-dispute-2")["status"] == "resolved"
    assert refused(shop, resolve(dispute_id="hpc-dispute-4")) == ("hpc", 2114)


def test_a_governing_key(module: Module) -> None:
    """The configured authority's, and then the gov module's account no more."""
    params = module.context().params()
    governed = Module(Rules(authority=BOB.address))
    governed.do(tx_pb2.MsgUpdateParams(authority=BOB.address, params=params))
    assert refused(governed, tx_pb2.MsgUpdateParams(authority=bank.GOVERNANCE, params=params)) == ("hpc", 2118)


@pytest.mark.parametrize(
    "changes",
    [
        {"latency_weight_factor": ""},
        {"capacity_weight_factor": "0.4"},
        {"platform_fee_rate": "50001"},
        {"node_heartbeat_timeout": 0},
        {"max_job_duration_seconds": 59},
        {"default_identity_threshold": 101},
        {"max_latency_ms": -1},
    ],
)
def test_parameters_that_cannot_be(shop: Module, changes: dict[str, Any]) -> None:
    """Refused, for the next block would stand still over them."""
    params = shop.context().params()
    for name, value in changes.items():
        setattr(params, name, value)
    assert refused(shop, tx_pb2.MsgUpdateParams(authority=bank.GOVERNANCE, params=params)) == ("sdk", 18)


@pytest.mark.parametrize(
    ("message", "refusal"),
    [
        (job(max_price=[Coin(denom="uvirt", amount="-5")]), ("sdk", 10)),
        (job(max_price=[Coin(denom="uvirt", amount="much")]), ("sdk", 10)),
        (job(max_price=[Coin(denom="!", amount="5")]), ("sdk", 10)),
        (MsgSend(from_address=P, to_address=BOB.address, amount=[Coin(denom="uve", amount="-1")]), ("sdk", 10)),
        (job(resources=t.JobResources(nodes=1, cpu_cores_per_node=-4)), ("hpc", 4)),
        (report("completed", usage_metrics=t.HPCUsageMetrics(cpu_core_seconds=-1)), ("hpc", 7)),
        (update(total_nodes=-1), ("hpc", 2)),
        (update(state=99), ("sdk", 18)),
        (heartbeat(health=t.NodeHealth(status=99)), ("sdk", 18)),  # type: ignore[arg-type]
    ],
)
def test_what_no_honest_client_sends(shop: Module, message: Message, refusal: tuple[str, int]) -> None:
    """Amounts that are none, less than nothing, and words that do not exist."""
    assert refused(shop, message) == refusal


def test_update_replaces_lists_and_metadata_whole(shop: Module) -> None:
    """What is named takes the place of what was there."""
    shop.do(update(partitions=[t.Partition(name="a"), t.Partition(name="b")]))
    shop.do(update(partitions=[t.Partition(name="c")], cluster_metadata=t.ClusterMetadata(total_gpus=8)))
    record = shop.record(keyspace.CLUSTER, "HPC-1")
    assert ([partition["name"] for partition in record["partitions"]], record["cluster_metadata"]["total_gpus"]) == (["c"], 8)


def test_updating_an_offering(shop: Module) -> None:
    """Lists, pricing and words that are named; only by its owner (2118)."""
    values: dict[str, Any] = {
        "offering_id": "OFF-1",
        "active": True,
        "name": "new",
        "queue_options": [t.QueueOption(partition_name="long")],
    }
    assert refused(shop, tx_pb2.MsgUpdateOffering(provider_address=BOB.address, **values)) == ("hpc", 2118)
    workload = t.PreconfiguredWorkload(workload_id="mpi")
    shop.do(
        tx_pb2.MsgUpdateOffering(
            provider_address=P, pricing=t.HPCPricing(currency="uvirt"), preconfigured_workloads=[workload], max_runtime_seconds=60, **values
        )
    )
    record = shop.record(keyspace.OFFERING, "OFF-1")
    assert (record["name"], record["queue_options"][0]["partition_name"], record["pricing"]["currency"]) == ("new", "long", "uvirt")
    assert (record["preconfigured_workloads"][0]["workload_id"], record["max_runtime_seconds"]) == ("mpi", 60)


def test_job_durations_are_parameters(shop: Module) -> None:
    """Below the least 2105, above the most 2119."""
    params = shop.context().params()
    params.min_job_duration_seconds, params.max_job_duration_seconds = 120, 600
    shop.do(tx_pb2.MsgUpdateParams(authority=bank.GOVERNANCE, params=params))
    assert refused(shop, job(max_runtime_seconds=119)) == ("hpc", 2105)
    assert refused(shop, job(max_runtime_seconds=601)) == ("hpc", 2119)
    shop.do(job(max_runtime_seconds=120))
