"""A job that all three sides agree about, to be changed by a test."""

from dataclasses import replace

from provider_daemon.job.snapshot import Phase, Run, Sighting
from provider_daemon.job.spec import ChainJob
from provider_daemon.job.state import State
from provider_daemon.job.usage import Usage
from provider_daemon.ledger.reconciliation import StoredReport
from provider_daemon.money.bill import bill
from provider_daemon.ports import OnChain, Reported, Settled
from provider_daemon.reconciliation.rules import compare, measured
from provider_daemon.reconciliation.sides import ChainSide, Due, LedgerSide, SlurmSide
from tests.unit.job.jobs import JOB as NEW

NOW = 10_000_000.0
ID = NEW.spec.job_id
DONE = replace(
    NEW,
    state=State.COMPLETED,
    reported=State.COMPLETED,
    promised=State.COMPLETED,
    slurm_id="7",
    intent_at=1.0,
    closed_at=9.0,
)


def price(usage: Usage) -> Due:
    cost = bill(usage)
    return Due(cost.total, cost.provider_reward, cost.platform_fee)


def sighting(run: Run, **more: object) -> Sighting:
    values: dict[str, object] = {
        "outcome": State.COMPLETED,
        "final": True,
        "runs": (run,),
        "elapsed": run.elapsed,
        "ended_at": 100,
        **more,
    }
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
    return (
        slurm,
        LedgerSide(replace(DONE, usage=usage), (StoredReport("completed", "confirmed", 150.0, "AA"),)),
        chain,
    )


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
