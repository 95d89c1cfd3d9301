"""Which offering a job gets, and why not the others."""

from typing import Any

import pytest

from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1.types_pb2 import HPCCluster, HPCOffering
from provider_daemon.client.job_request import JobRequest
from provider_daemon.client.natural import natural
from provider_daemon.client.offerings import Choice, Wish, choose
from provider_daemon.errors import Refused
from provider_daemon.job.spec import Resources, Workload

ASKED = JobRequest(Workload(image="a", command="b"), Resources(2, 4, 8), 600)


def offering(number: int = 1, **changes: Any) -> HPCOffering:
    values: dict[str, Any] = {
        "offering_id": f"OFF-{number}",
        "cluster_id": "HPC-1",
        "queue_options": [types_pb2.QueueOption(partition_name="cpu", max_nodes=4, max_runtime=3600)],
        "max_runtime_seconds": 7200,
        "supports_custom_workloads": True,
        "active": True,
        **changes,
    }
    return HPCOffering(**values)


def cluster(cluster_id: str = "HPC-1", **changes: Any) -> HPCCluster:
    values: dict[str, Any] = {
        "cluster_id": cluster_id,
        "state": types_pb2.CLUSTER_STATE_ACTIVE,
        "total_nodes": 8,
        "available_nodes": 8,
        "region": "eu",
        **changes,
    }
    return HPCCluster(**values)


def chosen(
    *offerings: HPCOffering, asked: JobRequest = ASKED, wish: Wish | None = None, clusters: Any = None
) -> Choice:
    known = {each.cluster_id: each for each in clusters or [cluster()]}
    return choose(asked, wish or Wish(), offerings, known)


def why_not(*offerings: HPCOffering, **changes: Any) -> str:
    with pytest.raises(Refused) as caught:
        chosen(*offerings, **changes)
    return str(caught.value)


def test_the_lowest_id_that_matches() -> None:
    """By number, not by letters; the others are named, matching or not."""
    found = chosen(offering(10), offering(9), offering(2, active=False))
    assert (found.offering.offering_id, found.cluster.cluster_id, found.queue) == ("OFF-9", "HPC-1", "cpu")
    assert found.others == {"OFF-2": "it is not active", "OFF-10": ""}


def test_a_cluster_with_the_nodes_now_comes_first() -> None:
    """But one that is busy is taken rather than none."""
    busy = cluster("HPC-2", available_nodes=1)
    both = (cluster(), busy)
    assert chosen(offering(1, cluster_id="HPC-2"), offering(2), clusters=both).offering.offering_id == "OFF-2"
    assert chosen(offering(1, cluster_id="HPC-2"), clusters=both).offering.offering_id == "OFF-1"


def test_the_first_queue_that_matches() -> None:
    queues = [
        types_pb2.QueueOption(partition_name="debug", max_nodes=1),
        types_pb2.QueueOption(partition_name="cpu"),
        types_pb2.QueueOption(partition_name="long"),
    ]
    assert chosen(offering(queue_options=queues)).queue == "cpu"
    assert chosen(offering(queue_options=queues), wish=Wish(queue="long")).queue == "long"


@pytest.mark.parametrize(
    ("changes", "cluster_changes", "why"),
    [
        ({"active": False}, {}, "it is not active"),
        ({"cluster_id": "HPC-9"}, {}, "its cluster HPC-9 does not exist on chain"),
        ({}, {"state": types_pb2.CLUSTER_STATE_DRAINING}, "its cluster HPC-1 is draining"),
        ({}, {"state": 77}, "its cluster HPC-1 is 77"),
        ({}, {"total_nodes": 1}, "2 nodes requested, its cluster has 1"),
        ({"supports_custom_workloads": False}, {}, "it runs preconfigured workloads only"),
        ({"max_runtime_seconds": 599}, {}, "600 s of run time requested, it allows 599 s"),
        ({"queue_options": []}, {}, "it has no queues"),
        (
            {"queue_options": [types_pb2.QueueOption(partition_name="x", max_nodes=1)]},
            {},
            "2 nodes requested, queue x allows 1",
        ),
        (
            {"queue_options": [types_pb2.QueueOption(partition_name="x", max_runtime=60)]},
            {},
            "600 s of run time requested, queue x allows 60 s",
        ),
    ],
)
def test_why_an_offering_does_not_match(
    changes: dict[str, Any], cluster_changes: dict[str, Any], why: str
) -> None:
    assert why_not(offering(**changes), clusters=(cluster(**cluster_changes),)) == (
        f"no offering matches this job: OFF-1: {why}"
    )


def test_wishes() -> None:
    """An offering, a queue, a region."""
    assert why_not(offering(), wish=Wish(offering="OFF-2")) == "offering OFF-2 does not exist on chain"
    assert why_not(offering(active=False), wish=Wish(offering="OFF-1")) == (
        "offering OFF-1 does not match: it is not active"
    )
    assert "queue cpu is not gpu" in why_not(offering(), wish=Wish(queue="gpu"))
    assert "its region is eu, not us" in why_not(offering(), wish=Wish(region="us"))
    found = chosen(offering(1), offering(2), wish=Wish(offering="OFF-2"))
    assert (found.offering.offering_id, found.others) == ("OFF-2", {"OFF-1": "--offering is OFF-2"})


def test_gpu_types() -> None:
    """Compared where the cluster names its own; a cluster that names none may have them."""
    asked = JobRequest(ASKED.workload, Resources(1, 1, 1, 1, "nvidia-A100"), 600)
    has = types_pb2.ClusterMetadata(gpu_types=["nvidia-a100"])
    lacks = types_pb2.ClusterMetadata(gpu_types=["nvidia-v100"])
    assert chosen(offering(), asked=asked)
    assert chosen(offering(), asked=asked, clusters=(cluster(cluster_metadata=has),))
    assert "no GPU of type nvidia-A100: it has nvidia-v100" in why_not(
        offering(), asked=asked, clusters=(cluster(cluster_metadata=lacks),)
    )


def test_preconfigured_workloads() -> None:
    asked = JobRequest(Workload(preconfigured_id="w", is_preconfigured=True), Resources(1), 60)
    has = [types_pb2.PreconfiguredWorkload(workload_id="w")]
    assert chosen(offering(supports_custom_workloads=False, preconfigured_workloads=has), asked=asked)
    assert "it has no workload w (it has none)" in why_not(offering(), asked=asked)


def test_a_chain_without_offerings() -> None:
    assert why_not() == "the chain has no offerings"


def test_natural_order() -> None:
    assert sorted(["OFF-10", "OFF-9", "a", "OFF-", ""], key=natural) == ["", "OFF-", "OFF-9", "OFF-10", "a"]
