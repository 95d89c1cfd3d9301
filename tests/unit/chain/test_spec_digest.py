"""The digest of what a customer asked for, and what is kept of a record at the border."""

import hashlib
import json

import pytest

from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2 as t
from provider_daemon.chain.records import MAX_STORED, chain_job
from provider_daemon.chain.spec_digest import digest, document
from tests.fakes.chain import ALICE, BOB, PROVIDER

CHAIN = "virtengine-localnet-1"


def record(**changes: object) -> t.HPCJob:
    values: dict[str, object] = {
        "job_id": "JOB-1",
        "offering_id": "OFF-1",
        "cluster_id": "HPC-1",
        "provider_address": PROVIDER.address,
        "customer_address": ALICE.address,
        "state": t.JOB_STATE_PENDING,
        "queue_name": "cpu",
        "workload_spec": t.JobWorkloadSpec(container_image="alpine:3", command="hostname", arguments=["-s"]),
        "resources": t.JobResources(nodes=1, cpu_cores_per_node=4),
        "max_runtime_seconds": 600,
    }
    made = t.HPCJob(**{**values, **changes})  # type: ignore[arg-type]
    made.created_at.FromNanoseconds(1_770_000_000_123_456_789)
    return made


def test_the_document() -> None:
    """Canonical JSON with every field present: anybody can write it down from the chain's record."""
    said = json.loads(document(record(), CHAIN))
    assert said["created_at"] == 1_770_000_000_123_456_789
    assert said["workload_spec"] == {
        "container_image": "alpine:3",
        "command": "hostname",
        "arguments": ["-s"],
        "environment": {},
        "working_directory": "",
        "preconfigured_workload_id": "",
        "is_preconfigured": False,
    }
    assert digest(record(), CHAIN) == hashlib.sha256(document(record(), CHAIN)).hexdigest()


@pytest.mark.parametrize(
    "changed",
    [
        {"customer_address": BOB.address},
        {
            "workload_spec": t.JobWorkloadSpec(
                container_image="alpine:3", command="hostname", arguments=["-", "s"]
            )
        },
        {"resources": t.JobResources(nodes=2, cpu_cores_per_node=4)},
        {"data_references": [t.DataReference(reference_id="d1", uri="ipfs://x")]},
        {"encrypted_inputs_pointer": "ipfs://in"},
        {"encrypted_outputs_pointer": "ipfs://out"},
        {"max_runtime_seconds": 601},
        {"queue_name": "gpu"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_everything_asked_for_counts(changed: dict[str, object]) -> None:
    assert digest(record(**changed), CHAIN) != digest(record(), CHAIN)


@pytest.mark.parametrize(
    "changed",
    [
        {"state": t.JOB_STATE_RUNNING},
        {"slurm_job_id": "7"},
        {"status_message": "x"},
        {"agreed_price": [Coin(denom="uvirt", amount="1")]},
        {"escrow_id": "e"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_the_chain_changes_does_not_count(changed: dict[str, object]) -> None:
    assert digest(record(**changed), CHAIN) == digest(record(), CHAIN)


def test_another_chain_is_another_job() -> None:
    assert digest(record(), CHAIN) != digest(record(), "another-1")


def test_a_record_that_no_report_could_be_paid_for() -> None:
    """The workload of 2 MB is not kept; digest and size are of the whole."""
    whole = record(workload_spec=t.JobWorkloadSpec(command="<" * 400_000, container_image="alpine:3"))
    job = chain_job(whole, CHAIN)
    assert job.stored_bytes > 2_400_000 > MAX_STORED
    assert job.spec.workload.command == ""
    assert job.spec.digest == digest(whole, CHAIN)


def test_pointers_count_as_they_are_stored() -> None:
    """A pointer of 300,000 `<` takes 1.8 MB of the store, though provd keeps nothing of it."""
    assert chain_job(record(encrypted_inputs_pointer="<" * 300_000), CHAIN).stored_bytes > 1_800_000
