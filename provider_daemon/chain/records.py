"""The module's messages -> the frozen values that the loops work with."""

from google.protobuf.timestamp_pb2 import Timestamp

from provider_daemon.chain import codec
from provider_daemon.chain.amounts import amounts
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.chain.spec_digest import digest
from provider_daemon.errors import Unreadable
from provider_daemon.job.pricing import Pricing, is_price
from provider_daemon.job.references import DataReference
from provider_daemon.job.spec import ChainJob, Resources, Spec, Workload
from provider_daemon.job.state import State
from provider_daemon.ports import Cluster, Offering, Preconfigured, Queue
from provider_daemon.text import cut

# bytes of a job's record: one report about a larger one costs more than 36 million gas
MAX_STORED = 1_000_000
MAX_TEXT = 1_000  # bytes of a name or a sentence: a queue, a GPU type, a status message
_PRICES = {
    "cpu_core_hour": "cpu_core_hour_price",
    "memory_gb_hour": "memory_gb_hour_price",
    "gpu_hour": "gpu_hour_price",
    "storage_gb_hour": "storage_gb_price",
    "network_gb": "network_gb_price",
    "node_hour": "base_node_hour_price",
    "minimum_charge": "minimum_charge",
}


def chain_job(record: types_pb2.HPCJob, chain_id: str) -> ChainJob:
    """Converts a job. Raises Unreadable for a record without an id, a creation time or a known state.

    If the record is too large for a report (MAX_STORED), the workload is left out; its digest and size are of
    the whole.
    """
    if not record.job_id or record.created_at.seconds <= 0:
        raise Unreadable(f"job record {record.job_id!r} has no id or no creation time")
    stored_bytes = len(codec.encode(record))
    return ChainJob(
        spec=_spec(record, chain_id, whole=stored_bytes <= MAX_STORED),
        state=job_state(record.state, record.job_id),
        started_at=record.started_at.seconds,
        status_message=cut(record.status_message, MAX_TEXT),
        exit_code=record.exit_code,
        stored_bytes=stored_bytes,
        agreed_price=_coins(record),
        escrow_id=cut(record.escrow_id, MAX_TEXT),
    )


def _coins(record: types_pb2.HPCJob) -> tuple[tuple[str, int], ...]:
    """Returns denom and amount of the agreed price. Raises Unreadable for an amount that is no number."""
    found = amounts(record.agreed_price, f"job {record.job_id}", "agreed_price")
    return tuple((cut(denom, MAX_TEXT), amount) for denom, amount in found)


def job_state(number: types_pb2.JobState.ValueType, job_id: str) -> State:
    try:
        return State(types_pb2.JobState.Name(number).removeprefix("JOB_STATE_").lower())
    except ValueError as error:
        raise Unreadable(f"job {job_id} has unknown state {number}") from error


def _spec(record: types_pb2.HPCJob, chain_id: str, *, whole: bool) -> Spec:
    return Spec(
        chain_id=chain_id,
        job_id=record.job_id,
        offering_id=record.offering_id,
        cluster_id=record.cluster_id,
        provider=record.provider_address,
        customer=record.customer_address,
        queue=cut(record.queue_name, MAX_TEXT),
        workload=_workload(record.workload_spec)
        if whole
        else Workload(is_preconfigured=record.workload_spec.is_preconfigured),
        resources=_resources(record.resources),
        max_runtime_seconds=record.max_runtime_seconds,
        created_ns=nanoseconds(record.created_at),
        digest=digest(record, chain_id),
        data=tuple(map(_reference, record.data_references)) if whole else (),
        inputs_pointer=record.encrypted_inputs_pointer if whole else "",
        outputs_pointer=record.encrypted_outputs_pointer if whole else "",
    )


def _reference(given: types_pb2.DataReference) -> DataReference:
    return DataReference(
        reference_id=given.reference_id,
        type=given.type,
        uri=given.uri,
        encrypted=given.encrypted,
        checksum=given.checksum,
        size_bytes=given.size_bytes,
    )


def _workload(spec: types_pb2.JobWorkloadSpec) -> Workload:
    return Workload(
        image=spec.container_image,
        command=spec.command,
        arguments=tuple(spec.arguments),
        environment=tuple(sorted(spec.environment.items())),
        working_directory=spec.working_directory,
        preconfigured_id=spec.preconfigured_workload_id,
        is_preconfigured=spec.is_preconfigured,
    )


def _resources(asked: types_pb2.JobResources) -> Resources:
    return Resources(
        nodes=asked.nodes,
        cpus_per_node=asked.cpu_cores_per_node,
        memory_gb_per_node=asked.memory_gb_per_node,
        gpus_per_node=asked.gpus_per_node,
        gpu_type=cut(asked.gpu_type, MAX_TEXT),
        storage_gb=asked.storage_gb,
    )


def nanoseconds(time: Timestamp) -> int:
    return time.seconds * 10**9 + time.nanos


def cluster(record: types_pb2.HPCCluster) -> Cluster:
    """Converts a cluster. Raises Unreadable for a state that is not known here."""
    return Cluster(
        cluster_id=record.cluster_id,
        provider=record.provider_address,
        state=_cluster_state(record),
        region=record.region,
        total_nodes=record.total_nodes,
        available_nodes=record.available_nodes,
        description=record.description,
    )


def _cluster_state(record: types_pb2.HPCCluster) -> str:
    try:
        return types_pb2.ClusterState.Name(record.state).removeprefix("CLUSTER_STATE_").lower()
    except ValueError as error:
        raise Unreadable(f"cluster {record.cluster_id} has unknown state {record.state}") from error


def pricing(record: types_pb2.HPCOffering) -> Pricing:
    """Returns an offering's prices. Raises Unreadable for a price that is no decimal number from 0 on."""
    asked, prices = record.pricing, {}
    for name, field in _PRICES.items():
        text = getattr(asked, field)
        if text and not is_price(text):
            raise Unreadable(f"offering {record.offering_id}: invalid {field}: {text[:40]!r}")
        prices[name] = text
    for queue in record.queue_options:
        if queue.price_multiplier and not is_price(queue.price_multiplier):
            raise Unreadable(
                f"offering {record.offering_id}: invalid price_multiplier of queue "
                f"{queue.partition_name[:40]!r}: {queue.price_multiplier[:40]!r}"
            )
    return Pricing(**prices, currency=cut(asked.currency, MAX_TEXT))


def offering(record: types_pb2.HPCOffering) -> Offering:
    """Converts an offering. Raises Unreadable for a price that cannot be read."""
    return Offering(
        offering_id=record.offering_id,
        cluster_id=record.cluster_id,
        queues=tuple(
            Queue(queue.partition_name, queue.max_nodes, queue.max_runtime, queue.price_multiplier)
            for queue in record.queue_options
        ),
        preconfigured=tuple(
            Preconfigured(item.workload_id, item.container_image, item.default_command)
            for item in record.preconfigured_workloads
        ),
        supports_custom_workloads=record.supports_custom_workloads,
        active=record.active,
        identity_threshold=record.required_identity_threshold,
        pricing=pricing(record),
        updated_ns=nanoseconds(record.updated_at),
        max_runtime=record.max_runtime_seconds,
    )
