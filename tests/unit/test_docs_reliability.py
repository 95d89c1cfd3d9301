"""docs/reliability.md against the tests that it speaks of: their figures are only as good as their list is
whole."""

import re

from tests.faults.faults import FAULTS
from tests.simulation.mutants import MUTANTS
from tests.unit.docs import ROOT, column, page

PAGE = page("reliability.md")


def test_every_fault_has_its_row() -> None:
    """The table is the list that `make faults` plays."""
    assert column(PAGE, "fault") == [fault.name for fault in FAULTS]


def test_every_wrong_version_has_its_row() -> None:
    """The table is the list that `make mutants` plays."""
    assert column(PAGE, "wrong version") == list(MUTANTS)


def test_every_invariant_that_it_names_is_there() -> None:
    """By the numbers of tests/simulation/invariants.py."""
    written = {
        int(number)
        for number in re.findall(
            r"^(\d+)\. ", (ROOT / "tests/simulation/invariants.py").read_text(), re.MULTILINE
        )
    }
    named = {
        int(number)
        for group in re.findall(r"`make simulate` \(([\d, a-z]+)\)", PAGE)
        for number in re.findall(r"\d+", group)
    }
    assert named <= written


def test_every_file_that_it_names_is_there() -> None:
    """A promise without its test is none."""
    for path in re.findall(r"tests/[\w/]+(?:\.py)?", PAGE):
        assert (ROOT / path).exists(), path
