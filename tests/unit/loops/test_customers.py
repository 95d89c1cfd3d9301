"""Customers' limits: what enters the ledger, what stays on chain, and what is submitted."""

from dataclasses import replace
from pathlib import Path

import pytest

from provider_daemon.devnet.context import ChainRules
from provider_daemon.job.customer_limits import REFUSALS_A_MINUTE, CustomerLimits, CustomerPolicy
from provider_daemon.job.state import State
from provider_daemon.ledger import customers, meta
from provider_daemon.ledger.pause import Pause
from provider_daemon.loops import intake
from tests.fakes.chain import ALICE, BOB, CHAIN_ID, TestChain, cancel, job
from tests.fakes.scheduler import FakeScheduler
from tests.unit.loops.conftest import TENANCY, House, house

__all__ = ["house"]


def limit(house: House, policy: CustomerPolicy | None = None, **limits: int) -> None:
    """Reloads the configuration with other limits."""
    served = replace(TENANCY, customers=policy or CustomerPolicy(CustomerLimits(**limits)))
    house.served["HPC-1"] = served
    house.advance.reconfigure(served)


def taken(house: House) -> list[str]:
    return house.ledger.open_ids("HPC-1")


async def submit(house: House, *jobs: object) -> None:
    sent = await house.chain.send(ALICE, *jobs, gas_limit=100_000_000, fee=10_000_000)  # type: ignore[arg-type]
    assert sent.ok


async def test_more_than_may_wait_stays_on_chain(house: House) -> None:
    """Five jobs and two places: three wait on chain as one row, and enter in order as places become free."""
    limit(house, max_waiting=2)
    await submit(house, *(job() for _ in range(5)))
    await house.intake.tick()
    assert taken(house) == ["JOB-1", "JOB-2"]
    (held,) = customers.held(house.ledger)
    assert (held.customer, held.reason, held.jobs) == (ALICE.address, "max_waiting", 3)
    await house.intake.tick()
    assert taken(house) == ["JOB-1", "JOB-2"]
    await house.advance.tick()  # both are submitted, so that none waits in the ledger
    await house.intake.tick()
    assert taken(house) == ["JOB-1", "JOB-2", "JOB-3", "JOB-4"]
    await house.advance.tick()
    await house.intake.tick()
    assert taken(house) == [f"JOB-{number}" for number in range(1, 6)]
    assert customers.held(house.ledger) == ()


async def test_another_customer_is_not_held(house: House) -> None:
    """One customer's jobs stay on chain; another's, submitted later, is taken in the same tick."""
    limit(house, max_waiting=1)
    await submit(house, *(job() for _ in range(3)))
    await house.chain.send(BOB, job(BOB))
    await house.intake.tick()
    assert taken(house) == ["JOB-1", "JOB-4"]


async def test_postponed_jobs_survive_a_restart(house: House) -> None:
    """They are in the ledger as numbers, so a kill forgets none."""
    limit(house, max_waiting=1)
    await submit(house, *(job() for _ in range(2)))
    await house.intake.tick()
    house.restart()
    await house.advance.tick()
    await house.intake.tick()
    assert taken(house) == ["JOB-1", "JOB-2"]


async def test_lifted_limits_apply_to_postponed_jobs(house: House) -> None:
    """After a reload without limits, the next tick takes what was left on chain."""
    limit(house, max_waiting=1)
    await submit(house, *(job() for _ in range(4)))
    await house.intake.tick()
    limit(house)
    await house.intake.tick()
    assert len(taken(house)) == 4


async def test_a_cancelled_job_leaves_the_queue(house: House) -> None:
    """A postponed job that its customer cancels is never submitted."""
    limit(house, max_waiting=1)
    await submit(house, *(job() for _ in range(3)))
    await house.intake.tick()
    await house.chain.send(ALICE, cancel("JOB-2"))
    await house.advance.tick()
    await house.intake.tick()
    await house.advance.tick()
    await house.intake.tick()
    await house.advance.tick()
    names = {found.spec.job_id for found in house.ledger.open_jobs("HPC-1") if found.submitted}
    assert names == {"JOB-1", "JOB-3"}
    assert customers.held(house.ledger) == ()


async def test_submissions_a_minute(house: House) -> None:
    """Two a minute are taken; the next two a minute later."""
    limit(house, submissions_per_minute=2)
    await submit(house, *(job() for _ in range(5)))
    await house.intake.tick()
    house.chain.clock.time += 59
    await house.intake.tick()
    assert len(taken(house)) == 2
    house.chain.clock.time += 2
    await house.intake.tick()
    assert len(taken(house)) == 4


async def test_core_hours_a_day(house: House) -> None:
    """A job counts with what it asked for, and once it is measured with what it used."""
    limit(house, core_hours_per_day=1)  # a job asks for a third
    await submit(house, *(job() for _ in range(5)))
    await house.round()
    assert taken(house) == ["JOB-1", "JOB-2", "JOB-3"]
    house.scheduler.end(State.CANCELLED)  # before they ran
    await house.advance.tick()
    await house.intake.tick()
    assert taken(house)[-2:] == ["JOB-4", "JOB-5"]


async def test_blocked(house: House) -> None:
    """A blocked customer's jobs are reported failed with the reason, a few a minute; others wait on chain."""
    limit(house, CustomerPolicy(blocked={ALICE.address: "unpaid bills"}))
    await submit(house, *(job() for _ in range(REFUSALS_A_MINUTE + 3)))
    await house.round()
    record = await house.chain.client.job("JOB-1")
    assert record is not None
    assert record.state is State.FAILED
    assert record.status_message == "this provider accepts no jobs from this account: unpaid bills"
    (held,) = customers.held(house.ledger)
    assert (held.reason, held.jobs) == ("blocked", 3)
    house.chain.clock.time += 61
    await house.round()
    assert customers.held(house.ledger) == ()
    assert house.scheduler.orders == []


async def test_jobs_in_slurm(house: House) -> None:
    """One customer has max_jobs: the next job waits in the ledger; another customer's is submitted."""
    limit(house, max_jobs=2)
    await submit(house, *(job() for _ in range(3)))
    await house.chain.send(BOB, job(BOB))
    for _ in range(3):
        await house.intake.tick()
        await house.advance.tick()
    assert len(house.scheduler.orders) == 3
    kinds = [event.what for event in house.ledger.events_of("JOB-3")]
    assert kinds == ["adopted", "limited"]


@pytest.mark.parametrize("limits", [CustomerLimits(max_cores=4), CustomerLimits(max_jobs=2)])
async def test_a_slot_becomes_free(house: House, limits: CustomerLimits) -> None:
    """When a job ends, the customer's next one is submitted."""
    limit(house, CustomerPolicy(limits))
    await submit(house, *(job() for _ in range(3)))
    await house.round()
    await house.advance.tick()
    assert len(house.scheduler.orders) == 2
    house.scheduler.run()
    house.scheduler.end(State.COMPLETED)
    await house.advance.tick()
    assert len(house.scheduler.orders) == 3


async def test_a_flood_is_read_in_parts(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many new jobs one tick reads the newest and some of the others, so that the newest never wait."""
    monkeypatch.setattr(intake, "BATCH", 2)
    monkeypatch.setattr(intake, "NEWEST", 4)
    monkeypatch.setattr(intake, "UNREAD", 2)
    limit(house, max_waiting=2)
    await submit(house, *(job() for _ in range(9)))
    await house.chain.send(BOB, job(BOB))
    await house.intake.tick()
    assert taken(house) == ["JOB-1", "JOB-2", "JOB-10"]
    assert house.ledger.get(meta.NEXT_JOB) == 11
    unread = [each for each in customers.held(house.ledger) if not each.customer]
    assert [each.jobs for each in unread] == [4]
    for _ in range(6):
        await house.advance.tick()
        await house.intake.tick()
    assert sorted(taken(house), key=lambda job_id: int(job_id[4:])) == [f"JOB-{n}" for n in range(1, 11)]


async def test_a_counter_that_falls_back(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers that an endpoint invented are not read later."""
    await house.intake.tick()
    with house.ledger.write():
        customers.leave_unread(house.ledger, 1, 50, 0.0)
        house.ledger.set(meta.NEXT_JOB, 51)
    await submit(house, job())
    with pytest.raises(Exception, match="counter is 2"):
        await house.intake.tick()
    await house.intake.tick()
    assert taken(house) == ["JOB-1"]
    assert customers.held(house.ledger) == ()


@pytest.mark.parametrize(
    ("scores", "queries", "message"),
    [
        ({ALICE.address: 50}, "all", ""),
        (
            {ALICE.address: 49},
            "all",
            "the offering requires an identity score of 50, and this account has 49: verify its identity on "
            "chain first",
        ),
        (
            {},
            "all",
            "the offering requires an identity score of 50, and this account has 0: verify its identity on "
            "chain first",
        ),
        (
            {ALICE.address: 100},
            "published",
            "the offering requires an identity score of 50, and this chain has no identity scores: the "
            "provider must lower it to 0",
        ),
    ],
)
async def test_identity_threshold(tmp_path: Path, scores: dict[str, int], queries: str, message: str) -> None:
    """An offering's identity score is required; where the chain has no scores, the job is refused."""
    rules = ChainRules(chain_id=CHAIN_ID, identities=scores, compat="published")
    chain = await TestChain(queries=queries, rules=rules).start()
    await chain.open_shop(required_identity_threshold=50)
    made = House(chain, FakeScheduler(chain.clock), tmp_path / "ledger.sqlite")
    assert (await chain.send(ALICE, job())).ok
    await made.intake.tick()
    known = made.ledger.job("JOB-1")
    assert known is not None
    assert (known.message, known.state) == (message, State.FAILED if message else State.PENDING)
    made.ledger.close()
    await chain.stop()


async def test_a_paused_cluster_takes_no_jobs(house: House) -> None:
    """Jobs stay pending on chain, those in the ledger go on, and the first tick after the pause takes all."""
    await submit(house, job())
    await house.intake.tick()
    paused = meta.pause("HPC-1")
    with house.ledger.write():
        house.ledger.set(paused, Pause("maintenance", "root", 1.0))
    await submit(house, job(), job())
    await house.round()
    assert taken(house) == ["JOB-1"]
    assert await house.state("JOB-1") == "queued"
    (held,) = customers.held(house.ledger)
    assert (held.reason, held.jobs) == ("paused", 2)
    with house.ledger.write():
        house.ledger.set(paused, Pause("maintenance", "root", 1.0, over=True))
    await house.intake.tick()
    assert taken(house) == ["JOB-1", "JOB-2", "JOB-3"]
