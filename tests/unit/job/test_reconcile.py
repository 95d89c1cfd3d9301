"""The comparison: what is a match to the last unit of tolerance, what is found, and how bad it is."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.differences import KINDS, MONEY, TOLERANCES, Severity, by_money, by_severity, clock, found, tolerated, worst_first
from provider_daemon.job.lifecycle import Job
from provider_daemon.job.reconcile import LAG_SECONDS, compare, measured, reachable
from provider_daemon.job.sides import ChainSide, Due, LedgerSide, OnChain, Reported, Settled, SlurmSide, StoredReport
from provider_daemon.job.snapshot import Phase, Run, Sighting
from provider_daemon.job.spec import ChainJob
from provider_daemon.job.state import TERMINAL, State
from provider_daemon.job.usage import Usage
from provider_daemon.money.bill import bill
from tests.unit.job.test_lifecycle import JOB as NEW

NOW = 10_000_000.0
ID = NEW.spec.job_id
DONE = replace(NEW, state=State.COMPLETED, reported=State.COMPLETED, promised=State.COMPLETED, slurm_id="7", intent_at=1.0, closed_at=9.0)


def price(usage: Usage) -> Due:
    cost = bill(usage)
    return Due(cost.total, cost.provider_reward, cost.platform_fee)


def sighting(run: Run, **more: object) -> Sighting:
    values: dict[str, object] = {"outcome": State.COMPLETED, "final": True, "runs": (run,), "elapsed": run.elapsed, "ended_at": 100, **more}
    return Sighting("7", NEW.name, Phase.ENDED, "COMPLETED", **values)  # type: ignore[arg-type]


RUN = Run(10_000, 10, 10_240, 1)


def ended(usage_run: Run = RUN) -> tuple[SlurmSide, LedgerSide, ChainSide]:
    """A job that all three agree about: measured, reported, settled."""
    slurm = SlurmSide((sighting(usage_run),), now=NOW)
    usage = measured(slurm, DONE)
    assert usage is not None
    due = price(usage)
    chain = ChainSide(
        OnChain(ChainJob(NEW.spec, State.COMPLETED), ended_at=200, escrowed=10**12),
        Reported(ID, "completed", usage),
        Settled(usage, due.total, due.provider_reward, due.platform_fee, "settled"),
    )
    return slurm, LedgerSide(replace(DONE, usage=usage), (StoredReport("completed", "confirmed", 150.0, "AA"),)), chain


def whats(slurm: SlurmSide, ledger: LedgerSide, chain: ChainSide) -> list[str]:
    return [each.what for each in compare(slurm, ledger, chain, price)]


def with_usage(ledger: LedgerSide, chain: ChainSide, usage: Usage) -> tuple[LedgerSide, ChainSide]:
    """Ledger, report and settlement that agree on that usage."""
    due = price(usage)
    assert chain.report is not None
    settled = Settled(usage, due.total, due.provider_reward, due.platform_fee, "settled")
    return LedgerSide(replace(ledger.job, usage=usage), ledger.reports), replace(
        chain, report=replace(chain.report, usage=usage), settled=settled
    )


RUNS = st.builds(
    Run,
    elapsed=st.integers(0, 700_000),
    cpus=st.integers(0, 10_000),
    memory_mib=st.integers(0, 10**8),
    nodes=st.integers(0, 1000),
    gpus=st.lists(st.integers(1, 64), max_size=1).map(lambda counts: tuple(("a100", count) for count in counts)),
)


@given(RUNS)
def test_identical_is_a_match(run: Run) -> None:
    """Whatever was used, three sides that say the same differ in nothing."""
    assert compare(*ended(run), price) == ()


def changed(usage: Usage, field: str, value: int) -> Usage:
    return replace(usage, **{field: value})  # type: ignore[arg-type]


def furthest(field: str, own: int, *, more: bool) -> int:
    """The value furthest from `own` that is still a match: a share of the larger of both."""
    share = TOLERANCES[field]
    if not more:
        return own - own * share // 1000
    value = own * 1000 // (1000 - share) + 1
    return value if (value - own) * 1000 <= value * share else value - 1


@given(RUNS, st.sampled_from(sorted(TOLERANCES)), st.booleans())
def test_tolerance_to_the_unit(run: Run, field: str, more: bool) -> None:
    """A copy that is as far from SLURM's figure as it may be is a match; one unit further is found, and it is the only thing found."""
    slurm, ledger, chain = ended(run)
    assert ledger.job.usage is not None
    own = getattr(ledger.job.usage, field)
    border = furthest(field, own, more=more)
    following = border + 1 if more else border - 1
    usage = changed(ledger.job.usage, field, border)
    assert whats(slurm, *with_usage(ledger, chain, usage)) == []
    if following >= 0:
        (row,) = compare(slurm, *with_usage(ledger, chain, changed(usage, field, following)), price)
        assert (row.what, row.difference, row.tolerance) == (field, abs(following - own), tolerated(field, own, following))
        assert row.difference > row.tolerance


@given(st.sampled_from(sorted(TOLERANCES)), st.integers(0, 10**12), st.integers(0, 10**12))
def test_symmetric(field: str, one: int, other: int) -> None:
    """It makes no difference which side has which of two values."""
    assert tolerated(field, one, other) == tolerated(field, other, one)
    assert tolerated(field, one, one) >= 0


@given(RUNS, st.sampled_from(["ledger", "report", "settled"]), st.sampled_from(sorted(TOLERANCES)))
def test_one_falsified_unit(run: Run, side: str, field: str) -> None:
    """Ledger, report and accounting are copies of one number: a single unit more in one of them is found, however large the number."""
    slurm, ledger, chain = ended(run)
    told, settled = chain.report, chain.settled
    assert ledger.job.usage is not None
    assert told is not None
    assert settled is not None
    false = changed(ledger.job.usage, field, getattr(ledger.job.usage, field) + 1)
    if side == "ledger":
        ledger = LedgerSide(replace(ledger.job, usage=false), ledger.reports)
    elif side == "report":
        chain = replace(chain, report=replace(told, usage=false))
    else:
        chain = replace(chain, settled=replace(settled, usage=false))
    row = next(row for row in compare(slurm, ledger, chain, price) if row.what == field)
    assert (row.difference, row.tolerance) == (1, 0)


def test_row_says_who_says_what() -> None:
    """Each side's figure is in its own column; report and accounting stand in one, both where they differ."""
    slurm, ledger, chain = ended()
    assert chain.settled is not None
    chain = replace(chain, settled=replace(chain.settled, usage=replace(chain.settled.usage, cpu_core_seconds=400_000)))
    (row,) = [row for row in compare(slurm, ledger, chain, price) if row.what == "cpu_core_seconds"]
    assert (row.slurm, row.ledger, row.chain, row.difference) == ("100000", "100000", "100000/400000", 300_000)
    assert row.severity is Severity.HIGH  # 300,000 core-seconds are 833,333 uvirt
    assert row.advice


@pytest.mark.parametrize(
    ("uvirt", "severity"), [(0, "low"), (1, "medium"), (9_999, "medium"), (10_000, "high"), (999_999, "high"), (10**6, "critical")]
)
def test_money_decides(uvirt: int, severity: str) -> None:
    assert by_money(uvirt) == by_money(-uvirt) == severity


def test_every_kind_has_its_reason() -> None:
    """A usage field is bad by its money; every other kind by a rule, and each says what to do."""
    assert all(kind.reason and kind.advice for kind in KINDS.values())
    assert {what for what, kind in KINDS.items() if kind.severity is None} == {*TOLERANCES, "bill", "provider_reward", "platform_fee"}
    assert set(TOLERANCES) == {field.name for field in fields(Usage)} - {"gpu_seconds_by_type"}
    assert [severity for _, severity in reversed(MONEY)] == list(Severity)


# --- what is wrong beyond the figures ---


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
    rows = compare(replace(slurm, sightings=(*slurm.sightings, replace(slurm.sightings[0], slurm_id="8"))), ledger, chain, price)
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
    """It may be ahead of what we confirmed, by ways that exist; anything else means that what was confirmed is gone."""
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
    """One that was confirmed by a transaction that is not there, one that waits too long, one whose evidence does not hold."""
    slurm, ledger, chain = ended()
    assert chain.report is not None
    assert whats(slurm, ledger, replace(chain, missing=frozenset({"AA"}))) == ["report_missing"]
    waiting = LedgerSide(ledger.job, (StoredReport("completed", "waiting", NOW - LAG_SECONDS - 1),))
    assert whats(slurm, waiting, chain) == ["report_late"]
    assert whats(slurm, ledger, replace(chain, report=replace(chain.report, objection="no signature"))) == ["evidence"]


def paid(settled: Settled, change: dict[str, int]) -> Settled:
    return replace(settled, **change)  # type: ignore[arg-type]


def test_bill_is_compared_to_the_uvirt() -> None:
    slurm, ledger, chain = ended()
    assert chain.settled is not None
    for change in ({"total": chain.settled.total + 1}, {"provider_reward": chain.settled.provider_reward - 1}, {"platform_fee": 0}):
        rows = compare(slurm, ledger, replace(chain, settled=paid(chain.settled, change)), price)
        assert [row.what for row in rows] == [{"total": "bill"}.get(name, name) for name in change]


def test_more_than_was_escrowed() -> None:
    slurm, ledger, chain = ended()
    assert chain.job is not None
    assert whats(slurm, ledger, replace(chain, job=replace(chain.job, escrowed=1))) == ["escrow"]


def test_decided_dispute_explains_other_amounts() -> None:
    """The chain settled on corrected usage: what we reported stays as it was, and that is no difference."""
    slurm, ledger, chain = ended()
    assert chain.settled is not None
    corrected = replace(chain, settled=replace(chain.settled, usage=Usage(1, 1, 1, nodes_used=1), total=10_000), corrected=True)
    assert whats(slurm, ledger, corrected) == ["escrow"]
    lower = Settled(Usage(1, 1, 1, nodes_used=1), 10_000, 9_750, 250, "settled")
    assert whats(slurm, ledger, replace(chain, settled=lower, corrected=True)) == []


def test_cancelled_by_its_customer() -> None:
    """The chain bills what was asked for, and takes no report: nothing of that differs from anything."""
    slurm, ledger, _ = ended()
    job = replace(ledger.job, state=State.CANCELLED, reported=State.CANCELLED)
    own = ChainSide(OnChain(ChainJob(NEW.spec, State.CANCELLED), 200, 10**12), None, Settled(Usage(1, 1, 1), 10_000, 9_750, 250, "settled"))
    assert whats(slurm, LedgerSide(job), own) == []


def test_refused_at_intake() -> None:
    """It never ran: no usage, no SLURM job, nothing billed."""
    job: Job = replace(NEW, state=State.FAILED, reported=State.FAILED, closed_at=5.0)
    chain = ChainSide(
        OnChain(ChainJob(NEW.spec, State.FAILED), 200, 10**6), Reported(ID, "failed", Usage()), Settled(Usage(), 0, 0, 0, "settled")
    )
    assert whats(SlurmSide(now=NOW), LedgerSide(job), chain) == []


def test_record_that_slurm_let_go() -> None:
    slurm, ledger, chain = ended()
    assert whats(replace(slurm, sightings=()), ledger, chain) == ["record_gone"]
    assert whats(replace(slurm, sightings=(), complete=False), ledger, chain) == []


def test_parked() -> None:
    assert whats(*running(parked="why")) == ["parked"]


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
