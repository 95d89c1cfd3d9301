"""What a transaction costs in gas: a model that gives the figures measured on the chain (FACTS.md, 'Gas'), not the SDK's own meter."""

from google.protobuf.message import Message

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.devnet.context import Context

TX_BASE = 26_000  # signature, account reads and writes
FEE_DEDUCTION = 18_000  # left out of a simulation that carries no fee
PER_TX_BYTE = 10
SIMULATED_SIGNATURE = 68  # bytes: what an empty signature is counted as, a little over the 64 + 2 of a real one
PER_STORED_JOB_BYTE = 36
PER_STORED_JOB = 2_000  # a submission's index grows with every job ever stored

_MESSAGE = {
    tx_pb2.MsgRegisterCluster: 40_000,
    tx_pb2.MsgUpdateCluster: 28_000,
    tx_pb2.MsgDeregisterCluster: 28_000,
    tx_pb2.MsgCreateOffering: 42_000,
    tx_pb2.MsgUpdateOffering: 40_000,
    tx_pb2.MsgSubmitJob: 150_000,
    tx_pb2.MsgCancelJob: 12_000,
    tx_pb2.MsgReportJobStatus: 7_000,
    tx_pb2.MsgUpdateNodeMetadata: 50_000,
    tx_pb2.MsgFlagDispute: 24_000,
    tx_pb2.MsgResolveDispute: 24_000,
    tx_pb2.MsgUpdateParams: 20_000,
}
_OTHER = 20_000


def of_size(size: int, *, simulate: bool) -> int:
    """`size`: bytes of the transaction as it was sent."""
    return PER_TX_BYTE * (size + (SIMULATED_SIGNATURE if simulate else 0))


def of_checks(fee: int) -> int:
    return TX_BASE + (FEE_DEDUCTION if fee else 0)


def of_message(ctx: Context, message: Message) -> int:
    """Before the message is carried out."""
    base = _MESSAGE.get(type(message), _OTHER)
    if isinstance(message, tx_pb2.MsgReportJobStatus | tx_pb2.MsgCancelJob):
        stored = ctx.state.get(keyspace.HPC_STORE, keyspace.key(keyspace.JOB, message.job_id))
        return base + PER_STORED_JOB_BYTE * len(stored)
    if isinstance(message, tx_pb2.MsgSubmitJob):
        counter = ctx.state.get(keyspace.HPC_STORE, keyspace.NEXT_JOB)
        return base + PER_STORED_JOB * int.from_bytes(counter, "big")
    return base
