"""What operators decide while the daemon runs: jobs that are ended or refused, customers that are blocked."""

from dataclasses import replace
from typing import Any

import pytest

from provider_daemon.config.model import Config
from provider_daemon.control import customers, jobs
from provider_daemon.control.operation import Context, Operation
from provider_daemon.errors import Refused
from provider_daemon.job.parking import Parked, ParkReason
from provider_daemon.job.state import State
from provider_daemon.ledger.customer_rules import all_rules
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.advance import Advance
from tests.fakes.chain import ALICE, BOB, cancel, job
from tests.unit.daemons import config
from tests.unit.loops.conftest import House


def decide(house: House, operation: Operation[Any, Any], **fields: object) -> None:
    """As the control socket does it, but for the audit log."""
    settings: Config = config(house.path.parent, 1, {"alpha": "main"})
    context = Context(house.ledger, settings, "root", house.chain.clock.now())
    with house.ledger.write():
        operation.apply(operation.asked.model_validate(fields), context)


async def submitted(house: House, *, runs: bool = False) -> None:
    await house.chain.send(ALICE, job())
    await house.round()
    if runs:
        house.scheduler.run()
        await house.round()


async def record(house: House) -> tuple[str, str]:
    found = await house.chain.client.job("JOB-1")
    assert found is not None
    return found.state.value, found.status_message


def park(house: House, **values: Any) -> None:
    found = house.ledger.job("JOB-1")
    assert found is not None
    with house.ledger.write():
        parked = Parked(ParkReason.MISSING, "in neither squeue nor sacct")
        house.ledger.save_job(replace(found, parked=parked, **values))


async def test_a_running_job_is_ended(house: House) -> None:
    """It is cancelled in SLURM, and reported as failed with the reason and with what it used."""
    await submitted(house, runs=True)
    decide(house, jobs.END, job="JOB-1", reason="node n1 must be repaired")
    for _ in range(3):
        await house.round()
    assert house.scheduler.cancelled == ["1"]
    state, message = await record(house)
    assert (state, message.startswith("node n1 must be repaired")) == ("failed", True)
    found = house.ledger.job("JOB-1")
    assert found is not None
    assert found.usage is not None
    assert (found.usage.wall_clock_seconds > 0, found.closed_at is not None) == (True, True)
    events = [event.what for event in house.ledger.events_of("JOB-1")]
    assert events.count(EventKind.OPERATOR) == 1


async def test_a_job_that_completes_first_has_completed(house: House) -> None:
    """Its customer gets what was computed."""
    await submitted(house, runs=True)
    house.scheduler.end(State.COMPLETED)
    decide(house, jobs.END, job="JOB-1", reason="too late")
    await house.round()
    assert (await record(house))[0] == "completed"


async def test_a_waiting_job_is_refused(house: House) -> None:
    """It is reported as failed with the reason, and never submitted, although a submission was decided."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    before = house.ledger.job("JOB-1")
    assert before is not None
    with pytest.raises(Refused, match="not in SLURM yet"):
        decide(house, jobs.END, job="JOB-1", reason="x")
    decide(house, jobs.REFUSE, job="JOB-1", reason="no licence")
    await house.advance.tick()
    await house.report()
    assert house.scheduler.orders == []
    assert await record(house) == ("failed", "no licence")
    await house.advance.tick()
    assert house.ledger.open_jobs("HPC-1") == []


async def test_refused_between_decision_and_submission(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The submission is left out."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    write = Advance._write

    def late(self: Advance, *arguments: Any) -> None:
        write(self, *arguments)
        decide(house, jobs.REFUSE, job="JOB-1", reason="no licence")

    monkeypatch.setattr(Advance, "_write", late)
    await house.advance.tick()
    monkeypatch.setattr(Advance, "_write", write)
    assert house.scheduler.orders == []
    await house.round()
    assert await record(house) == ("failed", "no licence")


async def test_a_parked_job_is_written_off(house: House) -> None:
    """It is reported as failed without usage; what SLURM shows of it is cancelled and bills nothing."""
    await submitted(house, runs=True)
    park(house)
    with pytest.raises(Refused, match="is parked"):
        decide(house, jobs.END, job="JOB-1", reason="x")
    decide(house, jobs.REFUSE, job="JOB-1", reason="lost by the site")
    house.chain.clock.time += 100
    for _ in range(3):
        await house.round()
    state, message = await record(house)
    assert (state, message.startswith("lost by the site")) == ("failed", True)
    assert house.scheduler.cancelled == ["1"]
    found = house.ledger.job("JOB-1")
    assert found is not None
    assert (found.usage, found.parked, found.closed_at is not None) == (None, None, True)


async def test_a_parked_job_that_is_gone_is_written_off(house: House) -> None:
    """As the job that SLURM forgot."""
    await submitted(house, runs=True)
    house.scheduler.jobs.clear()
    park(house)
    decide(house, jobs.REFUSE, job="JOB-1", reason="lost by the site")
    house.chain.clock.time += 100
    for _ in range(3):
        await house.round()
    assert (await record(house))[0] == "failed"
    assert house.ledger.open_jobs("HPC-1") == []


async def test_what_cannot_be_decided(house: House) -> None:
    """A job that has ended, one that is ended already, and one that nobody knows."""
    await submitted(house)
    with pytest.raises(Refused, match="JOB-9 is not in the ledger"):
        decide(house, jobs.END, job="JOB-9", reason="x")
    with pytest.raises(Refused, match="is in SLURM: `provd job end`"):
        decide(house, jobs.REFUSE, job="JOB-1", reason="x")
    with pytest.raises(Refused, match="is not parked"):
        decide(house, jobs.UNPARK, job="JOB-1")
    decide(house, jobs.END, job="JOB-1", reason="x")
    with pytest.raises(Refused, match="is being ended already: x"):
        decide(house, jobs.END, job="JOB-1", reason="y")
    await house.chain.send(ALICE, cancel())
    await house.round()
    with pytest.raises(Refused, match="has ended"):
        decide(house, jobs.END, job="JOB-1", reason="z")


async def test_customers_are_blocked_allowed_and_limited(house: House) -> None:
    """From the next tick on, beside the configuration; another customer's jobs are taken as before."""
    decide(house, customers.BLOCK, customer=ALICE.address, reason="unpaid bills")
    await house.chain.send(ALICE, job())
    await house.chain.send(BOB, job(BOB))
    await house.round()
    assert await record(house) == (
        "failed",
        "this provider accepts no jobs from this account: unpaid bills",
    )
    assert await house.state("JOB-2") == "queued"
    decide(house, customers.ALLOW, customer=ALICE.address)
    decide(house, customers.LIMIT, customer=ALICE.address, max_waiting=1)
    await house.chain.send(ALICE, job(), job())
    await house.intake.tick()
    assert "JOB-3" in house.ledger.open_ids("HPC-1")
    assert "JOB-4" not in house.ledger.open_ids("HPC-1")
    decide(house, customers.LIMIT, customer=ALICE.address, reset=True)
    await house.intake.tick()
    assert "JOB-4" in house.ledger.open_ids("HPC-1")
    for fields in ({}, {"reset": True, "max_jobs": 1}):
        with pytest.raises(Refused):
            decide(house, customers.LIMIT, customer=ALICE.address, **fields)


def test_rules_survive_in_the_ledger(house: House) -> None:
    """A restart changes nothing."""
    decide(house, customers.LIMIT, customer=ALICE.address, max_jobs=3)
    house.ledger.close()
    house.ledger = Ledger.open(house.path)
    (rule,) = all_rules(house.ledger)
    assert (rule.customer, dict(rule.limits), rule.by) == (ALICE.address, {"max_jobs": 3}, "root")
