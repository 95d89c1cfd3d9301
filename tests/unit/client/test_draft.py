"""Fields as a person writes them -> a message, every mistake named."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.chain.gateway_json import render
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.client import draft
from provider_daemon.errors import ConfigError

JOB = {
    "offering_id": "OFF-1",
    "queue_name": "cpu",
    "workload_spec": {"container_image": "alpine:3", "arguments": ["a", "b"], "environment": {"A": "1"}},
    "resources": {"nodes": 2},
    "max_runtime_seconds": 600,
    "max_price": "1000000uvirt,5uve",
}


def made(values: object, name: str = "MsgSubmitJob", typed: dict[str, Any] | None = None) -> Any:
    return draft.message(name, draft.merged(values, typed or {}))


def problems(values: object, name: str = "MsgSubmitJob", typed: dict[str, Any] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        made(values, name, typed)
    return caught.value.problems


def test_a_whole_message() -> None:
    """Coins as text, tables in tables, a map."""
    job = made(JOB)
    assert [(coin.denom, coin.amount) for coin in job.max_price] == [("uvirt", "1000000"), ("uve", "5")]
    assert dict(job.workload_spec.environment) == {"A": "1"}
    assert list(job.workload_spec.arguments) == ["a", "b"]
    assert job.resources.nodes == 2


def test_what_is_typed_wins() -> None:
    """Field by field; what was not typed leaves the file's value, and the file's table is not changed."""
    job = made(
        JOB,
        typed={
            "resources.nodes": 3,
            "resources.gpus_per_node": None,
            "workload_spec.arguments": [],
            "queue_name": "gpu",
        },
    )
    assert (job.resources.nodes, job.queue_name, list(job.workload_spec.arguments)) == (3, "gpu", ["a", "b"])
    assert JOB["resources"] == {"nodes": 2}


@pytest.mark.parametrize("word", ["active", "ACTIVE", "CLUSTER_STATE_ACTIVE"])
def test_enum_words(word: str) -> None:
    assert (
        made({"cluster_id": "HPC-1", "state": word}, "MsgUpdateCluster").state
        == types_pb2.CLUSTER_STATE_ACTIVE
    )


def test_what_a_cosmos_client_wrote() -> None:
    """The message of an unsigned transaction can be read back: @type, numbers as text, full enum names."""
    cluster = tx_pb2.MsgUpdateCluster(
        cluster_id="HPC-1", state=types_pb2.CLUSTER_STATE_DRAINING, total_nodes=4
    )
    assert (
        made({"@type": "/virtengine.hpc.v1.MsgUpdateCluster", **render(cluster)}, "MsgUpdateCluster")
        == cluster
    )


def test_every_mistake_at_once() -> None:
    """Each by its whole path."""
    wrong = {
        **JOB,
        "queue": "x",
        "resources": {"nodes": "many", "cpus": 1, "memory_gb_per_node": 2**40},
        "data_references": [{"encrypted": "yes"}],
        "max_price": "much",
        "workload_spec": [],
    }
    found = {line.partition(":")[0]: line for line in problems(wrong)}
    assert set(found) == {
        "queue",
        "resources.nodes",
        "resources.cpus",
        "resources.memory_gb_per_node",
        "data_references[0].encrypted",
        "max_price",
        "workload_spec",
    }
    assert "known fields: nodes, cpu_cores_per_node" in found["resources.cpus"]


@pytest.mark.parametrize("document", [[], "text", 5, None])
def test_no_table(document: object) -> None:
    assert problems(document) == ["invalid file: must be an object with the message's fields"]


def test_typed_into_what_is_no_table() -> None:
    assert problems({"resources": 5}, typed={"resources.nodes": 1}) == ["resources: must be an object"]


def test_who_signs() -> None:
    """A file may leave it out or say the same; somebody else is a mistake."""
    job = made({**JOB, "customer_address": "ve1a"})
    draft.signed_by(job, "ve1a")
    with pytest.raises(ConfigError, match="the file has ve1a, but the signer is ve1b"):
        draft.signed_by(job, "ve1b")


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from([*JOB, "x", ""]),
        plain | st.dictionaries(st.sampled_from(["nodes", "arguments", "y"]), plain),
    )
)
def test_any_document_is_a_message_or_a_list_of_mistakes(values: dict[str, Any]) -> None:
    """Never anything else."""
    with suppress(ConfigError):
        made(values)
