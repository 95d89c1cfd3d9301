"""Disputes and parameters."""

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.devnet import bank, settlement
from provider_daemon.devnet.context import Context
from provider_daemon.devnet.failures import (
    DISPUTE_NOT_FOUND,
    INVALID_DISPUTE,
    JOB_NOT_FOUND,
    UNAUTHORIZED,
    ChainError,
)

OPEN = (types_pb2.DISPUTE_STATUS_PENDING, types_pb2.DISPUTE_STATUS_UNDER_REVIEW)
FINAL = (types_pb2.DISPUTE_STATUS_RESOLVED, types_pb2.DISPUTE_STATUS_REJECTED)


def flag_dispute(ctx: Context, message: tx_pb2.MsgFlagDispute) -> tx_pb2.MsgFlagDisputeResponse:
    job = ctx.load(types_pb2.HPCJob, keyspace.JOB, message.job_id)
    if job is None:
        raise ChainError(JOB_NOT_FOUND, message.job_id)
    if message.disputer_address not in (job.customer_address, job.provider_address):
        raise ChainError(
            UNAUTHORIZED, f"{message.disputer_address} is neither customer nor provider of {job.job_id}"
        )
    # the chain increments its counter twice and stores the second value
    number = ctx.next_id(keyspace.NEXT_DISPUTE, step=2)
    dispute_id = f"hpc-dispute-{number + 1}"
    dispute = types_pb2.HPCDispute(
        dispute_id=dispute_id,
        job_id=message.job_id,
        reward_id=message.reward_id,
        disputer_address=message.disputer_address,
        dispute_type=message.dispute_type,
        reason=message.reason,
        evidence=message.evidence,
        status=types_pb2.DISPUTE_STATUS_PENDING,
        created_at=ctx.now,
        block_height=ctx.height,
    )
    ctx.store(keyspace.DISPUTE, dispute_id, dispute)
    settlement.dispute_opened(ctx, dispute)
    return tx_pb2.MsgFlagDisputeResponse(dispute_id=f"DSP-{number}" if ctx.rules.has_quirks else dispute_id)


def resolve_dispute(ctx: Context, message: tx_pb2.MsgResolveDispute) -> tx_pb2.MsgResolveDisputeResponse:
    _governs(ctx, message.resolver_address)
    dispute = ctx.load(types_pb2.HPCDispute, keyspace.DISPUTE, message.dispute_id)
    if dispute is None:
        raise ChainError(DISPUTE_NOT_FOUND, message.dispute_id)
    if dispute.status in FINAL or message.status not in FINAL:
        raise ChainError(INVALID_DISPUTE, f"{message.dispute_id} cannot be resolved so")
    dispute.resolver_address = message.resolver_address
    _close(ctx, dispute, message.status, message.resolution)
    return tx_pb2.MsgResolveDisputeResponse()


def end_unresolved(ctx: Context) -> None:
    """Rejects disputes that nobody resolved within the period; runs in every block.

    Otherwise a settlement could wait forever.
    """
    if ctx.rules.has_quirks:
        return
    period = ctx.params().dispute_resolution_period
    for dispute in ctx.every(types_pb2.HPCDispute, keyspace.DISPUTE):
        if dispute.status in OPEN and ctx.since(dispute.created_at) > period * 10**9:
            _close(ctx, dispute, types_pb2.DISPUTE_STATUS_REJECTED, f"not resolved within {period} s")


def _close(
    ctx: Context, dispute: types_pb2.HPCDispute, status: types_pb2.DisputeStatus.ValueType, resolution: str
) -> None:
    dispute.status, dispute.resolution = status, resolution
    dispute.resolved_at.CopyFrom(ctx.now)
    ctx.store(keyspace.DISPUTE, dispute.dispute_id, dispute)
    settlement.dispute_closed(ctx, dispute)


def update_params(ctx: Context, message: tx_pb2.MsgUpdateParams) -> tx_pb2.MsgUpdateParamsResponse:
    _governs(ctx, message.authority)
    ctx.store(keyspace.PARAMS, "", message.params)
    return tx_pb2.MsgUpdateParamsResponse()


def _governs(ctx: Context, address: str) -> None:
    if address != (ctx.rules.authority or bank.GOVERNANCE):
        raise ChainError(UNAUTHORIZED, f"{address} is not the governance authority")
