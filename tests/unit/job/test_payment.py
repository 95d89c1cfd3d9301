"""What must be paid before a job runs."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.admission import Inadmissible
from provider_daemon.job.payment import (
    ChainSettlement,
    PaymentMode,
    PaymentPolicy,
    check_payment,
    newest_settlement,
    settlement_of,
)
from provider_daemon.job.spec import ChainJob
from provider_daemon.job.state import State
from tests.unit.job.jobs import SPEC

FREE = ChainJob(SPEC, State.PENDING)
PROMISED = replace(FREE, agreed_price=(("uvirt", 1_000),))
HELD = replace(PROMISED, escrow_id="hpc-escrow-JOB-7")
ESCROW, PROMISE, UNKNOWN = ChainSettlement


def outcome(
    record: ChainJob,
    settlement: ChainSettlement = UNKNOWN,
    mode: PaymentMode = PaymentMode.AUTO,
    estimate: int = 1_000,
    share: str = "1",
) -> str:
    """Returns why the job is refused, "" if it is not."""
    try:
        check_payment(PaymentPolicy(mode, share), settlement, record, "uvirt", estimate)
    except Inadmissible as reason:
        return str(reason)
    return ""


@pytest.mark.parametrize(
    ("mode", "free", "promised", "held"),
    [
        (PaymentMode.AUTO, (False, False, False), (False, True, True), (True, True, True)),
        (PaymentMode.ESCROW, (False, False, False), (False, False, False), (True, True, True)),
        (PaymentMode.AGREED_PRICE, (False, False, False), (True, True, True), (True, True, True)),
        (PaymentMode.NONE, (True, True, True), (True, True, True), (True, True, True)),
    ],
)
def test_who_is_accepted(
    mode: PaymentMode, free: tuple[bool, ...], promised: tuple[bool, ...], held: tuple[bool, ...]
) -> None:
    """A job without a price, with a promise, and with an escrow, each of the whole estimate, on a chain that
    holds escrow, one that holds none, and one of which nothing is known."""
    for record, expected in ((FREE, free), (PROMISED, promised), (HELD, held)):
        found = tuple(not outcome(record, settlement, mode) for settlement in (ESCROW, PROMISE, UNKNOWN))
        assert found == expected


@pytest.mark.parametrize(
    ("record", "settlement", "text"),
    [
        (
            replace(HELD, agreed_price=(("uvirt", 400),)),
            ESCROW,
            "600uvirt are missing: 1000uvirt are required for this job, its escrow is 400uvirt; submit it "
            "again with --max-price 1000uvirt",
        ),
        (
            replace(HELD, agreed_price=(("uve", 5_000), ("other", 0))),
            ESCROW,
            "1000uvirt are missing: 1000uvirt are required for this job, its escrow is 0uvirt, and 5000uve "
            "do not count; submit it again with --max-price 1000uvirt",
        ),
        (
            replace(PROMISED, agreed_price=(("uvirt", 400), ("uvirt", 599))),
            PROMISE,
            "1uvirt are missing: 1000uvirt are required for this job, its agreed price is 999uvirt; submit "
            "it again with --max-price 1000uvirt",
        ),
    ],
)
def test_the_customer_reads_what_is_missing(record: ChainJob, settlement: ChainSettlement, text: str) -> None:
    """The missing and the needed amount, the denom, and the flag that changes it."""
    assert outcome(record, settlement) == text


def test_escrow_where_there_is_none() -> None:
    """A higher price would not help: the provider must be another one."""
    assert "this chain holds no escrow: choose another provider" in outcome(
        PROMISED, PROMISE, PaymentMode.ESCROW
    )


@given(st.integers(0, 10**15), st.integers(1, 10_000))
def test_a_share_of_the_estimate(estimate: int, parts: int) -> None:
    """Rounded up, exactly: one uvirt less is refused."""
    share = str(Fraction(parts, 10_000))
    needed = PaymentPolicy(share=share).needed(estimate)
    assert needed * 10_000 >= estimate * parts > (needed - 1) * 10_000
    enough = replace(HELD, agreed_price=(("uvirt", needed),))
    assert not outcome(enough, ESCROW, estimate=estimate, share=share)
    if needed:
        less = replace(HELD, agreed_price=(("uvirt", needed - 1),))
        assert outcome(less, ESCROW, estimate=estimate, share=share)


def test_what_records_show() -> None:
    """A price without an escrow is a promise; without a price nothing can be seen. The newest counts: an
    upgrade may have begun to settle."""
    assert [settlement_of(record) for record in (FREE, PROMISED, HELD)] == [UNKNOWN, PROMISE, ESCROW]
    assert settlement_of(replace(FREE, agreed_price=(("uvirt", 0),))) is UNKNOWN
    assert newest_settlement([None, FREE, HELD, PROMISED]) is ESCROW
    assert newest_settlement([FREE, PROMISED, HELD]) is PROMISE
    assert newest_settlement([FREE]) is UNKNOWN
