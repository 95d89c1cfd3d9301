"""The comparison: what is found beyond the figures of usage, and what is left alone."""

from dataclasses import replace

import pytest

from provider_daemon.job.job import Job
from provider_daemon.job.parking import Parked, ParkReason
from provider_daemon.job.snapshot import Phase, Run, Sighting
from provider_daemon.job.spec import ChainJob
from provider_daemon.job.state import TERMINAL, State
from provider_daemon.job.usage import Usage
from provider_daemon.ledger.reconciliation import StoredReport
from provider_daemon.ports import OnChain, Reported, Settled
from provider_daemon.reconciliation.differences import Severity, by_severity, clock, found, worst_first
from provider_daemon.reconciliation.rules import LAG_SECONDS, compare, reachable
from provider_daemon.reconciliation.sides import ChainSide, LedgerSide, SlurmSide
from tests.unit.job.jobs import JOB as NEW
from tests.unit.reconciliation.sides import ID, NOW, ended, price, sighting, whats


def running(**changes: object) -> tuple[SlurmSide, LedgerSide, ChainSide]:
    job = replace(NEW, state=State.RUNNING, reported=State.RUNNING, slurm_id="7", intent_at=1.0, **changes)  # type: ignore[arg-type]
    live = Sighting("7", NEW.name, Phase.RUNNING, "RUNNING", elapsed=60, runs=(Run(60, 1, 1024, 1),))
    return SlurmSide((live,), now=NOW), LedgerSide(job), ChainSide(OnChain(ChainJob(NEW.spec, State.RUNNING)))


def test_running_is_a_match() -> None:
    assert whats(*running()) == []


def test_gone() -> None:
    """The chain has it running, SLURM has nothing: found once that is proven, and old enough."""
    slurm, ledger, chain = running()
    assert whats(replace(slurm, sightings=()), ledger, chain) == ["gone"]
    assert whats(replace(slurm, sightings=(), complete=False), ledger, chain) == []
    assert whats(replace(slurm, sightings=(), now=LAG_SECONDS), ledger, chain) == []


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_runaway(state: State) -> None:
    """SLURM runs what is over on chain; a cancel is given the time to arrive."""
    slurm, ledger, _ = running()
    job = replace(ledger.job, reported=state)
    over = ChainSide(OnChain(ChainJob(NEW.spec, state), ended_at=int(NOW) - LAG_SECONDS))
    assert whats(slurm, LedgerSide(job), over) == []
    assert "runaway" in whats(replace(slurm, now=NOW + 1), LedgerSide(job), over)


def test_doubled() -> None:
    """Two live SLURM jobs under one name are as bad as it gets."""
    slurm, ledger, chain = running()
    rows = compare(
        replace(slurm, sightings=(*slurm.sightings, replace(slurm.sightings[0], slurm_id="8"))),
        ledger,
        chain,
        price,
    )
    assert [(row.what, row.severity) for row in rows] == [("doubled", Severity.CRITICAL)]


def test_unmeasured() -> None:
    """It ended in SLURM, and nobody took note."""
    _, ledger, chain = running()
    late = SlurmSide((sighting(Run(5, 1, 1024, 1), ended_at=int(NOW)),), now=NOW)
    assert whats(late, ledger, chain) == []
    assert whats(replace(late, now=NOW + LAG_SECONDS + 1), ledger, chain) == ["unmeasured"]


@pytest.mark.parametrize("confirmed", State)
@pytest.mark.parametrize("onchain", State)
def test_the_chain_cannot_go_back(confirmed: State, onchain: State) -> None:
    """It may be ahead of what we confirmed, by ways that exist; anything else means that what was confirmed
    is gone."""
    slurm, ledger, _ = running()
    job = replace(ledger.job, reported=confirmed)
    rows = whats(slurm, LedgerSide(job), ChainSide(OnChain(ChainJob(NEW.spec, onchain), ended_at=int(NOW))))
    assert ("state" in rows) == (onchain not in reachable(confirmed))
    assert reachable(State.PENDING) == frozenset(State)


def test_record_that_the_chain_does_not_have() -> None:
    """A job that was adopted a moment ago may be unknown to a node that lags."""
    slurm, ledger, _ = running()
    assert whats(slurm, ledger, ChainSide(None)) == ["unknown_job"]
    assert whats(slurm, LedgerSide(replace(ledger.job, adopted_at=NOW - LAG_SECONDS)), ChainSide(None)) == []


def test_a_node_that_lags_proves_nothing() -> None:
    """What was confirmed a moment ago by one endpoint may not have reached another."""
    slurm, ledger, chain = running()
    behind = ChainSide(OnChain(ChainJob(NEW.spec, State.QUEUED)))
    assert whats(slurm, ledger, behind) == ["state"]
    young = LedgerSide(ledger.job, (StoredReport("running", "confirmed", NOW - LAG_SECONDS, "AA"),))
    assert whats(slurm, young, behind) == []
    assert whats(slurm, young, replace(chain, missing=frozenset({"AA"}))) == []


def test_reports() -> None:
    """One that was confirmed by a transaction that is not there, one that waits too long, one whose evidence
    does not hold."""
    slurm, ledger, chain = ended()
    assert chain.report is not None
    assert whats(slurm, ledger, replace(chain, missing=frozenset({"AA"}))) == ["report_missing"]
    waiting = LedgerSide(ledger.job, (StoredReport("completed", "waiting", NOW - LAG_SECONDS - 1),))
    assert whats(slurm, waiting, chain) == ["report_late"]
    assert whats(slurm, ledger, replace(chain, report=replace(chain.report, objection="no signature"))) == [
        "evidence"
    ]


def paid(settled: Settled, change: dict[str, int]) -> Settled:
    return replace(settled, **change)  # type: ignore[arg-type]


def test_bill_is_compared_to_the_uvirt() -> None:
    slurm, ledger, chain = ended()
    assert chain.settled is not None
    for change in (
        {"total": chain.settled.total + 1},
        {"provider_reward": chain.settled.provider_reward - 1},
        {"platform_fee": 0},
    ):
        rows = compare(slurm, ledger, replace(chain, settled=paid(chain.settled, change)), price)
        assert [row.what for row in rows] == [{"total": "bill"}.get(name, name) for name in change]


def test_a_bill_by_unknown_prices_is_not_compared() -> None:
    """The offering was changed between submission and acceptance; more than the escrow is still found."""
    slurm, ledger, chain = ended()
    assert chain.settled is not None
    assert chain.job is not None
    other = replace(chain, settled=paid(chain.settled, {"total": chain.settled.total + 1}))
    repriced = replace(ledger, job=replace(ledger.job, repriced=True))
    assert (whats(slurm, ledger, other), whats(slurm, repriced, other)) == (["bill"], [])
    assert whats(slurm, repriced, replace(chain, job=replace(chain.job, escrowed=1))) == ["escrow"]


def test_more_than_was_escrowed() -> None:
    slurm, ledger, chain = ended()
    assert chain.job is not None
    assert whats(slurm, ledger, replace(chain, job=replace(chain.job, escrowed=1))) == ["escrow"]


def test_decided_dispute_explains_other_amounts() -> None:
    """The chain settled on corrected usage: what we reported stays as it was, and that is no difference."""
    slurm, ledger, chain = ended()
    assert chain.settled is not None
    corrected = replace(
        chain,
        settled=replace(chain.settled, usage=Usage(1, 1, 1, nodes_used=1), total=10_000),
        corrected=True,
    )
    assert whats(slurm, ledger, corrected) == ["escrow"]
    lower = Settled(Usage(1, 1, 1, nodes_used=1), 10_000, 9_750, 250, "settled")
    assert whats(slurm, ledger, replace(chain, settled=lower, corrected=True)) == []


def test_cancelled_by_its_customer() -> None:
    """The chain bills what was asked for, and takes no report: nothing of that differs from anything."""
    slurm, ledger, _ = ended()
    job = replace(ledger.job, state=State.CANCELLED, reported=State.CANCELLED)
    own = ChainSide(
        OnChain(ChainJob(NEW.spec, State.CANCELLED), 200, 10**12),
        None,
        Settled(Usage(1, 1, 1), 10_000, 9_750, 250, "settled"),
    )
    assert whats(slurm, LedgerSide(job), own) == []


def test_refused_at_intake() -> None:
    """It never ran: no usage, no SLURM job, nothing billed."""
    job: Job = replace(NEW, state=State.FAILED, reported=State.FAILED, closed_at=5.0)
    chain = ChainSide(
        OnChain(ChainJob(NEW.spec, State.FAILED), 200, 10**6),
        Reported(ID, "failed", Usage()),
        Settled(Usage(), 0, 0, 0, "settled"),
    )
    assert whats(SlurmSide(now=NOW), LedgerSide(job), chain) == []


def test_record_that_slurm_let_go() -> None:
    slurm, ledger, chain = ended()
    assert whats(replace(slurm, sightings=()), ledger, chain) == ["record_gone"]
    assert whats(replace(slurm, sightings=(), complete=False), ledger, chain) == []


def test_parked() -> None:
    assert whats(*running(parked=Parked(ParkReason.MISSING, "why"))) == ["parked"]


@pytest.mark.parametrize("what", ["site_clock", "chain_clock"])
def test_clocks(what: str) -> None:
    """A minute apart is a match, a second more is not; either way round."""
    for apart in (60, -60):
        assert clock(what, 1000.9, 1000.0 + apart) == ()
    for apart in (61, -61):
        assert [(row.difference, row.tolerance) for row in clock(what, 1000.0, 1000.0 + apart)] == [(61, 60)]


def test_worst_first_and_counted() -> None:
    rows = (*clock("site_clock", 1000.0, 0), found("", "stray"), found("", "doubled"))
    assert [row.what for row in worst_first(rows)] == ["doubled", "stray", "site_clock"]
    assert by_severity(rows) == {"low": 0, "medium": 1, "high": 1, "critical": 1}
