"""The books over a devnet: jobs that are paid, fees of every kind, coins sent and received."""

from pathlib import Path

import pytest

from provider_daemon.books import keeper as keeping
from provider_daemon.books import reader
from provider_daemon.books.keeper import Keeper
from provider_daemon.books.loop import BookKeeping
from provider_daemon.books.months import bounds, month_of
from provider_daemon.books.statement import Kind, Statement, statement
from provider_daemon.chain.accounts import GrpcAccounts
from provider_daemon.chain.proto.cosmos.bank.v1beta1.bank_pb2 import MsgSend
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.chain.sign import LocalSigner
from provider_daemon.devnet import bank
from provider_daemon.devnet.context import ChainRules
from provider_daemon.job.state import State
from provider_daemon.ledger import books
from tests.fakes.chain import ALICE, BOB, CHAIN_ID, PROVIDER, cancel, job
from tests.unit.loops.conftest import House


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "PAUSE_SECONDS", 0.0)


def keeper(house: House) -> Keeper:
    return Keeper(house.ledger, GrpcAccounts(house.chain.client), ["HPC-1"], [PROVIDER.address], "uve")


async def note(house: House) -> None:
    """The daemon's loop makes its next note."""
    house.chain.clock.time += 600
    await BookKeeping(house.ledger, keeper(house), house.chain.clock).tick()


async def present(house: House) -> Statement:
    """Returns the statement of the current month, as the command makes it."""
    step = await keeper(house).step(house.chain.clock.now(), thorough=True)
    return statement(reader.read(house.ledger, month_of(house.chain.clock.now()), step))


async def balance(house: House, denom: str, who: LocalSigner = PROVIDER) -> int:
    return await house.chain.client.balance(who.address, denom)


def send(source: LocalSigner, target: LocalSigner, amount: int, denom: str = "uvirt") -> MsgSend:
    return MsgSend(
        from_address=source.address,
        to_address=target.address,
        amount=[Coin(denom=denom, amount=str(amount))],
    )


async def run(house: House, *jobs: tx_pb2.MsgSubmitJob) -> None:
    """The jobs run for a while, end, and are reported."""
    await house.chain.send(ALICE, *jobs)
    await house.round()
    house.scheduler.run()
    await house.round()
    house.scheduler.end(State.COMPLETED)
    await house.round()
    await house.round()


PRICED = job(max_price=[Coin(denom="uvirt", amount="1000000")])


async def test_the_statement_explains_the_balance_to_the_coin(house: House) -> None:
    """Payments, a withdrawal, a top-up, and fees: of the daemon, of a hand, of a failed transaction."""
    await note(house)
    opened = {denom: await balance(house, denom) for denom in ("uve", "uvirt")}
    await run(house, PRICED, PRICED)
    assert (await house.chain.send(PROVIDER, send(PROVIDER, BOB, 300))).ok
    assert (await house.chain.send(BOB, send(BOB, PROVIDER, 77, "uve"))).ok
    assert not (await house.chain.send(PROVIDER, send(PROVIDER, BOB, 10**18))).ok
    found = await present(house)
    assert found.agrees
    assert (found.paid.jobs, found.missing) == (2, 0)
    totals = {total.denom: total for total in found.totals}
    assert totals["uvirt"].opening == opened["uvirt"]
    assert totals["uvirt"].closing == await balance(house, "uvirt")
    assert totals["uvirt"].earned == found.paid.provider_reward > 0
    assert (totals["uvirt"].sent, totals["uve"].received) == (300, 77)
    assert totals["uve"].closing == await balance(house, "uve")
    assert totals["uve"].fees == opened["uve"] + 77 - totals["uve"].closing > 100_000
    assert found.paid.escrowed == 2_000_000
    assert found.paid.refund == 2_000_000 - found.paid.platform_fee - found.paid.provider_reward


async def test_notes_of_the_daemon_and_the_present_are_one_account(house: House) -> None:
    """A job is booked once, however many notes follow, and however long it stays open in the ledger."""
    await note(house)
    await run(house, PRICED)
    await note(house)
    await note(house)
    await run(house, PRICED)
    await note(house)
    found = await present(house)
    assert found.agrees
    payments = [entry for entry in found.entries if entry.kind is Kind.PAYMENT]
    assert [entry.job.job_id for entry in payments if entry.job] == ["JOB-1", "JOB-2"]
    assert sum(entry.amount for entry in payments) == found.totals[-1].earned


async def test_what_was_paid_before_the_books_were_opened(house: House) -> None:
    """It is in the opening balance, and is no payment of the month."""
    await run(house, PRICED)
    await note(house)
    await run(house, PRICED)
    found = await present(house)
    assert found.agrees
    assert [entry.job.job_id for entry in found.entries if entry.job] == ["JOB-2"]


async def test_a_cancelled_job_and_one_that_never_ran(house: House) -> None:
    """The customer's cancel is paid by the request, a refused job is refunded whole: both are explained."""
    await note(house)
    await house.chain.send(ALICE, PRICED, job(queue_name="nowhere", max_price=PRICED.max_price))
    await house.round()
    house.scheduler.run()
    await house.round()
    house.chain.block(seconds=120)
    await house.chain.send(ALICE, cancel("JOB-1"))
    await house.round()
    found = await present(house)
    assert found.agrees
    rewards = {entry.job.job_id: entry.amount for entry in found.entries if entry.job}
    assert rewards["JOB-1"] > 0 == rewards["JOB-2"]


async def test_unpaid_jobs(house: House) -> None:
    """A job that the chain settles a day later is unpaid until then, with its total."""
    house.chain.devnet.blocks.rules = ChainRules(chain_id=CHAIN_ID, settle_seconds=86_400)
    await note(house)
    await run(house, PRICED)
    await note(house)
    (unpaid,) = books.unpaid(house.ledger)
    assert (unpaid.jobs, unpaid.disputed) == (1, False)
    found = await present(house)
    assert found.agrees
    assert (found.paid.jobs, found.unpaid.jobs, found.unpaid.total) == (0, 1, unpaid.total)
    house.chain.block(seconds=90_000)
    later = await present(house)
    assert later.agrees
    assert (later.paid.total, later.unpaid.jobs) == (unpaid.total, 0)


async def test_a_chain_that_settles_nothing(tmp_path: Path, house: House) -> None:
    """Its jobs stay unpaid without a total, and only fees move."""
    house.chain.devnet.blocks.rules = ChainRules(chain_id=CHAIN_ID, settlement="published")
    await note(house)
    await run(house, PRICED)
    found = await present(house)
    assert found.agrees
    assert (found.paid.jobs, found.unpaid.jobs, found.unpaid.total) == (0, 1, 0)
    assert books.unpaid(house.ledger) == []


async def test_a_balance_that_nothing_explains(house: House) -> None:
    """It has an entry of its own, and the statement says that it does not agree."""
    await note(house)
    bank.credit(house.chain.devnet.blocks.state, PROVIDER.address, "uvirt", 5)
    found = await present(house)
    assert not found.agrees
    assert [(entry.kind, entry.amount) for entry in found.entries if entry.kind is Kind.OTHER] == [
        (Kind.OTHER, 5)
    ]


async def test_a_month_that_is_over_stands_in_the_ledger(house: House) -> None:
    """After the turn of the month its statement needs no chain, and the next one begins where it ended."""
    await note(house)
    await run(house, PRICED)
    await note(house)
    month = month_of(house.chain.clock.now())
    house.chain.clock.time = bounds(month)[1] + 5
    house.chain.block()
    await note(house)
    old = statement(reader.read(house.ledger, month))
    new = statement(reader.read(house.ledger, month_of(house.chain.clock.now())))
    assert old.agrees
    assert new.agrees
    assert [each.closing for each in old.totals] == [each.opening for each in new.totals]
    assert (old.paid.jobs, new.paid.jobs) == (1, 0)


async def test_a_paid_job_that_stays_open_here_is_booked_once(house: House) -> None:
    """The chain has paid it, and the ledger has not closed it yet, over several notes."""
    await note(house)
    await house.chain.send(ALICE, PRICED)
    await house.round()
    house.scheduler.run()
    await house.round()
    house.scheduler.end(State.COMPLETED)
    await house.round()
    open_job = house.ledger.job("JOB-1")
    assert open_job is not None
    assert open_job.closed_at is None
    await note(house)
    await note(house)
    found = await present(house)
    assert found.agrees
    assert [entry.job.job_id for entry in found.entries if entry.job] == ["JOB-1"]
