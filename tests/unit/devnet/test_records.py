"""What the module stores, byte for byte as the real chain stored it."""

import json
from pathlib import Path

import pytest

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2 as t
from provider_daemon.devnet import bank
from provider_daemon.devnet.context import ChainRules
from tests.unit.devnet.pure import Module

LINES = Path("tests/fixtures/chain/samples.jsonl").read_text().splitlines()
SAMPLES = {
    json.loads(line)["kind"]: line.partition('"value":')[2].removesuffix("}").encode() for line in LINES
}
OWNER, CUSTOMER = "ve10n8kxscwr8rxg65k60pqk8fajd39rzmaryu495", "ve16yqr7q0a24m0slxa5jch5e0h5gxfhame47790q"
HARDWARE = t.NodeResources(cpu_cores=64, memory_gb=256, gpus=2, gpu_type="nvidia-a100", storage_gb=500)


@pytest.fixture
def module() -> Module:
    """A published chain with the samples' cluster, its three nodes, and the offering."""
    made = Module(ChainRules(compat="published", settlement="published"))
    bank.credit(made.state, CUSTOMER, "uvirt", 10**9)
    partition = t.Partition(
        name="cpu",
        nodes=4,
        max_runtime=86400,
        default_runtime=3600,
        max_nodes=4,
        features=["avx2"],
        priority=100,
        state="up",
    )
    metadata = t.ClusterMetadata(
        total_cpu_cores=256, total_memory_gb=1024, total_gpus=8, gpu_types=["nvidia-a100"],
        interconnect_type="infiniband",
        storage_type="lustre", total_storage_gb=2000,
    )  # fmt: skip
    made.at("2026-11-24T06:34:27.764565762Z", 51).do(
        tx_pb2.MsgRegisterCluster(
            provider_address=OWNER, name="alpha", description="test cluster", region="eu-west",
            partitions=[partition],
            total_nodes=4, cluster_metadata=metadata, slurm_version="23.11.4",
        )
    )  # fmt: skip
    made.at("2026-11-24T06:34:28.776229121Z", 52).do(offering())
    made.at("2026-11-24T06:34:32.815201991Z", 56).do(*(node(name) for name in ("n1", "n2", "n3")))
    activate = tx_pb2.MsgUpdateCluster(
        provider_address=OWNER, cluster_id="HPC-1", state=t.CLUSTER_STATE_ACTIVE
    )
    made.at("2026-11-24T06:34:35.846844629Z", 59).do(activate)
    made.end_block()
    return made


def offering() -> tx_pb2.MsgCreateOffering:
    pricing = t.HPCPricing(
        base_node_hour_price="50000", cpu_core_hour_price="10000", gpu_hour_price="100000",
        memory_gb_hour_price="5000",
        storage_gb_price="100", network_gb_price="1000", currency="uvirt", minimum_charge="10000",
    )  # fmt: skip
    preconfigured = t.PreconfiguredWorkload(
        workload_id="mpi-hello", name="MPI", description="d", container_image="docker.io/library/alpine:3",
        default_command="hostname",
        required_resources=t.JobResources(nodes=1), category="simulation", version="1.0.0",
    )  # fmt: skip
    queue = t.QueueOption(
        partition_name="cpu", display_name="CPU", max_nodes=4, max_runtime=86400, price_multiplier="1.0"
    )
    return tx_pb2.MsgCreateOffering(
        provider_address=OWNER, cluster_id="HPC-1", name="standard", description="std", queue_options=[queue],
        pricing=pricing,
        max_runtime_seconds=86400, preconfigured_workloads=[preconfigured], supports_custom_workloads=True,
    )  # fmt: skip


def node(node_id: str) -> tx_pb2.MsgUpdateNodeMetadata:
    return tx_pb2.MsgUpdateNodeMetadata(
        provider_address=OWNER, node_id=node_id, cluster_id="HPC-1", region="eu-west", datacenter="dc1",
        resources=HARDWARE, active=True,
        state=t.NODE_STATE_ACTIVE, health_status=t.HEALTH_STATUS_HEALTHY, agent_version="1.0.0",
        last_sequence_number=1,
    )  # fmt: skip


def submission() -> tx_pb2.MsgSubmitJob:
    return tx_pb2.MsgSubmitJob(
        customer_address=CUSTOMER,
        offering_id="OFF-1",
        queue_name="cpu",
        workload_spec=t.JobWorkloadSpec(
            container_image="docker.io/library/alpine:3",
            command="hostname",
            arguments=["-s"],
            working_directory="/work",
        ),
        resources=t.JobResources(nodes=1, cpu_cores_per_node=4, memory_gb_per_node=8, storage_gb=1),
        data_references=[
            t.DataReference(
                reference_id="d1", type="input", uri="ipfs://x", encrypted=True, checksum="00", size_bytes=10
            )
        ],
        encrypted_inputs_pointer="ipfs://in",
        max_runtime_seconds=600,
        max_price=[Coin(denom="uvirt", amount="1000000")],
    )


def report(state: t.JobState.ValueType, **more: object) -> tx_pb2.MsgReportJobStatus:
    return tx_pb2.MsgReportJobStatus(provider_address=OWNER, job_id="JOB-1", state=state, **more)  # type: ignore[arg-type]


def test_cluster(module: Module) -> None:
    """Registered, three of its four nodes active, and made active by its owner."""
    assert module.raw(keyspace.CLUSTER, "HPC-1") == SAMPLES["cluster"]


def test_offering(module: Module) -> None:
    """Made on a cluster that was still pending."""
    assert module.raw(keyspace.OFFERING, "OFF-1") == SAMPLES["offering"]


def test_node(module: Module) -> None:
    """After its first heartbeat."""
    assert module.raw(keyspace.NODE, "n1") == SAMPLES["node"]


def test_job(module: Module) -> None:
    """Through all its states: what a report says of SLURM's id, usage and signature is not stored."""
    module.at("2026-11-24T06:35:12.3404361Z", 95).do(submission())
    module.at("2026-11-24T06:35:17.382330975Z", 100).do(
        report(t.JOB_STATE_QUEUED, status_message="queued first")
    )
    module.at("2026-11-24T06:35:20.431220644Z", 103).do(
        report(t.JOB_STATE_RUNNING, status_message="m-running", slurm_job_id="7")
    )
    usage = t.HPCUsageMetrics(wall_clock_seconds=3)
    last = report(
        t.JOB_STATE_COMPLETED,
        status_message="m-completed",
        exit_code=3,
        slurm_job_id="7",
        usage_metrics=usage,
        signature="x",
    )
    module.at("2026-11-24T06:35:23.458766542Z", 106).do(last)
    assert module.raw(keyspace.JOB, "JOB-1") == SAMPLES["job"]


def test_dispute(module: Module) -> None:
    """The first dispute is stored as number 2."""
    module.state.put(keyspace.HPC_STORE, keyspace.NEXT_JOB, (567).to_bytes(8, "big"))
    module.do(submission())
    flag = tx_pb2.MsgFlagDispute(
        disputer_address=CUSTOMER,
        job_id="JOB-567",
        dispute_type="usage",
        reason="wrong usage",
        evidence="ipfs://e",
    )
    module.at("2026-11-24T06:40:19.372980359Z", 392).do(flag)
    assert module.raw(keyspace.DISPUTE, "hpc-dispute-2") == SAMPLES["dispute"]


def test_a_later_empty_message_erases_the_earlier_one(module: Module) -> None:
    """Every report replaces message and exit code."""
    module.do(
        submission(),
        report(t.JOB_STATE_QUEUED, status_message="here", exit_code=1),
        report(t.JOB_STATE_RUNNING),
    )
    assert "status_message" not in module.record(keyspace.JOB, "JOB-1")
    assert "exit_code" not in module.record(keyspace.JOB, "JOB-1")


def test_published_settlement_moves_no_money(module: Module) -> None:
    """Nothing happens on completed: no escrow, no accounting, no reward."""
    before = bank.balance(module.state, CUSTOMER, "uvirt")
    usage = t.HPCUsageMetrics(wall_clock_seconds=3600, cpu_core_seconds=3600)
    module.do(
        submission(),
        report(t.JOB_STATE_QUEUED),
        report(t.JOB_STATE_RUNNING),
        report(t.JOB_STATE_COMPLETED, usage_metrics=usage),
    )
    assert bank.balance(module.state, CUSTOMER, "uvirt") == before
    assert not module.raw(keyspace.JOB_ACCOUNTING, "JOB-1")
    assert not module.raw(keyspace.REWARD, "hpc-reward-JOB-1")


def test_counters_start_at_one() -> None:
    """Eight big-endian bytes each, from genesis on."""
    module = Module()
    for counter in (
        keyspace.NEXT_CLUSTER,
        keyspace.NEXT_OFFERING,
        keyspace.NEXT_JOB,
        keyspace.NEXT_DECISION,
        keyspace.NEXT_DISPUTE,
    ):
        assert module.state.get(keyspace.HPC_STORE, counter) == b"\0\0\0\0\0\0\0\1"
