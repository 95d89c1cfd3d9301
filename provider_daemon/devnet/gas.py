"""The gas of a transaction: a model that gives the figures measured on the chain, not the SDK's gas meter.

It has three parts: the checks before any message (once per transaction), a fixed part for each message, and
what the message reads and writes in the store, per byte. A report reads and rewrites its job's whole record,
so that whatever a customer stores there costs gas again with each report. A submission makes the chain's
scheduler read every job once for every cluster.
"""

from google.protobuf.message import Message

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.devnet.context import Context

TX_BASE = 26_000  # signature, account reads and writes
FEE_DEDUCTION = 18_000  # not charged in a simulation that carries no fee
PER_TX_BYTE = 10
# bytes that an empty signature counts as, a little more than the 64 + 2 of a real one
SIMULATED_SIGNATURE = 68
PER_BYTE_READ = 6  # a handler reads its record twice, at 3 gas per byte
PER_BYTE_WRITTEN = 30
PER_BYTE_SCANNED = 3
PER_JOB_SCANNED = 800  # per cluster
# for a submission: the cluster's own record, and its entry in the stored decision
PER_CLUSTER = 10_000

JOB_BYTES = "job_bytes"  # a separate store: the total bytes of all job records
_TOTAL = b"total"

_MESSAGE = {
    tx_pb2.MsgRegisterCluster: 26_000,
    tx_pb2.MsgUpdateCluster: 11_000,
    tx_pb2.MsgDeregisterCluster: 11_000,
    tx_pb2.MsgCreateOffering: 24_000,
    tx_pb2.MsgUpdateOffering: 24_000,
    tx_pb2.MsgSubmitJob: 25_000,
    tx_pb2.MsgCancelJob: 7_000,
    tx_pb2.MsgReportJobStatus: 7_000,
    tx_pb2.MsgUpdateNodeMetadata: 8_000,
    tx_pb2.MsgFlagDispute: 12_000,
    tx_pb2.MsgResolveDispute: 12_000,
    tx_pb2.MsgUpdateParams: 20_000,
}
_OTHER = 20_000

# The record that a message rewrites, and the field that names it. The field is the message's, or the
# response's where the chain makes the id.
_REWRITTEN: dict[type[Message], tuple[bytes, str]] = {
    tx_pb2.MsgUpdateCluster: (keyspace.CLUSTER, "cluster_id"),
    tx_pb2.MsgDeregisterCluster: (keyspace.CLUSTER, "cluster_id"),
    tx_pb2.MsgUpdateOffering: (keyspace.OFFERING, "offering_id"),
    tx_pb2.MsgCancelJob: (keyspace.JOB, "job_id"),
    tx_pb2.MsgReportJobStatus: (keyspace.JOB, "job_id"),
    tx_pb2.MsgUpdateNodeMetadata: (keyspace.NODE, "node_id"),
    tx_pb2.MsgResolveDispute: (keyspace.DISPUTE, "dispute_id"),
}
_MADE: dict[type[Message], tuple[bytes, str]] = {
    tx_pb2.MsgRegisterCluster: (keyspace.CLUSTER, "cluster_id"),
    tx_pb2.MsgCreateOffering: (keyspace.OFFERING, "offering_id"),
    tx_pb2.MsgSubmitJob: (keyspace.JOB, "job_id"),
    tx_pb2.MsgFlagDispute: (keyspace.DISPUTE, "dispute_id"),
}


def of_size(size: int, *, simulate: bool) -> int:
    """Returns the gas for the size of a transaction, in bytes as it was sent."""
    return PER_TX_BYTE * (size + (SIMULATED_SIGNATURE if simulate else 0))


def of_checks(fee: int) -> int:
    return TX_BASE + (FEE_DEDUCTION if fee else 0)


def of_message(ctx: Context, message: Message) -> int:
    """Returns the gas before a message runs: its fixed part and what it reads."""
    used = _MESSAGE.get(type(message), _OTHER)
    if isinstance(message, tx_pb2.MsgSubmitJob):
        return used + _scan(ctx)
    if place := _REWRITTEN.get(type(message)):
        used += PER_BYTE_READ * _stored(ctx, place, message)
    return used


def of_writes(ctx: Context, message: Message, answer: Message | None) -> int:
    """Returns the gas after a message ran, for the record that it wrote."""
    if place := _REWRITTEN.get(type(message)):
        return PER_BYTE_WRITTEN * _stored(ctx, place, message)
    if (place := _MADE.get(type(message))) and answer is not None:
        return PER_BYTE_WRITTEN * _stored(ctx, place, answer)
    return 0


def job_resized(ctx: Context, before: int, after: int) -> None:
    """Counts the bytes of a job's record that was written.

    A submission need not read every record to compute the cost of its scan.
    """
    total = max(0, _job_bytes(ctx) + after - before)
    ctx.state.put(JOB_BYTES, _TOTAL, str(total).encode())


def _scan(ctx: Context) -> int:
    """Returns the gas of a submission's scan, in which the scheduler reads every job once per cluster."""
    jobs = int.from_bytes(ctx.state.get(keyspace.HPC_STORE, keyspace.NEXT_JOB) or bytes([1]), "big") - 1
    clusters = (
        int.from_bytes(ctx.state.get(keyspace.HPC_STORE, keyspace.NEXT_CLUSTER) or bytes([1]), "big") - 1
    )
    return clusters * (PER_CLUSTER + PER_JOB_SCANNED * jobs + PER_BYTE_SCANNED * _job_bytes(ctx))


def _job_bytes(ctx: Context) -> int:
    return int(ctx.state.get(JOB_BYTES, _TOTAL) or b"0")


def _stored(ctx: Context, place: tuple[bytes, str], named_in: Message) -> int:
    """Returns the bytes of the record that the message or response names; 0 if there is none."""
    prefix, field = place
    return len(ctx.state.get(keyspace.HPC_STORE, keyspace.key(prefix, getattr(named_in, field))))
