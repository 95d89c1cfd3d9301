"""The money of jobs. provider_daemon.money computes who owes what; here it is moved and recorded.

The rest of the module calls:

    open_escrow      when a job is submitted
    settle_usage     once, when a job ended, on its reported usage
    settle_requested once, on what the job requested, where no report can come
    end_block        in every block: finalizes and settles what is due
    dispute_opened   with the dispute's record as it was just stored
    dispute_closed   with the dispute's record as it was just stored
    index            after an import of records: finds again what is to be settled

An accounting is finalized `finalize_seconds` and settled `settle_seconds` after the end of its job (both 0:
in the same transaction). A dispute that is open when it is finalized, or opened before it is settled, stops
the settlement. If the dispute is rejected, the settlement continues. If it is resolved with usage as its
resolution (a JSON object of HPCUsageMetrics' fields), the job is billed again on that usage and settled at
once. If it is resolved with text only, the settlement continues too. Under `published` rules nothing happens
at all.
"""

import json

from provider_daemon.chain import keyspace, messages
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.devnet import bank, charges, money_records, prices
from provider_daemon.devnet.context import Context
from provider_daemon.devnet.failures import INVALID_DISPUTE, ChainError
from provider_daemon.errors import ConfigError
from provider_daemon.job.usage import Usage
from provider_daemon.money import accounting as books
from provider_daemon.money.accounting import AccountingRecord, Status
from provider_daemon.money.documents import Use, read_use
from provider_daemon.money.quantities import Asked, node_hours_seen, use_of
from provider_daemon.money.settlement import pay

# a separate store: job id -> when its accounting is due next, so that no block reads every accounting
UNSETTLED = "unsettled"
OPEN = (types_pb2.DISPUTE_STATUS_PENDING, types_pb2.DISPUTE_STATUS_UNDER_REVIEW)


def open_escrow(ctx: Context, job: types_pb2.HPCJob) -> None:
    """Moves max_price from the customer into escrow and writes its id on the job."""
    if ctx.rules.settlement == "published" or not job.agreed_price:
        return
    for coin in job.agreed_price:
        bank.move(ctx.state, job.customer_address, bank.ESCROW_ADDRESS, coin.denom, int(coin.amount))
    job.escrow_id = f"hpc-escrow-{job.job_id}"


def settle_usage(ctx: Context, job: types_pb2.HPCJob, metrics: types_pb2.HPCUsageMetrics) -> None:
    """Settles on the usage that the provider reported. A job that never ran is refunded in full."""
    _account(ctx, job, messages.usage_of(metrics), None)


def settle_requested(ctx: Context, job: types_pb2.HPCJob, seconds: int | None) -> None:
    """Settles on the requested resources for the given seconds; None means that the job never ran.

    Node-hours are decimal: the chain computes them.
    """
    asked = job.resources
    held = Asked.per_node(
        asked.nodes, asked.cpu_cores_per_node, asked.memory_gb_per_node, asked.gpus_per_node
    )
    usage = Usage() if seconds is None else use_of(held, seconds)
    _account(ctx, job, usage, node_hours_seen(usage, ctx.rules.billing.granularity_seconds))


def end_block(ctx: Context) -> None:
    for key, due in list(ctx.state.scan(UNSETTLED, b"")):
        if int(due) <= ctx.time:
            found = _find(ctx, key.decode())
            assert found is not None
            _advance(ctx, *found)


def dispute_opened(ctx: Context, dispute: types_pb2.HPCDispute) -> None:
    """Stops the settlement. A dispute about a settled job stops nothing: its reward is marked."""
    _mark_reward(ctx, dispute, disputed=True)
    found = _find(ctx, dispute.job_id)
    if found and found[1].settlement_status == Status.FINALIZED:
        _save(ctx, *found, books.dispute(money_records.record(*found)))


def dispute_closed(ctx: Context, dispute: types_pb2.HPCDispute) -> None:
    """Ends a dispute.

    Raises invalid dispute (2114) for a resolution that is a JSON object but not a usage.
    """
    corrected = _corrected_usage(dispute)
    still_open = _disputed(ctx, dispute.job_id)
    if not still_open:
        _mark_reward(ctx, dispute, disputed=False)
    found = _find(ctx, dispute.job_id)
    if found is None or found[1].settlement_status != Status.DISPUTED or still_open:
        return
    job, stored = found
    held = money_records.record(job, stored)
    if corrected is None:
        _save(ctx, job, stored, books.release(held))
        _advance(ctx, job, stored)
    else:
        _correct(ctx, job, stored, held, corrected)


def index(ctx: Context) -> None:
    for stored in ctx.every(types_pb2.JobAccounting, keyspace.JOB_ACCOUNTING):
        _wait(ctx, stored)


# --- the steps of one accounting ---


def _account(ctx: Context, job: types_pb2.HPCJob, usage: Usage, node_hours: int | None) -> None:
    if ctx.rules.settlement == "published" or _find(ctx, job.job_id):
        return  # already accounted for: never twice
    cost, due = charges.charge(ctx, job, usage, node_hours)
    stored = money_records.accounting(job, usage, cost, due, ctx.now, ctx.height)
    _advance(ctx, job, stored)


def _advance(ctx: Context, job: types_pb2.HPCJob, stored: types_pb2.JobAccounting) -> None:
    """Finalizes and settles the accounting as far as is due now."""
    state = money_records.record(job, stored)
    if state.status is Status.PENDING and ctx.time >= _due(ctx, stored):
        state = books.finalize(state, ctx.now.seconds)
        stored.finalized_at.CopyFrom(ctx.now)
        if _disputed(ctx, job.job_id):
            state = books.dispute(state)
    _save(ctx, job, stored, state)
    if state.status is Status.FINALIZED and ctx.time >= _due(ctx, stored):
        _settle(ctx, job, stored, state)


def _settle(
    ctx: Context, job: types_pb2.HPCJob, stored: types_pb2.JobAccounting, state: AccountingRecord
) -> None:
    escrow = money_records.escrow(job, paid=stored.settlement_status == Status.SETTLED)
    due = money_records.due(stored, bank.PLATFORM_ADDRESS)
    _, payments = pay(escrow, due)
    for payment in payments:
        bank.move(ctx.state, bank.ESCROW_ADDRESS, payment.address, payment.denom, payment.amount)
    stored.settlement_id = f"hpc-settlement-{job.job_id}"
    _save(ctx, job, stored, books.settle(state, ctx.now.seconds))
    if due or state.corrects:
        inputs = {
            "corrected_from": state.corrects,
            "discounts": charges.discounts_of(ctx, job.job_id),
            "prices": prices.of(ctx, job.job_id),
        }
        record = money_records.reward(job, stored, due, inputs, ctx.rules.billing.platform_fee_bps)
        record.issued_at.CopyFrom(ctx.now)
        record.block_height = ctx.height
        ctx.store(keyspace.REWARD, record.reward_id, record)


def _correct(
    ctx: Context, job: types_pb2.HPCJob, stored: types_pb2.JobAccounting, held: AccountingRecord, use: Use
) -> None:
    corrected = books.correct(held, use.usage, ctx.now.seconds)
    cost, due = charges.charge(ctx, job, use.usage, use.node_hours)
    fresh = money_records.accounting(job, use.usage, cost, due, stored.created_at, stored.block_height)
    fresh.finalized_at.CopyFrom(ctx.now)
    _save(ctx, job, fresh, corrected)
    _settle(ctx, job, fresh, corrected)


# --- disputes ---


def _disputed(ctx: Context, job_id: str) -> bool:
    return any(
        dispute.job_id == job_id and dispute.status in OPEN
        for dispute in ctx.every(types_pb2.HPCDispute, keyspace.DISPUTE)
    )


def _mark_reward(ctx: Context, dispute: types_pb2.HPCDispute, *, disputed: bool) -> None:
    reward_id = dispute.reward_id or f"hpc-reward-{dispute.job_id}"
    reward = ctx.load(types_pb2.HPCRewardRecord, keyspace.REWARD, reward_id)
    if reward and reward.job_id == dispute.job_id:
        reward.disputed, reward.dispute_id = disputed, dispute.dispute_id
        ctx.store(keyspace.REWARD, reward_id, reward)


def _corrected_usage(dispute: types_pb2.HPCDispute) -> Use | None:
    """Returns the usage in the resolution, or None for a resolution in text."""
    try:
        document = json.loads(dispute.resolution)
    except ValueError:
        return None
    if dispute.status != types_pb2.DISPUTE_STATUS_RESOLVED or not isinstance(document, dict):
        return None
    try:
        return read_use(document)
    except ConfigError as error:
        raise ChainError(
            INVALID_DISPUTE, f"the resolution of {dispute.dispute_id} is no usage: {error}"
        ) from error


# --- the accounting's record ---


def _find(ctx: Context, job_id: str) -> tuple[types_pb2.HPCJob, types_pb2.JobAccounting] | None:
    """Returns the accounting, or None if the job has none."""
    job = ctx.load(types_pb2.HPCJob, keyspace.JOB, job_id)
    stored = ctx.load(types_pb2.JobAccounting, keyspace.JOB_ACCOUNTING, job_id)
    return (job, stored) if job and stored else None


def _save(
    ctx: Context, job: types_pb2.HPCJob, stored: types_pb2.JobAccounting, state: AccountingRecord
) -> None:
    stored.settlement_status = state.status
    ctx.store(keyspace.JOB_ACCOUNTING, job.job_id, stored)
    _wait(ctx, stored)


def _wait(ctx: Context, stored: types_pb2.JobAccounting) -> None:
    """Stores when the next step is due.

    A settled accounting waits for nothing, a disputed one for its dispute.
    """
    waits = stored.settlement_status in (Status.PENDING, Status.FINALIZED)
    ctx.state.put(UNSETTLED, stored.job_id.encode(), str(_due(ctx, stored)).encode() if waits else b"")


def _due(ctx: Context, stored: types_pb2.JobAccounting) -> int:
    """Returns when the next step is due, in nanoseconds since the epoch."""
    rules = ctx.rules
    delay = rules.finalize_seconds if stored.settlement_status == Status.PENDING else rules.settle_seconds
    return stored.created_at.seconds * 10**9 + stored.created_at.nanos + delay * 10**9
