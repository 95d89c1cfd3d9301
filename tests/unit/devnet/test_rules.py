"""Rules of clusters, offerings, disputes and parameters, one by one."""

from typing import Any

import pytest
from google.protobuf.message import Message

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.cosmos.bank.v1beta1.bank_pb2 import MsgSend
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2 as t
from provider_daemon.devnet import bank
from provider_daemon.devnet.context import ChainRules
from tests.fakes.chain import ALICE, BOB, job, report
from tests.unit.devnet.pure import Module
from tests.unit.devnet.rules import P, create, flag, heartbeat, refused, register, resolve, update


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
    for message in (
        update(provider_address=BOB.address),
        create(provider_address=BOB.address),
        heartbeat(provider_address=BOB.address),
    ):
        assert refused(module, message) == ("hpc", 2118)
    assert refused(module, update(cluster_id="HPC-9")) == ("hpc", 2101)


def test_update_leaves_empty_fields_alone(module: Module) -> None:
    """Only what is named changes."""
    module.do(update(description="new"))
    record = module.record(keyspace.CLUSTER, "HPC-1")
    assert (record["description"], record["name"], record["total_nodes"], record["state"]) == (
        "new",
        "alpha",
        4,
        "pending",
    )


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
    assert (record["status"], record["resolution"], record["resolver_address"]) == (
        "resolved",
        "paid back",
        bank.GOVERNANCE,
    )
    assert refused(shop, resolve()) == ("hpc", 2114)
    assert refused(shop, flag(job_id="JOB-9")) == ("hpc", 2106)


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
    governed = Module(ChainRules(authority=BOB.address))
    governed.do(tx_pb2.MsgUpdateParams(authority=BOB.address, params=params))
    assert refused(governed, tx_pb2.MsgUpdateParams(authority=bank.GOVERNANCE, params=params)) == (
        "hpc",
        2118,
    )


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
        (
            MsgSend(from_address=P, to_address=BOB.address, amount=[Coin(denom="uve", amount="-1")]),
            ("sdk", 10),
        ),
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
    assert (
        [partition["name"] for partition in record["partitions"]],
        record["cluster_metadata"]["total_gpus"],
    ) == (["c"], 8)


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
            provider_address=P,
            pricing=t.HPCPricing(currency="uvirt"),
            preconfigured_workloads=[workload],
            max_runtime_seconds=60,
            **values,
        )
    )
    record = shop.record(keyspace.OFFERING, "OFF-1")
    assert (record["name"], record["queue_options"][0]["partition_name"], record["pricing"]["currency"]) == (
        "new",
        "long",
        "uvirt",
    )
    assert (record["preconfigured_workloads"][0]["workload_id"], record["max_runtime_seconds"]) == ("mpi", 60)
