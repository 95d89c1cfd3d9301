"""The prices of a job: those of its offering and queue when it was submitted.

The chain's job record has no field for them, so they are in a separate store: a later change of the offering
does not change the bill of a job whose escrow was paid by the earlier prices. The reward record repeats them.
"""

from collections.abc import Iterable

from provider_daemon.chain import records
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.devnet.context import Context
from provider_daemon.devnet.failures import INVALID_OFFERING, ChainError
from provider_daemon.errors import Unreadable
from provider_daemon.money.pricing import price_rules, prices_text, read_prices
from provider_daemon.money.rules import Rules
from provider_daemon.money.settlement import DENOM

STORE = "priced"  # job id -> its prices; a job without an entry has the default rates


def check(ctx: Context, offering: types_pb2.HPCOffering) -> None:
    """Raises invalid offering (2103) for prices by which this chain cannot bill."""
    if ctx.rules.settlement == "published":
        return
    try:
        pricing = records.pricing(offering)
    except Unreadable as error:
        raise ChainError(INVALID_OFFERING, str(error)) from error
    if pricing.denom != DENOM:
        raise ChainError(INVALID_OFFERING, f"currency {pricing.denom}: jobs are billed in {DENOM}")


def keep(ctx: Context, job: types_pb2.HPCJob, offering: types_pb2.HPCOffering) -> None:
    """Stores the prices of a job that is submitted now."""
    if ctx.rules.settlement == "published":
        return
    check(ctx, offering)  # an imported offering was not checked yet
    found = prices_text(records.pricing(offering), _multiplier(offering.queue_options, job.queue_name))
    if found:
        ctx.state.put(STORE, job.job_id.encode(), found.encode())


def of(ctx: Context, job_id: str) -> str:
    """Returns a job's prices as `prices_text` writes them."""
    return ctx.state.get(STORE, job_id.encode()).decode()


def rules(ctx: Context, job_id: str) -> Rules:
    """Returns the rules by which the job is billed."""
    return price_rules(ctx.rules.billing, *read_prices(of(ctx, job_id)))


def _multiplier(queues: Iterable[types_pb2.QueueOption], name: str) -> str:
    return next((queue.price_multiplier for queue in queues if queue.partition_name == name), "")
