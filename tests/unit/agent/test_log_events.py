"""docs/agent.md names every event of the agent's log."""

import re

from tests.unit.docs import ROOT, column, page

WRITTEN = re.compile(r'(?:_journal\.\w+|\blog|Journal\(\)\.\w+|Failed)\(\s*"(\w+)"')
# exchange.py writes one of each for these two kinds of requests
FORMED = {f"{what}_{how}" for what in ("registration", "heartbeat") for how in ("failed", "rejected")}


def test_every_event_is_explained() -> None:
    """The table has exactly those in the code."""
    sources = (ROOT / "provider_daemon/agent").glob("*.py")
    events = {event for path in sources for event in WRITTEN.findall(path.read_text())}
    named = {event for cell in column(page("agent.md"), "agent's event") for event in cell.split(", ")}
    assert named == events | FORMED
