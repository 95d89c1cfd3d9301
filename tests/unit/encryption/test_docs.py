"""The tables of docs/protocol.md and docs/data.md about encryption."""

from provider_daemon.encryption.recipients import KeyProblem
from provider_daemon.encryption.refusal import OpenRefusal
from provider_daemon.encryption.watch import OwnKeyStatus
from tests.unit.docs import column, page, table
from tests.unit.encryption.vectors import VECTOR


def test_the_vector() -> None:
    """The page has the same values as the tests' fixture."""
    assert dict(table(page("protocol.md"), "vector")) == VECTOR


def test_refusals() -> None:
    """Every reason is explained, in the code's order."""
    assert column(page("data.md"), "refusal") == [reason.value for reason in OpenRefusal]


def test_problems_of_keys() -> None:
    """Every problem is named."""
    said = page("data.md")
    assert all(f"`{problem.value}`" in said for problem in KeyProblem)


def test_states_of_the_own_key() -> None:
    """Every state is explained."""
    said = [state for cell in column(page("data.md"), "state") for state in cell.split(", ")]
    assert sorted(said) == sorted(OwnKeyStatus)
