"""The figures of usage: what is a match to the last unit of tolerance, and how bad a difference is."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.snapshot import Run
from provider_daemon.job.usage import Usage
from provider_daemon.reconciliation.differences import KINDS, MONEY, TOLERANCES, Severity, by_money, tolerated
from provider_daemon.reconciliation.rules import compare
from provider_daemon.reconciliation.sides import LedgerSide
from tests.unit.reconciliation.sides import ended, price, whats, with_usage

RUNS = st.builds(
    Run,
    elapsed=st.integers(0, 700_000),
    cpus=st.integers(0, 10_000),
    memory_mib=st.integers(0, 10**8),
    nodes=st.integers(0, 1000),
    gpus=st.lists(st.integers(1, 64), max_size=1).map(
        lambda counts: tuple(("a100", count) for count in counts)
    ),
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


MOVED = {"network_bytes_in", "network_bytes_out", "storage_gb_hours"}  # SLURM has no figure of these


@given(RUNS, st.sampled_from(sorted(TOLERANCES.keys() - MOVED)), st.booleans())
def test_tolerance_to_the_unit(run: Run, field: str, more: bool) -> None:
    """A copy that is as far from SLURM's figure as it may be is a match; one unit further is found, and it is
    the only thing found."""
    slurm, ledger, chain = ended(run)
    assert ledger.job.usage is not None
    own = getattr(ledger.job.usage, field)
    border = furthest(field, own, more=more)
    following = border + 1 if more else border - 1
    usage = changed(ledger.job.usage, field, border)
    assert whats(slurm, *with_usage(ledger, chain, usage)) == []
    if following >= 0:
        (row,) = compare(slurm, *with_usage(ledger, chain, changed(usage, field, following)), price)
        assert (row.what, row.difference, row.tolerance) == (
            field,
            abs(following - own),
            tolerated(field, own, following),
        )
        assert row.difference > row.tolerance


@given(st.sampled_from(sorted(TOLERANCES)), st.integers(0, 10**12), st.integers(0, 10**12))
def test_symmetric(field: str, one: int, other: int) -> None:
    """It makes no difference which side has which of two values."""
    assert tolerated(field, one, other) == tolerated(field, other, one)
    assert tolerated(field, one, one) >= 0


@given(RUNS, st.sampled_from(["ledger", "report", "settled"]), st.sampled_from(sorted(TOLERANCES)))
def test_one_falsified_unit(run: Run, side: str, field: str) -> None:
    """Ledger, report and accounting are copies of one number: a single unit more in one of them is found,
    however large the number."""
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
    chain = replace(
        chain, settled=replace(chain.settled, usage=replace(chain.settled.usage, cpu_core_seconds=400_000))
    )
    (row,) = [row for row in compare(slurm, ledger, chain, price) if row.what == "cpu_core_seconds"]
    assert (row.slurm, row.ledger, row.chain, row.difference) == (
        "100000",
        "100000",
        "100000/400000",
        300_000,
    )
    assert row.severity is Severity.HIGH  # 300,000 core-seconds are 833,333 uvirt
    assert row.advice


@pytest.mark.parametrize(
    ("uvirt", "severity"),
    [(0, "low"), (1, "medium"), (9_999, "medium"), (10_000, "high"), (999_999, "high"), (10**6, "critical")],
)
def test_money_decides(uvirt: int, severity: str) -> None:
    assert by_money(uvirt) == by_money(-uvirt) == severity


def test_every_kind_has_its_reason() -> None:
    """A usage field is bad by its money; every other kind by a rule, and each says what to do."""
    assert all(kind.reason and kind.advice for kind in KINDS.values())
    assert {what for what, kind in KINDS.items() if kind.severity is None} == {
        *TOLERANCES,
        "bill",
        "provider_reward",
        "platform_fee",
    }
    assert set(TOLERANCES) == {field.name for field in fields(Usage)} - {"gpu_seconds_by_type"}
    assert [severity for _, severity in reversed(MONEY)] == list(Severity)
