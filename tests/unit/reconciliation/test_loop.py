"""The hourly comparison over a devnet and a scheduler that the test moves."""

import json
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from provider_daemon.chain.audit import GrpcAudit
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.errors import Transient
from provider_daemon.job.payment import PaymentMode, PaymentPolicy
from provider_daemon.job.snapshot import Phase, Run, Sighting
from provider_daemon.job.state import State
from provider_daemon.ledger import meta, reconciliation, usage_records
from provider_daemon.ledger.reconciliation import KEEP_SECONDS
from provider_daemon.reconciliation.comparer import Comparer, Comparison, Served
from provider_daemon.reconciliation.differences import Outcome
from provider_daemon.reconciliation.loop import CHECK_SECONDS, PERIOD_SECONDS, SETTLE_SECONDS, Reconciliation
from provider_daemon.usage_records import document
from tests.fakes.chain import ALICE, PROVIDER, cancel, job, report
from tests.unit.loops.conftest import TENANCY, House

STRAY = "ve-0123456789ab-JOB-77"


def parts(house: House) -> dict[str, Any]:
    served = (Served("HPC-1", "alpha", house.scheduler, PROVIDER),)
    client = house.chain.client
    return {
        "ledger": house.ledger,
        "chain": client,
        "audit": GrpcAudit(client),
        "served": served,
        "clock": house.chain.clock,
    }


async def compared(house: House) -> Comparison:
    return await Comparer(**parts(house)).run(0)


def loop(house: House) -> Reconciliation:
    """One that has been running for long enough; the chain goes on making blocks meanwhile."""
    made = Reconciliation(**parts(house))
    house.chain.block(seconds=SETTLE_SECONDS)
    return made


async def done(house: House, *jobs: tx_pb2.MsgSubmitJob) -> None:
    """The jobs run, end, are reported and settled."""
    await house.chain.send(ALICE, *(jobs or (job(),)))
    await house.round()
    house.scheduler.run()
    await house.round()
    house.scheduler.end(State.COMPLETED)
    await house.round()
    await house.round()


def rows(comparison: Comparison) -> list[tuple[str, str]]:
    return [(row.job_id, row.what) for row in comparison.differences]


async def test_bills_follow_the_offerings_prices(house: House) -> None:
    """Also after the offering has other prices; a job without a price has a bill of nothing."""
    house.served["HPC-1"] = replace(TENANCY, payment=PaymentPolicy(PaymentMode.NONE))
    changed = tx_pb2.MsgUpdateOffering(
        provider_address=PROVIDER.address,
        offering_id="OFF-1",
        active=True,
        supports_custom_workloads=True,
        queue_options=[types_pb2.QueueOption(partition_name="standard", price_multiplier="3")],
        pricing=types_pb2.HPCPricing(cpu_core_hour_price="70000", minimum_charge="0", currency="uvirt"),
    )
    assert (await house.chain.send(PROVIDER, changed)).ok
    await done(house, job(), job(max_price=[]))
    changed.pricing.cpu_core_hour_price = "1"
    assert (await house.chain.send(PROVIDER, changed)).ok
    found = await compared(house)
    assert [row.what for row in found.differences if row.job_id] == []
    totals = [await GrpcAudit(house.chain.client).settled(f"JOB-{number}") for number in (1, 2)]
    assert [each.total > 0 for each in totals if each] == [True, False]


async def test_a_whole_day_matches(house: House) -> None:
    """Done, refused, cancelled and running jobs: three sides that agree, in one squeue, one sacct."""
    await done(house, job(), job(queue_name="nowhere"))
    await house.chain.send(ALICE, job(), job())
    await house.round()
    house.scheduler.run()
    await house.round()
    await house.chain.send(ALICE, cancel("JOB-3"))
    await house.round()
    await house.round()
    found = await compared(house)
    assert (found.differences, found.failed) == ((), ())
    assert [each.outcome for each in found.jobs] == [Outcome.MATCHED] * 4
    assert len(house.scheduler.surveys) == 1


async def test_one_falsified_unit_in_the_ledger(house: House) -> None:
    """A core-second more than was reported is found, told, and kept as a signed snapshot; mended, it is
    resolved."""
    await done(house)
    true = house.ledger.job("JOB-1")
    assert true is not None
    assert true.usage is not None
    with house.ledger.write():
        house.ledger.save_job(
            replace(true, usage=replace(true.usage, cpu_core_seconds=true.usage.cpu_core_seconds + 1))
        )
    reconcile = loop(house)
    with capture_logs() as logs:
        await reconcile.tick()
    (line,) = [line for line in logs if line["event"] == "reconciled"]
    assert (line["jobs"], line["discrepancy"], line["differences"]) == (1, 1, 1)
    assert house.ledger.get(meta.DIFFERENCES) == {"low": 0, "medium": 1, "high": 0, "critical": 0}
    with house.ledger.write():
        house.ledger.save_job(true)
    house.chain.block(seconds=PERIOD_SECONDS)
    await reconcile.tick()
    kept = [
        json.loads(each.document)
        for each in usage_records.of(house.ledger, "JOB-1")
        if each.type == "reconciliation"
    ]
    assert [each["outcome"] for each in kept] == ["discrepancy", "resolved"]
    assert [(row["what"], row["difference"], row["tolerance"]) for row in kept[0]["differences"]] == [
        ("cpu_core_seconds", 1, 0)
    ]
    assert (
        document.check(usage_records.of(house.ledger, "JOB-1"), {PROVIDER.address: PROVIDER.public_key})
        == [""] * 3
    )


async def test_the_same_difference_is_kept_once(house: House) -> None:
    """Hour after hour the same is found: one snapshot, and a log line each time for what is bad."""
    await done(house)
    wrong = house.ledger.job("JOB-1")
    assert wrong is not None
    with house.ledger.write():
        house.ledger.save_job(replace(wrong, usage=replace(wrong.usage, cpu_core_seconds=10**9)))  # type: ignore[type-var]
    reconcile = loop(house)
    with capture_logs() as logs:
        for _ in range(3):
            await reconcile.tick()
            house.chain.block(seconds=PERIOD_SECONDS)
    told = [line for line in logs if line["event"] == "reconciliation_difference"]
    assert [(line["job"], line["what"], line["severity"]) for line in told] == [
        ("JOB-1", "cpu_core_seconds", "high")
    ] * 3
    assert [each.type.value for each in usage_records.of(house.ledger, "JOB-1")] == [
        "final",
        "reconciliation",
    ]


async def test_false_report(house: House) -> None:
    """The chain took another usage than SLURM measured: a report that somebody sent past us."""
    await house.chain.send(ALICE, job())
    await house.round()
    house.scheduler.run()
    await house.round()
    house.scheduler.end(State.COMPLETED)
    await house.chain.send(PROVIDER, report("completed"))
    await house.round()
    found = await compared(house)
    assert ("", "foreign_tx") in rows(found)


async def test_stray_and_doubled(house: House) -> None:
    """A live SLURM job under a name of ours that the ledger does not know, and a second one under a name that
    it does."""
    await house.chain.send(ALICE, job())
    await house.round()
    house.scheduler.run()
    await house.round()
    name = next(iter(house.scheduler.jobs))
    live = Sighting("90", name, Phase.RUNNING, "RUNNING")
    house.scheduler.jobs[name].append(live)
    house.scheduler.jobs[STRAY] = [replace(live, slurm_id="91", name=STRAY)]
    house.scheduler.jobs["ve-0123456789ab-JOB-78"] = [
        replace(live, slurm_id="92", phase=Phase.ENDED, final=True, runs=(Run(1, 1, 1, 1),))
    ]
    assert rows(await compared(house)) == [("JOB-77", "stray"), ("JOB-1", "doubled")]


async def test_foreign_transaction(house: House) -> None:
    """A transaction of our key that the ledger does not know, between two of our own."""
    await house.chain.send(ALICE, job())
    await house.round()
    sent = await house.chain.send(
        PROVIDER, tx_pb2.MsgUpdateCluster(provider_address=PROVIDER.address, cluster_id="HPC-1", name="new")
    )
    house.scheduler.run()
    await house.round()
    (row,) = (await compared(house)).differences
    assert (row.what, row.chain, row.severity) == ("foreign_tx", sent.tx_hash, "high")


async def test_clocks(house: House) -> None:
    """A login node that is two minutes ahead, and a chain that has stood still for as long."""
    house.scheduler.clock_ahead = 120
    assert rows(await compared(house)) == [("", "site_clock")]
    house.scheduler.clock_ahead = 0
    house.chain.clock.time += 120
    assert rows(await compared(house)) == [("", "chain_clock")]


async def test_dispute_is_answered_with_what_we_hold(house: House) -> None:
    """Flagged by the customer: a signed snapshot, once, although it is seen every hour."""
    await done(house)
    flag = tx_pb2.MsgFlagDispute(
        disputer_address=ALICE.address, job_id="JOB-1", dispute_type="usage", reason="too much"
    )
    assert (await house.chain.send(ALICE, flag)).ok
    reconcile = loop(house)
    for _ in range(2):
        await reconcile.tick()
        house.chain.block(seconds=PERIOD_SECONDS)
    assert [each.type.value for each in usage_records.of(house.ledger, "JOB-1")] == ["final", "dispute"]


async def test_decided_dispute(house: House) -> None:
    """Once it is decided the job counts as resolved, and that is kept once."""
    await done(house)
    flag = tx_pb2.MsgFlagDispute(
        disputer_address=ALICE.address, job_id="JOB-1", dispute_type="usage", reason="too much"
    )
    assert (await house.chain.send(ALICE, flag)).ok
    decide = tx_pb2.MsgResolveDispute(
        resolver_address=PROVIDER.address,
        dispute_id="hpc-dispute-2",
        status=types_pb2.DISPUTE_STATUS_REJECTED,
        resolution="no",
    )
    house.chain.devnet.blocks.rules = replace(house.chain.devnet.blocks.rules, authority=PROVIDER.address)
    sent = await house.chain.send(PROVIDER, decide)
    assert sent.ok, sent
    found = [each for each in (await compared(house)).jobs if each.outcome is Outcome.RESOLVED]
    assert [each.job.spec.job_id for each in found] == ["JOB-1"]


async def test_slurm_down(house: House) -> None:
    """It says which side did not answer, and tries again; nothing is taken for a match."""
    await done(house)
    reconcile = loop(house)
    house.scheduler.down = True
    with pytest.raises(Transient, match="SLURM of alpha: squeue failed"):
        await reconcile.tick()
    assert house.ledger.get(meta.RECONCILED_AT) == 0
    house.scheduler.down = False
    house.chain.block(seconds=CHECK_SECONDS)
    await reconcile.tick()
    assert house.ledger.get(meta.RECONCILED_AT) == house.chain.clock.now()


async def test_once_an_hour(house: House) -> None:
    """Not in the first minutes after a start, then once an hour, a restart in between or not."""
    reconcile = Reconciliation(**parts(house))
    await reconcile.tick()
    assert house.scheduler.surveys == []
    house.chain.block(seconds=SETTLE_SECONDS)
    await reconcile.tick()
    await reconcile.tick()
    await loop(house).tick()
    assert len(house.scheduler.surveys) == 1
    house.chain.block(seconds=PERIOD_SECONDS)
    await reconcile.tick()
    assert len(house.scheduler.surveys) == 2


async def test_bounded_questions(house: House) -> None:
    """Closed jobs of before the window are not asked about; reports that rode in one transaction are read
    once."""
    await done(house, *(job() for _ in range(5)))
    asked: list[str] = []

    class Counting(GrpcAudit):
        async def reported(self, tx_hash: str, clusters: Any) -> Any:
            asked.append(tx_hash)
            return await super().reported(tx_hash, clusters)

    made = {**parts(house), "audit": Counting(house.chain.client)}
    found = await Comparer(**made).run(0)
    assert (len(found.jobs), len(asked), found.differences) == (5, 1, ())
    assert (await Comparer(**made).run(house.chain.clock.now() + 1)).jobs == ()


async def test_a_site_that_is_away_for_days(house: House) -> None:
    """Tried again soon, then every hour; it counts as failing all the while, and what is compared of the
    others never grows past a week."""
    await done(house)
    reconcile = loop(house)
    house.scheduler.down = True
    tried = []
    for minute in range(0, 240, 5):
        before = house.chain.clock.now()
        with (
            capture_logs() as logs,
            pytest.raises(Transient, match="could not compare everything: SLURM of alpha"),
        ):
            await reconcile.tick()
        tried += [minute for line in logs if line["event"] == "reconciled"]
        house.chain.block(seconds=before + CHECK_SECONDS - house.chain.clock.now())
    assert tried == [0, 5, 15, 35, 75, 135, 195]
    with house.ledger.write():
        reconciliation.save(house.ledger, {}, (), 1.0)
    house.scheduler.down = False
    house.chain.block(seconds=PERIOD_SECONDS)
    await reconcile.tick()
    ((since, _),) = house.scheduler.surveys
    assert since == int(house.chain.clock.now() - KEEP_SECONDS)
