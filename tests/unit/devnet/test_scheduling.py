"""The decision that is recorded with a job."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2 as t
from provider_daemon.devnet import bank, genesis, scoring, sums, tenants, waiting
from tests.fakes.chain import ALICE, PROVIDER, job, report
from tests.unit.devnet.pure import Module

WEIGHTS = scoring.Weights(latency=600_000, capacity=400_000)


def cluster(
    name: str = "alpha",
    nodes: int = 8,
    state: t.ClusterState.ValueType = t.CLUSTER_STATE_ACTIVE,
    **changes: Any,
) -> t.HPCCluster:
    return t.HPCCluster(cluster_id=name, total_nodes=nodes, available_nodes=nodes, state=state, **changes)


def wanted(nodes: int = 1, queue: str = "standard", runtime: int = 600) -> t.HPCJob:
    return t.HPCJob(queue_name=queue, resources=t.JobResources(nodes=nodes), max_runtime_seconds=runtime)


def offer(
    of: t.HPCCluster, latency: int = 0, held: tenants.Tally | None = None, asked: t.HPCJob | None = None
) -> scoring.Offer:
    return scoring.Offer(
        of, latency, tenants.quotas(held or tenants.Tally(), of, (asked or wanted()).resources)
    )


def score(*offers: scoring.Offer, asked: t.HPCJob | None = None, age: int = 0) -> list[t.ClusterCandidate]:
    return scoring.candidates(asked or wanted(), offers, WEIGHTS, age)


def test_latency_and_capacity() -> None:
    """(max - own) / max, and available / max, of a million."""
    near, far = score(offer(cluster("near", 4), 10), offer(cluster("far", 8), 40))
    assert (near.latency_score, near.capacity_score) == ("750000", "500000")
    assert (far.latency_score, far.capacity_score) == ("0", "1000000")


def test_combined_is_the_mean_of_base_priority_and_fair_share() -> None:
    """0.6 latency + 0.4 capacity; 0.4 age + 0.3 size + 0.3 partition; 1 - the highest of used / quota."""
    partitions = [t.Partition(name="standard", priority=500)]
    asked = wanted(nodes=2)
    held = tenants.Tally(running=3)
    (found,) = score(offer(cluster(partitions=partitions), held=held, asked=asked), asked=asked, age=1800)
    assert (found.age_score, found.job_size_score, found.partition_score) == ("500000", "750000", "500000")
    assert found.priority_score == str(200_000 + 225_000 + 150_000)
    assert found.fair_share_score == "750000"
    assert found.combined_score == str((1_000_000 + 575_000 + 750_000) // 3)


@pytest.mark.parametrize(
    ("of", "asked", "reason"),
    [
        (cluster(state=t.CLUSTER_STATE_PENDING), wanted(), "not active"),
        (
            cluster(partitions=[t.Partition(name="standard", max_nodes=1)]),
            wanted(nodes=2),
            "over the queue's nodes",
        ),
        (
            cluster(partitions=[t.Partition(name="standard", max_runtime=500)]),
            wanted(),
            "over the queue's run time",
        ),
        (cluster(), wanted(nodes=9), "too few available nodes"),
        (cluster(), wanted(nodes=5), "over the tenant's quota: nodes"),
    ],
)
def test_not_eligible(of: t.HPCCluster, asked: t.HPCJob, reason: str) -> None:
    """Each with its reason; half of a cluster is the most that one tenant gets."""
    (found,) = score(offer(of, asked=asked), asked=asked)
    assert (found.eligible, found.ineligibility_reason) == (False, reason)


@pytest.mark.parametrize(
    ("running", "burst", "eligible"),
    [(11, False, True), (12, True, True), (17, True, True), (18, False, False)],
)
def test_running_quota(running: int, burst: bool, eligible: bool) -> None:
    """Twelve jobs, and six more in a burst."""
    (found,) = score(offer(cluster(), held=tenants.Tally(running=running)))
    assert (found.quota_burst_used, found.eligible) == (burst, eligible)


# --- recorded with a submission ---


def module(*latencies: int) -> Module:
    """One active cluster for each latency, with one active node that reports it."""
    made = Module()
    for number, latency in enumerate(latencies, start=1):
        made.do(
            tx_pb2.MsgRegisterCluster(provider_address=PROVIDER.address, name=f"c{number}", region="eu",
            total_nodes=1),
            tx_pb2.MsgUpdateCluster(provider_address=PROVIDER.address, cluster_id=f"HPC-{number}",
            state=t.CLUSTER_STATE_ACTIVE),
            tx_pb2.MsgUpdateNodeMetadata(
                provider_address=PROVIDER.address, node_id=f"c{number}.n1", cluster_id=f"HPC-{number}",
                region="eu", active=True,
                latency_measurements=[t.LatencyMeasurement(target_node_id="x", latency_ms=latency)],
            ),
        )  # fmt: skip
    queue = t.QueueOption(partition_name="standard")
    made.do(
        tx_pb2.MsgCreateOffering(
            provider_address=PROVIDER.address,
            cluster_id="HPC-1",
            name="std",
            queue_options=[queue],
            max_runtime_seconds=3600,
        )
    )
    return made


def test_decision_and_event() -> None:
    """The event names job and decision, and so does the job's record."""
    made = module(5)
    events = made.do(job()).events
    assert events == [
        (
            "hpc_scheduling_decision",
            {"job_id": "JOB-1", "decision_id": "hpc-decision-1", "cluster_id": "HPC-1"},
        )
    ]
    assert made.record(keyspace.DECISION, "hpc-decision-1")["job_id"] == "JOB-1"
    assert made.record(keyspace.JOB, "JOB-1")["scheduling_decision_id"] == "hpc-decision-1"


def test_no_decision_without_an_eligible_cluster() -> None:
    """The job is accepted all the same."""
    made = module(5)
    assert made.do(job(resources=t.JobResources(nodes=9))).events == []
    assert made.raw(keyspace.JOB, "JOB-1")


def test_may_name_another_cluster_than_the_offerings() -> None:
    """The nearer one wins, whoever owns it."""
    made = module(45, 5)
    made.do(job())
    assert made.record(keyspace.DECISION, "hpc-decision-1")["selected_cluster_id"] == "HPC-2"


def test_ties_go_to_the_lower_cluster_id() -> None:
    """Equal scores are decided by name."""
    made = module(5, 5)
    made.do(job())
    assert made.record(keyspace.DECISION, "hpc-decision-1")["selected_cluster_id"] == "HPC-1"


def test_too_far_is_a_fallback() -> None:
    """With nothing at or under max_latency_ms the best one is taken and marked."""
    made = module(80)
    made.do(job())
    decision = made.record(keyspace.DECISION, "hpc-decision-1")
    assert (decision["is_fallback"], decision["fallback_reason"]) == (
        True,
        "no eligible cluster within 50 ms",
    )


def test_parameters_change_live() -> None:
    """Governance raises max_latency_ms and the same cluster is no fallback any more; nobody else may."""
    made = module(80)
    params = t.Params.FromString(genesis.PARAMS.SerializeToString())
    params.max_latency_ms = 100
    made.do(tx_pb2.MsgUpdateParams(authority=bank.GOVERNANCE, params=params), job())
    assert made.record(keyspace.DECISION, "hpc-decision-1")["is_fallback"] is False


def test_tally_follows_the_job() -> None:
    """Queued counts, running holds resources, terminal leaves nothing."""
    made = module(5)

    def tally() -> tenants.Tally:
        return tenants.tally(made.context(), ALICE.address, "HPC-1")

    made.do(job())
    assert tally() == tenants.Tally(queued=1)
    made.do(report("queued"), report("running"))
    assert tally() == tenants.Tally(running=1, nodes=1, cores=2, memory_gb=4)
    made.do(report("failed"))
    assert tally() == tenants.Tally()


# --- what waits, and what a burst lets through ---


def test_no_long_job_overtakes() -> None:
    """Behind one of a higher priority only jobs of at most 1,800 s are let through, as backfill, and the
    event says so."""
    made = module(5)
    made.do(job(max_runtime_seconds=3600))
    made.later(60)
    made.do(job(max_runtime_seconds=1801))
    assert not made.raw(keyspace.DECISION, "hpc-decision-2")
    events = made.do(job(max_runtime_seconds=1800)).events
    assert [kind for kind, _ in events] == ["hpc_scheduling_decision", "hpc_backfill_scheduled"]
    decision = made.record(keyspace.DECISION, "hpc-decision-2")
    assert (decision["backfill_used"], decision["backfill_window_seconds"], decision["job_id"]) == (
        True,
        1800,
        "JOB-3",
    )


def test_whoever_runs_or_is_over_is_in_nobodys_way() -> None:
    """Only pending and queued jobs wait."""
    made = module(5)
    made.do(job(), report("queued"))
    made.later(60)
    assert waits(made)
    made.do(report("running"))
    assert not waits(made)
    made.do(job())
    made.do(tx_pb2.MsgCancelJob(requester_address=ALICE.address, job_id="JOB-2"))
    assert not waits(made)


def waits(made: Module) -> bool:
    (found,) = made.context().every(t.HPCCluster, keyspace.CLUSTER)
    return waiting.outranks(made.context(), found, 0)


def test_equal_priorities_overtake_nobody() -> None:
    """In the same second nobody is older."""
    made = module(5)
    made.do(job(max_runtime_seconds=3600), job(max_runtime_seconds=3600))
    assert made.record(keyspace.DECISION, "hpc-decision-2")["backfill_used"] is False


def test_a_burst_says_what_it_passed() -> None:
    """Which quota, how far."""
    made = module(5)
    for number in range(1, 13):
        made.do(job(), report("queued", f"JOB-{number}"), report("running", f"JOB-{number}"))
        made.do(
            tx_pb2.MsgUpdateCluster(provider_address=PROVIDER.address, cluster_id="HPC-1", total_nodes=100)
        )
    made.do(job(resources=t.JobResources(nodes=1, cpu_cores_per_node=1)))
    decision = made.record(keyspace.DECISION, "hpc-decision-13")
    assert (decision["quota_burst_used"], decision["quota_reason"]) == (True, "in a burst: running 13 of 12")


def test_a_quota_that_nothing_gets_past_is_counted() -> None:
    """Under `all`: there is no cluster to count it under."""
    made = module(5)
    held = tenants.Tally(running=18)
    made.state.put(tenants.STORE, f"{ALICE.address}/HPC-1".encode(), json.dumps(asdict(held)).encode())
    assert made.do(job()).events == []
    assert sums.load(made.context(), sums.EVERYWHERE, "standard").quota_denied == 1
    assert sums.load(made.context(), "HPC-1", "standard").total_decisions == 0


def test_sums_of_decisions() -> None:
    """Of the cluster that was chosen, and of all; means are truncated at every step."""
    made = module(5, 45)
    made.do(job(), job(resources=t.JobResources(nodes=1)))
    made.later(60)
    made.do(job())
    for cluster_id in ("HPC-1", sums.EVERYWHERE):
        found = sums.load(made.context(), cluster_id, "standard")
        assert (found.total_decisions, found.backfill_used, found.avg_latency_score) == (
            3,
            1,
            str(1_000_000 * 40 // 45),
        )
        assert found.last_decision_at == made.context().now
    assert sums.load(made.context(), "HPC-2", "standard").total_decisions == 0


def test_without_proximity_clustering_it_is_a_fallback() -> None:
    """The best one is taken, however far, and marked."""
    made = module(5)
    params = made.context().params()
    params.enable_proximity_clustering = False
    made.do(tx_pb2.MsgUpdateParams(authority=bank.GOVERNANCE, params=params), job())
    decision = made.record(keyspace.DECISION, "hpc-decision-1")
    assert (decision["is_fallback"], decision["fallback_reason"]) == (True, "proximity clustering is off")


@pytest.mark.parametrize(
    ("total", "limit", "burst"), [(0, None, None), (1, 1, 1), (3, 2, 2), (8, 2, 4), (40, 10, 20)]
)
def test_share_of_nodes(total: int, limit: int | None, burst: int | None) -> None:
    """A quarter, at least two, in a burst a half; never more than there are, and no limit where the cluster
    does not tell."""
    found = [
        quota
        for quota in tenants.quotas(tenants.Tally(), cluster(nodes=total), t.JobResources(nodes=1))
        if quota.name == "nodes"
    ]
    assert [(quota.limit, quota.burst) for quota in found] == ([(limit, burst)] if total else [])
