"""docs/data.md names every reason, scheme and limit."""

import re

from provider_daemon.sources.https import MAX_REDIRECTS
from provider_daemon.sources.inputs import MAX_INPUTS, Scheme
from provider_daemon.sources.names import MAX_NAME
from provider_daemon.sources.refusals import InputRefusal
from tests.unit.docs import column, page


def test_every_reason_is_explained() -> None:
    """Each reason for which an input is refused, in the order of the code."""
    assert column(page("data.md"), "reason") == list(InputRefusal)


def test_every_scheme_is_explained() -> None:
    """Each scheme has a row, and there is no other."""
    shown = [re.match(r"`(\w+):", cell) for cell in column(page("data.md"), "URI")]
    assert {found[1] for found in shown if found} == set(Scheme)


def test_limits() -> None:
    """The numbers in running text."""
    text = " ".join(page("data.md").split())
    assert f"at most {MAX_INPUTS} inputs" in text
    assert f"at most {MAX_NAME} bytes" in text
    assert MAX_REDIRECTS == 5
    assert "more than five redirects" in text
