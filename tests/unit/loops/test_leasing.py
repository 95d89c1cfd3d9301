"""Jobs get a Unix user of the site's pool: each customer one of his own, and none is shared."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
import structlog

from provider_daemon.job import leases
from provider_daemon.job.leases import COMMAND_SECONDS, LeaseState, Remains
from provider_daemon.job.naming import DIGITS
from provider_daemon.job.state import State
from provider_daemon.ledger import leases as stored
from provider_daemon.loops.advance import Advance
from provider_daemon.loops.cluster import PoolPolicy
from provider_daemon.loops.lease_return import LeaseReturn
from provider_daemon.ongoing import OngoingProblems
from tests.fakes.chain import ALICE, BOB, TestChain, cancel, job
from tests.fakes.pool import FakePoolSite
from tests.fakes.scheduler import FakeScheduler
from tests.unit.loops.conftest import TENANCY, House

DAY = 86_400.0
POOL = PoolPolicy(("u1", "u2"), quarantine_seconds=DAY, results_seconds=14 * DAY)


class PoolHouse(House):
    """`policy` and `site` stay over a restart, as the configuration and the site do."""

    policy: PoolPolicy
    site: FakePoolSite

    def open(self) -> None:
        super().open()
        self.ongoing, clock = OngoingProblems(), self.chain.clock
        served = replace(TENANCY, pool=self.policy)
        self.advance = Advance(
            self.ledger, self.scheduler, served, clock, lambda: None, self.ongoing, pool_site=self.site
        )
        self.returning = LeaseReturn(self.ledger, self.site, served, clock, self.ongoing)
        self.ledger.claim("test-1")

    def reopen(self, policy: PoolPolicy) -> None:
        self.policy = policy
        self.restart()

    def leases(self) -> dict[str, tuple[str, LeaseState]]:
        return {
            lease.user: (lease.customer, lease.state) for lease in stored.open_leases(self.ledger, "HPC-1")
        }

    def users(self) -> list[str]:
        """Of the submissions so far."""
        return [order.user for order in self.scheduler.orders]

    async def finish(self) -> None:
        """Ends all jobs, and reports them."""
        self.scheduler.run()
        await self.round()
        self.scheduler.end(State.COMPLETED)
        for _ in range(3):
            await self.round()


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[PoolHouse]:
    chain = await TestChain().start()
    await chain.open_shop()
    PoolHouse.policy, PoolHouse.site = POOL, FakePoolSite(chain.clock)
    made = PoolHouse(chain, FakeScheduler(chain.clock), tmp_path / "ledger.sqlite")
    await made.advance.tick()  # the ledger is older than the jobs
    yield made
    made.ledger.close()
    await chain.stop()


OURS = leases.owner("test-1", "HPC-1")


def line(customer: str) -> str:
    return leases.content(customer, OURS)


async def test_each_customers_jobs_run_as_a_user_of_his_own(house: PoolHouse) -> None:
    """All of one customer's as the same, in that user's directory, after the site's file named him."""
    await house.chain.send(ALICE, job(), job())
    await house.chain.send(BOB, job(BOB))
    await house.round()
    assert sorted(house.users()) == ["u1", "u1", "u2"]
    assert all(order.directory.startswith(f"/work/{order.user}/ve-") for order in house.scheduler.orders)
    assert {user: found for user, (found, _) in house.site.files.items()} == {
        "u1": line(ALICE.address),
        "u2": line(BOB.address),
    }
    assert [event.detail for event in house.ledger.events_of("JOB-1") if event.what == "user"] == ["u1"]


async def test_a_job_waits_while_no_user_is_free(house: PoolHouse) -> None:
    """It is not refused and loses no attempt; the operator is told, and it starts when one is returned."""
    house.reopen(replace(POOL, users=("u1",), results_seconds=0.0))
    await house.chain.send(ALICE, job())
    await house.round()
    await house.chain.send(BOB, job(BOB))
    for _ in range(3):
        await house.round()
    waiting = house.ledger.job("JOB-2")
    assert waiting is not None
    assert (waiting.attempt, waiting.state, await house.state("JOB-2")) == (0, State.PENDING, "pending")
    assert house.ongoing.lasting() == [("pool_exhausted", "alpha")]
    await house.finish()
    await house.returning.tick()
    house.chain.clock.time += DAY
    await house.returning.tick()
    await house.round()
    assert (house.users(), house.ongoing.lasting()) == (["u1", "u1"], [])
    assert house.site.files["u1"][0] == line(BOB.address)


async def test_a_lost_answer_of_a_claim_is_asked_again(house: PoolHouse) -> None:
    """Nothing runs before the file is read back; then the same customer has the same user."""
    house.site.lose_answers = True
    await house.chain.send(ALICE, job())
    await house.round()
    assert (house.users(), house.leases()) == ([], {"u1": (ALICE.address, LeaseState.CLAIMING)})
    assert house.ongoing.lasting() == [("lease_files_unusable", "alpha")]
    house.restart()
    house.site.lose_answers = False
    await house.round()
    assert (house.users(), len(house.site.files)) == (["u1"], 1)


@pytest.mark.parametrize("found", [f"ve1other {OURS}", "ve1other other-1/HPC-1", "?"])
async def test_a_user_that_the_site_gave_to_others_is_not_used(house: PoolHouse, found: str) -> None:
    """By another daemon, another chain, or by hand. The operator is told of those that are not ours."""
    house.site.files["u1"] = found, 0.0
    await house.chain.send(ALICE, job())
    with structlog.testing.capture_logs() as logs:
        await house.round()
    assert (house.users(), house.site.files["u1"]) == (["u2"], (found, 0.0))
    assert ("lease_foreign" in [entry["event"] for entry in logs]) == (OURS not in found)


async def test_a_lease_that_the_site_gave_away_ends_before_the_next_submission(house: PoolHouse) -> None:
    """A second daemon had returned the user meanwhile: the next job of the customer gets another one."""
    await house.chain.send(ALICE, job())
    await house.round()
    await house.finish()
    house.site.files["u1"] = line(BOB.address), house.chain.clock.now()
    await house.chain.send(ALICE, job())
    with structlog.testing.capture_logs() as logs:
        await house.round()
        assert house.users() == ["u1"]
        await house.round()
    assert house.users() == ["u1", "u2"]
    assert "lease_lost" in [entry["event"] for entry in logs]


async def test_leases_of_a_lost_ledger_come_back_from_the_site(house: PoolHouse) -> None:
    """The customer's next job runs as the same user, another customer's as another."""
    await house.chain.send(ALICE, job())
    await house.round()
    await house.finish()
    house.lose_ledger()
    house.open()
    await house.advance.tick()
    house.chain.clock.time += 61
    await house.chain.send(BOB, job(BOB))
    await house.chain.send(ALICE, job())
    for _ in range(3):
        await house.round()
        house.chain.clock.time += 61
    assert sorted(house.users()) == ["u1", "u1", "u2"]
    assert house.leases()["u1"][0] == ALICE.address


async def test_jobs_in_flight_keep_their_user_when_a_pool_is_configured(house: PoolHouse) -> None:
    """And when it is given up: a job stays where it was submitted, later ones follow the configuration."""
    house.reopen(replace(POOL, users=()))
    await house.chain.send(ALICE, job())
    await house.round()
    house.reopen(POOL)
    await house.chain.send(ALICE, job())
    await house.round()
    house.reopen(replace(POOL, users=()))
    await house.chain.send(ALICE, job())
    await house.round()
    assert house.users() == ["", "u1", ""]
    jobs = [house.ledger.job(f"JOB-{number}") for number in (1, 2, 3)]
    assert [found and found.user for found in jobs] == ["", "u1", ""]
    await house.finish()
    assert [await house.state(f"JOB-{number}") for number in (1, 2, 3)] == ["completed"] * 3


async def test_a_user_is_returned_when_nothing_is_left(house: PoolHouse) -> None:
    """After the results' time, and not while anything runs: cleaned, quarantined, free."""
    await house.chain.send(ALICE, job())
    await house.round()
    await house.returning.tick()
    await house.finish()
    await house.returning.tick()
    assert house.leases()["u1"][1] is LeaseState.LEASED
    house.chain.clock.time += POOL.results_seconds
    house.site.left["u1"] = Remains(1, ("7",), (".provd-cache",))
    await house.returning.tick()
    assert (house.leases()["u1"][1], house.site.cleaned) == (LeaseState.RETURNING, [])
    assert house.ongoing.lasting() == [("users_not_returned", "alpha")]
    house.site.left["u1"] = Remains(0, (), (".provd-cache",))
    await house.returning.tick()
    assert (house.leases()["u1"][1], house.site.cleaned) == (LeaseState.QUARANTINED, ["u1"])
    house.chain.clock.time += POOL.quarantine_seconds - 1
    await house.returning.tick()
    assert house.site.files["u1"][0] == line(ALICE.address)
    house.chain.clock.time += 1
    with structlog.testing.capture_logs() as logs:
        await house.returning.tick()
    assert (house.leases(), house.site.files, house.ongoing.lasting()) == ({}, {}, [])
    assert "lease_ended" in [entry["event"] for entry in logs]
    assert stored.of_user(house.ledger, "HPC-1", "u1", 1)[0].state is LeaseState.ENDED


async def test_a_customer_who_comes_back_keeps_the_user(house: PoolHouse) -> None:
    """Out of quarantine, and also while files are deleted, once that command must be over."""
    house.reopen(replace(POOL, users=("u1",), results_seconds=0.0))
    await house.chain.send(ALICE, job())
    await house.round()
    await house.finish()
    house.site.left["u1"], house.site.stuck = Remains(0, (), ("x",)), {"u1"}
    await house.returning.tick()
    assert house.leases()["u1"][1] is LeaseState.RETURNING
    await house.chain.send(ALICE, job())
    await house.round()
    assert house.users() == ["u1"]
    house.chain.clock.time += COMMAND_SECONDS
    await house.round()
    assert (house.users(), house.leases()["u1"][1]) == (["u1", "u1"], LeaseState.LEASED)


async def test_directories_of_unknown_jobs_stay_until_an_operator_decides(house: PoolHouse) -> None:
    """After a lost ledger they may hold results; a forced return deletes them, and never what still runs."""
    house.site.files["u1"] = line(ALICE.address), 0.0
    await house.chain.send(BOB, job(BOB))
    await house.round()
    house.chain.clock.time += POOL.results_seconds + 1
    house.site.left["u1"] = Remains(0, (), (f"ve-{'0' * DIGITS}-JOB-9.0a1b2c3d",))
    await house.returning.tick()
    await house.returning.tick()
    assert (house.leases()["u1"][1], house.site.cleaned) == (LeaseState.RETURNING, [])
    with house.ledger.write():
        (lease,) = (each for each in stored.open_leases(house.ledger, "HPC-1") if each.user == "u1")
        stored.save(house.ledger, [replace(lease, forced=True)])
    await house.returning.tick()
    assert (house.leases()["u1"][1], house.site.cleaned) == (LeaseState.QUARANTINED, ["u1"])


async def test_what_appears_in_quarantine_starts_it_again(house: PoolHouse) -> None:
    """A process or file that was overlooked is never handed to the next customer."""
    house.reopen(replace(POOL, results_seconds=0.0))
    await house.chain.send(ALICE, job())
    await house.round()
    await house.finish()
    await house.returning.tick()
    house.chain.clock.time += DAY
    house.site.left["u1"] = Remains(0, (), ("late",))
    await house.returning.tick()
    assert house.leases()["u1"][1] is LeaseState.RETURNING
    await house.returning.tick()
    await house.returning.tick()
    assert house.leases()["u1"][1] is LeaseState.QUARANTINED


async def test_an_older_ledger_deletes_nothing_of_the_users_next_customer(house: PoolHouse) -> None:
    """A copy of the ledger was put back, and the site's lease file names somebody else meanwhile."""
    house.reopen(replace(POOL, results_seconds=0.0))
    await house.chain.send(ALICE, job())
    await house.round()
    await house.finish()
    house.site.files["u1"] = line(BOB.address), house.chain.clock.now()
    house.site.left["u1"] = Remains(0, (), ("bobs",))
    await house.returning.tick()
    assert (house.site.cleaned, house.leases()) == ([], {"u1": (BOB.address, LeaseState.LEASED)})


async def test_one_user_that_cannot_be_returned_stops_no_other(house: PoolHouse) -> None:
    """The next one is returned in the same tick."""
    house.reopen(replace(POOL, results_seconds=0.0))
    await house.chain.send(ALICE, job())
    await house.chain.send(BOB, job(BOB))
    await house.round()
    await house.finish()
    house.site.left["u1"], house.site.stuck = Remains(0, (), ("x",)), {"u1"}
    await house.returning.tick()
    assert [state for _, state in house.leases().values()] == [LeaseState.RETURNING, LeaseState.QUARANTINED]


async def test_a_site_without_lease_files_delays_only_new_customers(house: PoolHouse) -> None:
    """Known customers' jobs are polled, reported and cancelled as before."""
    await house.chain.send(ALICE, job())
    await house.round()
    house.site.down = True
    await house.chain.send(ALICE, cancel())
    await house.round()
    await house.round()
    assert house.scheduler.cancelled == ["1"]
    assert await house.state() == "cancelled"
