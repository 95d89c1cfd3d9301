"""The wrappers around chain, SLURM and ledger, over the real loops: what happens is counted once, at the
right place."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
import structlog
from prometheus_client import CollectorRegistry

from provider_daemon.chain.broadcast import INDEX_LAG
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.config.model import default_toml, parse
from provider_daemon.devnet import bank
from provider_daemon.doctor import gather_keys
from provider_daemon.errors import Transient, TurnedAway, Unreadable
from provider_daemon.job.claim import CLAIMED, Claim
from provider_daemon.job.payment import ChainSettlement
from provider_daemon.job.snapshot import Snapshot
from provider_daemon.job.state import State
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.loops.advance import Advance
from provider_daemon.loops.heartbeat import Heartbeat
from provider_daemon.loops.intake import Intake
from provider_daemon.loops.outbox import Outbox
from provider_daemon.metrics import catalog
from provider_daemon.metrics.chain import MeasuredChain
from provider_daemon.metrics.collector import DaemonCollector
from provider_daemon.metrics.ledger import MeasuredLedger, Measures
from provider_daemon.metrics.meters import Meters
from provider_daemon.metrics.scheduler import MeasuredScheduler
from provider_daemon.metrics.wallet import Wallet
from provider_daemon.money.bill import bill
from provider_daemon.planning.gas import daily_fees, idle_gas
from provider_daemon.ports import Watch
from tests.fakes.chain import ALICE, PROVIDER, TestChain, job, report
from tests.fakes.scheduler import FakeScheduler
from tests.unit.loops.conftest import TENANCY, House
from tests.unit.metrics.parts import parts

CLUSTERS = parse(default_toml(), "provd.toml").clusters
HPC = {"cluster": "HPC-1"}


class MeasuredHouse(House):
    """The loops as the daemon wires them."""

    idle_gas = 0.0

    def open(self) -> None:
        clock = self.chain.clock
        self.meters = Meters()
        self.measured = MeasuredChain(self.chain.client, self.meters, clock)
        self.ledger = self.watched = MeasuredLedger.open(self.path)
        self.watched.measure(
            Measures(self.meters, clock, "uve", self.measured.occupied), ["HPC-1"], [PROVIDER.address]
        )
        slurm = MeasuredScheduler(self.scheduler, self.meters, "HPC-1", clock)
        self.intake = Intake(self.ledger, self.measured, {"HPC-1": TENANCY}, clock, lambda: None)
        self.advance = Advance(self.ledger, slurm, TENANCY, clock, lambda: None)
        self.outbox = Outbox(self.ledger, self.measured, PROVIDER, self.settings, clock, lambda: None)
        self.heartbeat = Heartbeat(self.ledger, slurm, self.measured, TENANCY, clock)
        self.wallet = Wallet(
            self.ledger, self.measured, [PROVIDER.address], "uve", self.meters, clock, lambda _: self.idle_gas
        )

    def value(self, name: str, **labels: str) -> float | None:
        registry = CollectorRegistry()
        found = parts(
            self.ledger, self.path, meters=self.meters, clock=self.chain.clock, signers=[PROVIDER.address]
        )
        registry.register(DaemonCollector(found))
        return registry.get_sample_value(name, labels)

    def transactions(self, outcome: str, cause: str) -> float | None:
        return self.value("provd_transactions_total", outcome=outcome, cause=cause)


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[MeasuredHouse]:
    chain = await TestChain().start()
    await chain.open_shop()
    made = MeasuredHouse(chain, FakeScheduler(chain.clock), tmp_path / "ledger.sqlite")
    await made.advance.tick()
    yield made
    made.ledger.close()
    await chain.stop()


async def whole_life(house: MeasuredHouse) -> None:
    """One job from the chain to its confirmed end, each step a few seconds after the one before."""
    await house.chain.send(ALICE, job())
    house.chain.clock.time += 3
    await house.round()
    house.chain.clock.time += 20
    house.scheduler.run()
    await house.round()
    house.chain.clock.time += 100
    house.scheduler.end(State.COMPLETED)
    await house.round()
    await house.round()


async def test_time_in_each_state(house: MeasuredHouse) -> None:
    """Of one job: each state once, as long as it was in it; and nothing of it is left."""
    await whole_life(house)
    count = "provd_job_state_duration_seconds_count"
    assert {
        stage: house.value(count, state=stage, **HPC) for stage in ("pending", "queued", "running", "ended")
    } == {"pending": 1, "queued": 1, "running": 1, "ended": 1}
    total = "provd_job_state_duration_seconds_sum"
    assert house.value(total, state="pending", **HPC) == 0
    assert house.value(total, state="queued", **HPC) == 21
    assert house.value(total, state="running", **HPC) == 101


async def test_latencies(house: MeasuredHouse) -> None:
    """From the block of the job to its SLURM id; from each stored report to the block that has it."""
    await whole_life(house)
    assert house.value("provd_submission_latency_seconds_count", **HPC) == 1
    assert house.value("provd_submission_latency_seconds_sum", **HPC) == 3
    assert house.value("provd_report_latency_seconds_count", **HPC) == 3
    assert house.value("provd_report_latency_seconds_sum", **HPC) == 3


async def test_transactions_gas_and_fees(house: MeasuredHouse) -> None:
    """What the ledger's rows say, added up."""
    await whole_life(house)
    rows = house.ledger.last_txs(10)
    who = {"signer": PROVIDER.address}
    assert house.transactions("included", "none") == len(rows) == 3
    assert house.value("provd_gas_used_total", **who) == sum(row.gas_used for row in rows)
    assert house.value("provd_fees_total", denom="uve", **who) == sum(row.fee for row in rows)
    assert house.value("provd_outbox_last_progress_timestamp_seconds", **who) == house.chain.clock.now() - 1
    assert (house.value("provd_gas_price", denom="uve") or 0) > 0


async def test_money_of_confirmed_reports(house: MeasuredHouse) -> None:
    """Billed when the final report is in a block, unsettled before."""
    await house.chain.send(ALICE, job())
    await house.round()
    house.scheduler.run()
    await house.round()
    house.scheduler.end(State.COMPLETED)
    await house.advance.tick()
    ended = house.ledger.job("JOB-1")
    assert ended is not None
    assert ended.usage is not None
    money = {"denom": "uvirt", **HPC}
    assert house.value("provd_estimated_total", **money) == ended.estimate == 14_999
    assert house.value("provd_escrowed_total", **money) == 1_000_000
    cost = bill(ended.usage).total
    assert (house.value("provd_billed_total", **money), house.value("provd_unsettled", **money)) == (0, cost)
    await house.report()
    assert (house.value("provd_billed_total", **money), house.value("provd_unsettled", **money)) == (cost, 0)


async def test_a_refused_job_has_no_value(house: MeasuredHouse) -> None:
    """Neither what it could have cost nor what was held for it counts."""
    await house.chain.send(ALICE, job(max_price=[Coin(denom="uvirt", amount="5")]))
    await house.round()
    money = {"denom": "uvirt", **HPC}
    assert house.value("provd_estimated_total", **money) == house.value("provd_escrowed_total", **money) == 0


async def test_what_the_chain_settles(house: MeasuredHouse) -> None:
    """One of three is 1."""

    def shown() -> dict[str, float | None]:
        return {
            kind.value: house.value("provd_chain_settlement", settlement=kind.value)
            for kind in ChainSettlement
        }

    assert shown() == {"escrow": 0, "promise": 0, "unknown": 1}
    await house.chain.send(ALICE, job())
    await house.round()
    assert shown() == {"escrow": 1, "promise": 0, "unknown": 0}


async def test_expired_and_foreign_transactions(house: MeasuredHouse) -> None:
    """An expired one is told from one whose sequence somebody else used."""
    await house.chain.send(ALICE, job())
    for cause in ("timeout", "foreign_transaction"):
        await house.intake.tick()
        await house.advance.tick()
        await house.outbox.tick()
        house.chain.forget_mempool()
        if cause == "foreign_transaction":
            await house.chain.send(PROVIDER, report("queued"))
        for _ in range(house.settings.timeout_blocks + INDEX_LAG + 1):
            house.chain.block()
        await house.outbox.tick()
        assert house.transactions("expired", cause) == 1
        house.chain.forget_mempool()
        for _ in range(house.settings.timeout_blocks + INDEX_LAG + 1):
            house.chain.block()


async def test_empty_wallet(house: MeasuredHouse) -> None:
    """Nothing is sent that the account cannot pay for; the balance is what the chain says, the runway what
    fees make of it."""
    await whole_life(house)
    await house.wallet.tick()
    who = {"signer": PROVIDER.address}
    balance, fees = (
        house.value("provd_wallet_balance", denom="uve", **who),
        house.value("provd_fees_total", denom="uve", **who),
    )
    assert balance
    assert fees
    assert house.value("provd_wallet_runway_seconds", **who) == pytest.approx(balance / fees * 86_400)
    house.idle_gas = 1e9
    await house.wallet.tick()
    assert house.value("provd_wallet_runway_seconds", **who) == pytest.approx(
        balance / (1e9 * 1.2 * 0.025) * 86_400
    )
    await house.chain.send(ALICE, job())
    state = house.chain.devnet.blocks.state
    bank.move(state, PROVIDER.address, ALICE.address, "uve", int(balance))
    await house.intake.tick()
    await house.advance.tick()
    await house.outbox.tick()
    assert house.outbox.stalled(house.chain.clock.now()).startswith("wallet_empty: ")
    assert house.transactions("refused", "insufficient_funds") == 0


POLLED = {
    catalog.WALLET_BALANCE: 180,
    catalog.WALLET_RUNWAY: 180,
    catalog.GAS_PRICE: 600,
    catalog.SLURM_NODES: 300,
}


@pytest.mark.parametrize(
    ("family", "seconds"), POLLED.items(), ids=lambda value: getattr(value, "name", str(value))
)
async def test_what_was_asked_for_is_absent_when_nobody_answers(
    house: MeasuredHouse, family: catalog.Family, seconds: int
) -> None:
    """So long after the last answer, and there until then: never the last value for ever."""
    await whole_life(house)
    await house.wallet.tick()
    await house.heartbeat.tick()
    told = (
        house.chain.clock.now() if family is not catalog.GAS_PRICE else house.ledger.last_txs(1)[0].created_at
    )
    assert house.meters.current(family, told + seconds - 1)
    assert not house.meters.current(family, told + seconds)


async def test_only_moments_are_held_for_ever(house: MeasuredHouse) -> None:
    """Whatever else the wrappers were told ends by itself: there is no other polled value than those
    above."""
    await whole_life(house)
    await house.wallet.tick()
    await house.heartbeat.tick()
    ever = {
        family.name
        for family in catalog.CATALOG
        if house.meters.current(family, house.chain.clock.now() + 1e9)
    }
    now = {family for family in catalog.CATALOG if house.meters.current(family, house.chain.clock.now())}
    assert all(name.endswith("_timestamp_seconds") for name in ever)
    assert {family for family in now if family.name not in ever} == set(POLLED)


async def test_slurm_jobs_without_a_claim_are_counted_once(house: MeasuredHouse) -> None:
    """However many polls show them."""
    name = "provd_slurm_jobs_without_claim_total"
    assert house.value(name, reason="duplicate", **HPC) == 0
    await house.chain.send(ALICE, job())
    await house.round()
    (submitted,) = house.scheduler.orders
    house.scheduler.run()
    house.scheduler.end(State.FAILED, CLAIMED)
    (seen,) = house.scheduler.jobs[submitted.name]
    house.scheduler.jobs[submitted.name] = [replace(seen, duplicate=Claim("7", "/work/other"))]
    for _ in range(3):
        await house.advance.tick()
    assert house.value(name, reason="duplicate", **HPC) == 1
    assert house.value(name, reason="unclaimed", **HPC) == 0
    assert house.value("provd_jobs_parked", reason="duplicate", **HPC) == 1


async def test_slurm_answers(house: MeasuredHouse) -> None:
    """Each question by what came back; an outage leaves the last success where it was, and the nodes unknown
    after a while."""
    await house.heartbeat.tick()
    assert house.value("provd_slurm_nodes", state="usable", **HPC) == house.scheduler.hosts
    success = house.value("provd_slurm_last_success_timestamp_seconds", **HPC)
    house.chain.clock.time += 301
    house.scheduler.down = True
    with pytest.raises(Transient):
        await house.heartbeat.tick()
    assert house.value("provd_slurm_queries_total", query="nodes", **HPC) == 2
    assert house.value("provd_slurm_query_duration_seconds_count", **HPC) == 2
    assert house.value("provd_slurm_query_failures_total", outcome="down", **HPC) == 1
    assert house.value("provd_slurm_query_failures_total", outcome="unreadable", **HPC) == 0
    assert (
        house.value("provd_slurm_last_success_timestamp_seconds", **HPC)
        == success
        == house.chain.clock.now() - 301
    )
    assert house.value("provd_slurm_nodes", state="usable", **HPC) is None


async def test_submissions_by_answer(house: MeasuredHouse) -> None:
    house.scheduler.refusal = "SLURM refused it"
    await house.chain.send(ALICE, job(), job())
    await house.round()
    assert house.value("provd_slurm_submissions_total", result="refused", **HPC) == 2
    assert house.value("provd_slurm_submissions_total", result="accepted", **HPC) == 0


@pytest.mark.parametrize(
    ("error", "outcome", "limited"),
    [
        (Unreadable("squeue: cannot read"), "unreadable", 0),
        (Transient("squeue failed (1): Rate limit exceeded"), "down", 1),
        (TurnedAway("ssh provd@login: the login is refused"), "down", 0),
    ],
)
async def test_errors_by_kind(house: MeasuredHouse, error: Exception, outcome: str, limited: int) -> None:
    class Broken(FakeScheduler):
        async def nodes(self) -> tuple[()]:
            raise error

    slurm = MeasuredScheduler(Broken(house.chain.clock), house.meters, "HPC-1", house.chain.clock)
    with pytest.raises(type(error)):
        await slurm.nodes()
    assert house.value("provd_slurm_query_failures_total", outcome=outcome, **HPC) == 1
    assert house.value("provd_slurm_rate_limited_total", **HPC) == limited


async def test_whether_slurm_answers(house: MeasuredHouse) -> None:
    """A poll that got no answer makes SLURM silent until the next answer; an unreadable one is an answer."""
    errors: list[Exception] = [Transient("no route"), Unreadable("odd"), TurnedAway("login")]

    class Flaky(FakeScheduler):
        async def snapshot(self, watch: Watch) -> Snapshot:
            if errors:
                raise errors.pop(0)
            return await super().snapshot(watch)

    slurm = MeasuredScheduler(Flaky(house.chain.clock), house.meters, "HPC-1", house.chain.clock)
    found = [slurm.answers]
    for error in (Transient, Unreadable, TurnedAway, None):
        with pytest.raises(error) if error else contextlib.nullcontext():
            await slurm.snapshot(Watch(frozenset()))
        found.append(slurm.answers)
    assert found == [True, False, True, False, True]


async def test_chain_calls(house: MeasuredHouse) -> None:
    """A chain that is gone: errors count, the last answer's time stays."""
    await house.intake.tick()
    count, success = (
        house.value("provd_chain_call_duration_seconds_count"),
        house.value("provd_chain_last_success_timestamp_seconds"),
    )
    await house.chain.devnet.stop()
    house.chain.clock.time += 10
    with pytest.raises(Transient):
        await house.intake.tick()
    assert count
    calls = 2  # what became of known jobs is asked for even when new ones cannot be read
    assert house.value("provd_chain_call_duration_seconds_count") == count + calls
    assert house.value("provd_chain_call_errors_total", error="down") == calls
    assert (
        house.value("provd_chain_last_success_timestamp_seconds") == success == house.chain.clock.now() - 10
    )
    await house.chain.devnet.start()


async def test_what_is_rolled_back_never_happened(house: MeasuredHouse) -> None:
    """Only commits count, and each is timed."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    before = house.value("provd_ledger_commit_duration_seconds_count")
    with contextlib.suppress(RuntimeError), house.ledger.write():
        house.ledger.add_event("JOB-1", EventKind.SLURM_JOB, "7", house.chain.clock.now())
        raise RuntimeError
    assert house.value("provd_submission_latency_seconds_count", **HPC) == 0
    assert house.value("provd_ledger_commit_duration_seconds_count") == before


async def test_what_cannot_be_counted_stops_nobody(
    house: MeasuredHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A price that cannot be computed: told, and the writing stands."""
    monkeypatch.setattr("provider_daemon.metrics.ledger.value", lambda job: 1 // 0)
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    with structlog.testing.capture_logs() as lines, house.ledger.write():
        house.ledger.add_event(
            "JOB-1", EventKind.REPORT_CONFIRMED, "", house.chain.clock.now(), State.COMPLETED
        )
    assert [line["event"] for line in lines] == ["metric_failed"]
    assert house.ledger.events_of("JOB-1")[-1].state == State.COMPLETED


async def test_counters_begin_anew_after_a_restart(house: MeasuredHouse) -> None:
    """With every series there at 0, so that the next event is an increase."""
    await whole_life(house)
    house.restart()
    assert house.transactions("included", "none") == 0
    assert house.value("provd_job_state_duration_seconds_count", state="running", **HPC) == 0


async def test_the_runway_is_the_doctors(house: MeasuredHouse) -> None:
    """In the first hour and after it: both compute it alike, from the same fees and nodes."""
    await house.heartbeat.tick()
    await house.report()
    record = await house.measured.cluster("HPC-1")
    assert record is not None
    price = float(await house.measured.gas_price("uve"))
    house.idle_gas = idle_gas([(record.total_nodes, 30.0)])
    for minutes in (1, 30, 90):
        house.chain.clock.time += minutes * 60
        await house.measured.gas_price("uve")
        await house.wallet.tick()
        paid, first = gather_keys.paid_fees(house.path, PROVIDER.address, house.chain.clock.now() - 86_400)
        least = gather_keys.heartbeats(CLUSTERS, [record], price)
        daily = daily_fees(paid, house.chain.clock.now() - first, least)
        seen = house.value("provd_wallet_runway_seconds", signer=PROVIDER.address)
        balance = house.value("provd_wallet_balance", signer=PROVIDER.address, denom="uve")
        assert balance
        assert seen == pytest.approx(balance / daily * 86_400)
