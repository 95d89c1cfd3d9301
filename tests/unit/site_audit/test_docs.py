"""docs/isolation.md says what the audit does."""

from provider_daemon.site_audit.rows import ROWS
from tests.unit.docs import page, table


def test_every_row_is_explained() -> None:
    """In the order of the audit's output, with the same words."""
    assert table(page("isolation.md"), "row") == [[f"`{row.name}`", row.tried] for row in ROWS]
