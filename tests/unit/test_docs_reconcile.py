"""What the docs say about snapshots and differences is the code's."""

from provider_daemon.job.usage_record import INTERIM_SECONDS
from provider_daemon.ledger.reconciliation import KEEP_SECONDS
from provider_daemon.reconciliation import differences, rules
from provider_daemon.reconciliation import loop as loop
from provider_daemon.reconciliation.differences import KINDS, MONEY, TOLERANCES
from tests.unit.docs import numbers, page, table


def test_tolerances_and_severities() -> None:
    assert numbers(page("reference.md"), "figure") == TOLERANCES
    assert [(int(row[0]), row[1]) for row in table(page("reference.md"), "at least, uvirt")] == list(MONEY)


def test_every_kind_of_difference_is_explained() -> None:
    """The guide's table has each kind once, all figures of usage in one row, with its severity."""
    said = {row[0]: row[1] for row in table(page("operators-guide.md"), "difference")}
    kinds = {
        "usage" if what in TOLERANCES else what: kind.severity or "by money" for what, kind in KINDS.items()
    }
    assert said == kinds


def test_constants() -> None:
    """The numbers that stand in running text."""
    assert (INTERIM_SECONDS, differences.CLOCK_SECONDS, rules.LAG_SECONDS) == (300, 60, 600)
    assert (loop.PERIOD_SECONDS, KEEP_SECONDS) == (3600, 7 * 86_400)
