"""The words about results in a final status message."""

import pytest

from provider_daemon.job.results_word import parse, results_word, without_words
from provider_daemon.job.transfer import Results

RESULTS = Results("ab" * 32, 2, 23)
OUTPUT = "output=https://gateway.example:8443/v1/jobs/JOB-1/files"


@pytest.mark.parametrize("reason", ["", "SLURM: FAILED, exit code 7"])
def test_people_read_the_reason_alone(reason: str) -> None:
    """Without the words for programs, the message is the reason, and empty if there is none."""
    message = f"{reason} {OUTPUT} {results_word(RESULTS)}".strip()
    assert without_words(message) == reason
    assert parse(message) == RESULTS


def test_other_words_stay() -> None:
    """What only resembles these words is part of the reason."""
    assert without_words("output=text results=none") == "output=text results=none"
