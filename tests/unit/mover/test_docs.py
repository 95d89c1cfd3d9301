"""The page about data lists the mover's metrics."""

from provider_daemon.mover.metrics import FAMILIES
from tests.unit.docs import page, table


def test_every_metric_is_documented() -> None:
    """Name, type, labels and help, as exported."""
    said = {tuple(row) for row in table(page("data.md"), "metric")}
    assert said == {(each.name, each.kind, ", ".join(each.labels), each.help) for each in FAMILIES}
