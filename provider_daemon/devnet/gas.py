"""What a transaction costs in gas: a model that gives the figures measured on the chain, not the SDK's own
meter.

Three parts: the checks before any message (once a transaction), a fixed part of each message, and what the
message reads and writes of the store, by the byte. A report reads and rewrites the whole record of its job,
so what a customer stores there is paid for again with each report. A submission makes the chain's scheduler
read every job once for every cluster."""

from google.protobuf.message import Message

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.devnet.context import Context

TX_BASE = 26_000  # signature, account reads and writes
FEE_DEDUCTION = 18_000  # left out of a simulation that carries no fee
PER_TX_BYTE = 10
# bytes: what an empty signature is counted as, a little over the 64 + 2 of a real one
SIMULATED_SIGNATURE = 68
PER_BYTE_READ = 6  # a handler reads its record twice, at 3 gas a byte
PER_BYTE_WRITTEN = 30
PER_BYTE_SCANNED = 3
PER_JOB_SCANNED = 800  # for each cluster
# of a submission: the cluster's own record, and its place in the decision that is stored
PER_CLUSTER = 10_000

JOB_BYTES = "job_bytes"  # a store of its own: how many bytes all job records have together
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

# The record that a message rewrites, and the field (of the message, or of its answer where the chain makes
# the id) that names it.
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
    """`size`: bytes of the transaction as it was sent."""
    return PER_TX_BYTE * (size + (SIMULATED_SIGNATURE if simulate else 0))


def of_checks(fee: int) -> int:
    return TX_BASE + (FEE_DEDUCTION if fee else 0)


def of_message(ctx: Context, message: Message) -> int:
    """Before the message is carried out: its fixed part and what it reads."""
    used = _MESSAGE.get(type(message), _OTHER)
    if isinstance(message, tx_pb2.MsgSubmitJob):
        return used + _scan(ctx)
    if place := _REWRITTEN.get(type(message)):
        used += PER_BYTE_READ * _stored(ctx, place, message)
    return used


def of_writes(ctx: Context, message: Message, answer: Message | None) -> int:
    """After it was carried out: the record that it wrote."""
    if place := _REWRITTEN.get(type(message)):
        return PER_BYTE_WRITTEN * _stored(ctx, place, message)
    if (place := _MADE.get(type(message))) and answer is not None:
        return PER_BYTE_WRITTEN * _stored(ctx, place, answer)
    return 0


def job_resized(ctx: Context, before: int, after: int) -> None:
    """Counts the bytes of a job's record that was written: no submission has to read them all to know what
    its scan costs."""
    total = max(0, _job_bytes(ctx) + after - before)
    ctx.state.put(JOB_BYTES, _TOTAL, str(total).encode())


def _scan(ctx: Context) -> int:
    """What the scheduler reads for a submission: every job once for each cluster."""
    jobs = int.from_bytes(ctx.state.get(keyspace.HPC_STORE, keyspace.NEXT_JOB) or bytes([1]), "big") - 1
    clusters = (
        int.from_bytes(ctx.state.get(keyspace.HPC_STORE, keyspace.NEXT_CLUSTER) or bytes([1]), "big") - 1
    )
    return clusters * (PER_CLUSTER + PER_JOB_SCANNED * jobs + PER_BYTE_SCANNED * _job_bytes(ctx))


def _job_bytes(ctx: Context) -> int:
    return int(ctx.state.get(JOB_BYTES, _TOTAL) or b"0")


def _stored(ctx: Context, place: tuple[bytes, str], named_in: Message) -> int:
    """Bytes of the record that the message or answer names; 0 where there is none."""
    prefix, field = place
    return len(ctx.state.get(keyspace.HPC_STORE, keyspace.key(prefix, getattr(named_in, field))))
