"""docs/cli.md is what the commands say of themselves."""

from provider_daemon.cli import reference
from tests.unit.docs import page


def test_the_page_is_up_to_date() -> None:
    """After a change of any command: python -m provider_daemon.cli.reference > docs/cli.md"""
    assert page("cli.md") == reference.text(), "docs/cli.md is old: python -m provider_daemon.cli.reference > docs/cli.md"


def test_every_query_and_transaction_stands_there_with_its_example() -> None:
    text = reference.text()
    assert text.count("### provd query hpc ") == 21
    assert text.count("### provd tx hpc ") == 12
    assert text.count("\nprovd query hpc ") == 21
    assert text.count("\nprovd tx hpc ") == 12
