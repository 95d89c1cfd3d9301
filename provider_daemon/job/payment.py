"""Whether a job is paid for before it runs (docs/business.md, 'Payment').

A chain that settles moves the agreed price from the customer into escrow when the job is submitted, and
writes the escrow's id on the job. Another chain only copies the price: it is a promise. No query says which
of both a chain does; its job records show it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from provider_daemon.job.admission import Inadmissible
from provider_daemon.job.spec import ChainJob


class PaymentMode(StrEnum):
    """What a site requires before it accepts a job.

    AUTO: escrow where the chain holds it, and elsewhere an agreed price.
    """

    AUTO = "auto"
    ESCROW = "escrow"
    AGREED_PRICE = "agreed-price"
    NONE = "none"


class ChainSettlement(StrEnum):
    """What the chain does with the price that a customer agrees to."""

    ESCROW = "escrow"
    PROMISE = "promise"
    UNKNOWN = "unknown"


SETTLES_NOTHING = "this chain holds no escrow and pays no bills: customers only promise to pay"


@dataclass(frozen=True, slots=True)
class PaymentPolicy:
    """`share`: decimal text, the part of a job's estimate that must be covered, above 0 and at most 1."""

    mode: PaymentMode = PaymentMode.AUTO
    share: str = "1"

    def needed(self, estimate: int) -> int:
        """Returns the amount that must be covered, rounded up."""
        share = Fraction(self.share) * estimate
        return -(-share.numerator // share.denominator)


def settlement_of(record: ChainJob) -> ChainSettlement:
    """Returns what one record shows: nothing, if its customer agreed to no price."""
    if record.escrow_id:
        return ChainSettlement.ESCROW
    return (
        ChainSettlement.PROMISE
        if any(amount for _, amount in record.agreed_price)
        else ChainSettlement.UNKNOWN
    )


def newest_settlement(newest_first: Iterable[ChainJob | None]) -> ChainSettlement:
    """Returns what the newest record shows that shows anything: an upgrade of the chain may change it."""
    shown = (settlement_of(record) for record in newest_first if record)
    return next((kind for kind in shown if kind is not ChainSettlement.UNKNOWN), ChainSettlement.UNKNOWN)


def check_payment(
    policy: PaymentPolicy, settlement: ChainSettlement, record: ChainJob, denom: str, estimate: int
) -> None:
    """Raises Inadmissible with the missing amount. `estimate`: the most that the job can cost, in `denom`."""
    if policy.mode is PaymentMode.NONE:
        return
    if policy.mode is PaymentMode.ESCROW and not record.escrow_id and settlement is ChainSettlement.PROMISE:
        raise Inadmissible(
            "this provider accepts only jobs whose price is in escrow, and this chain holds no escrow: "
            "choose another provider"
        )
    in_escrow = policy.mode is PaymentMode.ESCROW or (
        policy.mode is PaymentMode.AUTO and (bool(record.escrow_id) or settlement is ChainSettlement.ESCROW)
    )
    held = record.escrowed(denom) if in_escrow else record.agreed(denom)
    needed = policy.needed(estimate)
    if held < needed:
        raise Inadmissible(_missing(record, denom, held=held, needed=needed, in_escrow=in_escrow))


def _missing(record: ChainJob, denom: str, *, held: int, needed: int, in_escrow: bool) -> str:
    others = [f"{amount}{each}" for each, amount in record.agreed_price if each != denom and amount]
    ignored = f", and {' and '.join(others)} do not count" if others else ""
    return (
        f"{needed - held}{denom} are missing: {needed}{denom} are required for this job, its "
        f"{'escrow' if in_escrow else 'agreed price'} is {held}{denom}{ignored}; submit it again with "
        f"--max-price {needed}{denom}"
    )
