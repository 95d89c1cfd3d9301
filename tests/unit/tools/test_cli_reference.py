"""docs/cli.md is what the commands say of themselves."""

from tests.unit.docs import page
from tools import cli_reference


def test_the_page_is_up_to_date() -> None:
    """After a change of any command: make generate"""
    assert page("cli.md") == cli_reference.text(), "docs/cli.md is old: make generate"


def test_every_query_and_transaction_stands_there_with_its_example() -> None:
    text = cli_reference.text()
    assert text.count("### provd query hpc ") == 21
    assert text.count("### provd tx hpc ") == 12
    assert text.count("\nprovd query hpc ") == 21
    assert text.count("\nprovd tx hpc ") == 12
