"""The gas model against the figures that were measured on the chain: each within 15 percent."""

import json
from collections.abc import Callable

import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

from provider_daemon.chain import keyspace, messages, node_metadata
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.devnet import derived
from provider_daemon.devnet.context import Context
from provider_daemon.ports import Node, TxOutcome
from tests.fakes.chain import ALICE, PROVIDER, TestChain, cancel, job, report
from tests.unit.devnet.rules import create, flag, heartbeat, register, update

USED = types_pb2.HPCUsageMetrics(
    wall_clock_seconds=600, cpu_core_seconds=1200, memory_gb_seconds=2400, nodes_used=1
)
SIGNATURE = "x" * 88
PARTITION = types_pb2.Partition(
    name="cpu", nodes=4, max_runtime=86400, default_runtime=3600, max_nodes=4, priority=100, state="up"
)
METADATA = types_pb2.ClusterMetadata(
    total_cpu_cores=192, total_memory_gb=768, total_gpus=6, interconnect_type="infiniband"
)
QUEUE = types_pb2.QueueOption(
    partition_name="cpu", display_name="CPU", max_nodes=4, max_runtime=86400, price_multiplier="1.0"
)
PRICING = types_pb2.HPCPricing(
    base_node_hour_price="50000", cpu_core_hour_price="10000", gpu_hour_price="100000", currency="uvirt"
)
RESOURCES = types_pb2.NodeResources(
    cpu_cores=64, memory_gb=256, gpus=2, gpu_type="nvidia-a100", storage_gb=500
)


def near(used: float, measured: int) -> bool:
    return abs(used - measured) <= 0.15 * measured


async def reported(chain: TestChain, *numbers: int) -> TxOutcome:
    reports = (
        report("queued", f"JOB-{number}", slurm_job_id="4711", usage_metrics=USED, signature=SIGNATURE)
        for number in numbers
    )
    return await chain.send(PROVIDER, *reports, gas_limit=20_000_000, fee=500_000)


async def submit(chain: TestChain, count: int, command: str = "true") -> TxOutcome:
    spec = types_pb2.JobWorkloadSpec(container_image="docker.io/library/alpine:3", command=command)
    for _ in range(count):
        made = await chain.send(ALICE, job(workload_spec=spec), gas_limit=20_000_000, fee=500_000)
        assert made.ok, made.log
    return made


async def test_one_report(chain: TestChain) -> None:
    """75,000 to 84,000."""
    await chain.open_shop()
    await submit(chain, 1)
    assert near((await reported(chain, 1)).gas_used, 79_000)


@pytest.mark.parametrize(("count", "each"), [(10, 37_000), (100, 33_000), (400, 32_000)])
async def test_shared_transactions_are_cheaper(chain: TestChain, count: int, each: int) -> None:
    """Ten in one transaction are about 37,000 each, a hundred 33,000."""
    await chain.open_shop()
    await submit(chain, count)
    assert near((await reported(chain, *range(1, count + 1))).gas_used / count, each)


@pytest.mark.parametrize(("size", "measured"), [(10_000, 436_000), (50_000, 1_880_000)])
async def test_a_long_command_makes_reports_dear(chain: TestChain, size: int, measured: int) -> None:
    """About 36 gas for every byte of the stored job."""
    await chain.open_shop()
    await submit(chain, 1, command="x" * size)
    assert near((await reported(chain, 1)).gas_used, measured)


async def test_a_character_that_the_store_escapes_costs_six_bytes(chain: TestChain) -> None:
    """The record is JSON as Go writes it: each `<` of a customer is stored as \\u003c."""
    await chain.open_shop()
    await submit(chain, 1, command="<" * 10_000)
    assert near((await reported(chain, 1)).gas_used, 75_000 + 36 * 60_000)


@pytest.mark.parametrize(
    ("message", "measured"),
    [
        (
            lambda: register(
                partitions=[PARTITION], cluster_metadata=METADATA, slurm_version="23.11.4", description="test"
            ),
            87_000,
        ),
        (lambda: update(state=types_pb2.CLUSTER_STATE_ACTIVE), 74_000),
        (
            lambda: create(
                queue_options=[QUEUE], pricing=PRICING, supports_custom_workloads=True, description="std"
            ),
            90_000,
        ),
        (lambda: heartbeat(resources=RESOURCES), 78_000),
        (lambda: flag(evidence="ipfs://e"), 70_000),
        (cancel, 77_000),
    ],
    ids=["register", "activate", "offering", "heartbeat", "dispute", "cancel"],
)
async def test_other_messages(chain: TestChain, message: Callable[[], Message], measured: int) -> None:
    """Register 87,000, activate 74,000, offering 90,000, heartbeat 78,000, dispute 70,000, cancel 77,000,
    each alone."""
    await chain.open_shop()
    await submit(chain, 1)
    wanted = message()
    sent = await chain.send(
        ALICE if isinstance(wanted, tx_pb2.MsgFlagDispute | tx_pb2.MsgCancelJob) else PROVIDER, wanted
    )
    assert sent.ok, sent.log
    assert near(sent.gas_used, measured), sent.gas_used


async def test_heartbeats_by_the_fifty(chain: TestChain) -> None:
    """53,000 to 57,000 each, as provd itself sends them."""
    await chain.open_shop()
    beats = [messages.unpack(_beat(number)) for number in range(50)]
    await chain.send(PROVIDER, *beats, gas_limit=10_000_000, fee=250_000)
    for beat in beats:
        beat.last_sequence_number += 1  # type: ignore[attr-defined]
    sent = await chain.send(PROVIDER, *beats, gas_limit=10_000_000, fee=250_000)
    assert sent.ok
    assert near(sent.gas_used / 50, 55_000), sent.gas_used / 50


def _beat(number: int) -> Any:
    node = Node(f"n{number}", "idle", True, False, 64, 0, 256 * 1024, 0, 2, 0, "nvidia-a100", ("cpu",), "0.5")
    return node_metadata.update_node_metadata(
        node,
        provider=PROVIDER.address,
        node_id=f"alpha.n{number}",
        cluster_id="HPC-1",
        region="eu-west",
        datacenter="dc1",
        sequence=1,
    )


async def test_the_first_submission(chain: TestChain) -> None:
    """110,000."""
    await chain.open_shop()
    first = await submit(chain, 1)
    assert near(first.gas_used, 110_000), first.gas_used


@pytest.mark.parametrize(("jobs", "measured"), [(575, 8_300_000), (790, 8_900_000)])
async def test_submissions_grow_with_everything_stored(chain: TestChain, jobs: int, measured: int) -> None:
    """The scheduler reads every job for every cluster: 8.3 million at 575 jobs and 4 clusters, 8.9 million at
    790."""
    await chain.open_shop()
    for name in ("beta", "gamma", "delta"):
        assert (await chain.send(PROVIDER, register(name=name))).ok
    await submit(chain, 1)
    _as_many_jobs(chain, jobs)
    made = await submit(chain, 1)
    assert near(made.gas_used, measured), made.gas_used


def _as_many_jobs(chain: TestChain, count: int) -> None:
    """Of 745 bytes each, as the chain's were that was measured."""
    blocks = chain.devnet.blocks
    state = blocks.state
    record = json.loads(state.get(keyspace.HPC_STORE, keyspace.key(keyspace.JOB, "JOB-1")))
    for number in range(2, count + 1):
        record["job_id"], record["encrypted_inputs_pointer"] = f"JOB-{number}", ""
        record["encrypted_inputs_pointer"] = "x" * (745 - len(json.dumps(record, separators=(",", ":"))))
        stored = json.dumps(record, separators=(",", ":")).encode()
        state.put(keyspace.HPC_STORE, keyspace.key(keyspace.JOB, f"JOB-{number}"), stored)
    state.put(keyspace.HPC_STORE, keyspace.NEXT_JOB, (count + 1).to_bytes(8, "big"))
    derived.rebuild(Context(state, blocks.rules, blocks.height, blocks.time))
