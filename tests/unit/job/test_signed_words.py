"""The words in a final status message that evidence signs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.signed_words import NO_WORDS, SignedWords, parse, without_words
from provider_daemon.job.transfer import Results

HASHES = st.text("0123456789abcdef", min_size=64, max_size=64)
RESULTS = st.builds(Results, HASHES, st.integers(0, 10**15 - 1), st.integers(0, 10**19 - 1))
SIGNED = st.builds(
    SignedWords, st.just("") | HASHES.map("sha256:{}".format), st.just("") | HASHES, st.none() | RESULTS
)
OUTPUT = "output=https://gateway.example:8443/v1/jobs/JOB-1/files"
ALL = SignedWords(f"sha256:{'cd' * 32}", "ef" * 32, Results("ab" * 32, 2, 23))


@pytest.mark.parametrize("reason", ["", "SLURM: FAILED, exit code 7"])
def test_people_read_the_reason_alone(reason: str) -> None:
    """Without the words for programs, the message is the reason, and empty if there is none."""
    message = f"{reason} {OUTPUT} {ALL}".strip()
    assert without_words(message) == reason
    assert parse(message) == ALL


def test_other_words_stay() -> None:
    """What only resembles these words is part of the reason."""
    assert without_words("output=text results=none image=debian") == "output=text results=none image=debian"


@given(SIGNED, st.text())
def test_words_at_the_end(signed: SignedWords, before: str) -> None:
    """They are found at the end of any message behind a word that is none of them, and nowhere else."""
    assert parse(f"{before}. {signed}") == signed
    assert parse(str(signed)) == signed
    assert parse(f"{signed} and more") == NO_WORDS
    assert parse(f"x{signed}").image == ""
