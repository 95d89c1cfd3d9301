"""The model's state as the chain's own records.

It is protobuf for Query RPCs, and the codec's JSON for the raw store.
"""

from dataclasses import asdict

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from provider_daemon.chain import codec, keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.job.state import State
from tests.fakes.chain import PROVIDER
from tests.simulation.books import Books, Record

CLUSTER, OFFERING = "HPC-1", "OFF-1"
UNKNOWN_STATE = 99  # of a chain that is newer than the daemon


def stored(books: Books, key: bytes, now: float) -> bytes:
    """Returns the value at a key of the hpc store; b"" if there is none."""
    if key == keyspace.NEXT_JOB:
        return books.counter(now).to_bytes(8, "big")
    kind, name = key[:1], keyspace.record_id(key)
    if kind == keyspace.JOB and (record := books.shown(name, now)):
        value = codec.encode(job(record))
        return value if record.readable(now) else value.replace(b'"state":"', b'"state":"brand_new_')
    if kind == keyspace.CLUSTER and name == CLUSTER:
        return codec.encode(cluster(books))
    return codec.encode(offering()) if kind == keyspace.OFFERING and name == OFFERING else b""


def queried(books: Books, rpc: str, request: Message, now: float) -> tuple[str, Message] | None:
    """Returns (field of the response, record), or None if there is no such record."""
    if rpc == "Job" and (record := books.shown(request.job_id, now)):  # type: ignore[attr-defined]
        return "job", job(record, readable=record.readable(now))
    if rpc == "Cluster" and request.cluster_id == CLUSTER:  # type: ignore[attr-defined]
        return "cluster", cluster(books)
    if rpc == "Offering" and request.offering_id == OFFERING:  # type: ignore[attr-defined]
        return "offering", offering()
    return None


def job(record: Record, *, readable: bool = True) -> types_pb2.HPCJob:
    spec, report = record.spec, record.by_report
    return types_pb2.HPCJob(
        job_id=spec.job_id,
        offering_id=spec.offering_id,
        cluster_id=spec.cluster_id,
        provider_address=spec.provider,
        customer_address=spec.customer,
        state=_state(record.state) if readable else UNKNOWN_STATE,  # type: ignore[arg-type]
        queue_name=spec.queue,
        workload_spec=types_pb2.JobWorkloadSpec(
            container_image=spec.workload.image,
            command=spec.workload.command,
            arguments=spec.workload.arguments,
            environment=dict(spec.workload.environment),
            working_directory=spec.workload.working_directory,
        ),
        resources=types_pb2.JobResources(
            nodes=spec.resources.nodes,
            cpu_cores_per_node=spec.resources.cpus_per_node,
            memory_gb_per_node=spec.resources.memory_gb_per_node,
            gpus_per_node=spec.resources.gpus_per_node,
            gpu_type=spec.resources.gpu_type,
            storage_gb=spec.resources.storage_gb,
        ),
        data_references=[types_pb2.DataReference(**asdict(each)) for each in spec.data],
        max_runtime_seconds=spec.max_runtime_seconds,
        status_message=report.status_message if report else "",
        exit_code=report.exit_code if report else 0,
        created_at=Timestamp(seconds=spec.created_ns // 10**9, nanos=spec.created_ns % 10**9),
        started_at=Timestamp(seconds=record.started_at) if record.started_at else None,
        block_height=record.height,
    )


def _state(state: State) -> types_pb2.JobState.ValueType:
    return types_pb2.JobState.Value(f"JOB_STATE_{state.upper()}")


def cluster(books: Books) -> types_pb2.HPCCluster:
    return types_pb2.HPCCluster(
        cluster_id=CLUSTER,
        provider_address=PROVIDER.address,
        name="alpha",
        state=types_pb2.ClusterState.Value(f"CLUSTER_STATE_{books.cluster.upper()}"),
        total_nodes=3,
        available_nodes=3,
        region="eu",
        block_height=1,
    )


def offering() -> types_pb2.HPCOffering:
    return types_pb2.HPCOffering(
        offering_id=OFFERING,
        cluster_id=CLUSTER,
        provider_address=PROVIDER.address,
        name="standard",
        queue_options=[types_pb2.QueueOption(partition_name="standard")],
        max_runtime_seconds=86400,
        supports_custom_workloads=True,
        active=True,
        block_height=1,
    )
