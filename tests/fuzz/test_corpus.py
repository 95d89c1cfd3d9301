"""Every input of the corpus, among them all that were ever found, once."""

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, run

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_of_the_corpus_breaks_its_target(name: str) -> None:
    """Each ends with an answer or with one of provd's own errors."""
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs
    for path in inputs:
        run(name, path.read_bytes())


def test_every_directory_has_a_target() -> None:
    assert {path.name for path in CORPUS.iterdir()} == TARGETS.keys()
