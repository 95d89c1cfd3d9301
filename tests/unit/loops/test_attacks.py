"""A customer's words in the final report."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.data import DataPolicy
from provider_daemon.job.report_cost import MAX_MESSAGE
from provider_daemon.job.signed_words import NO_WORDS, SignedWords, parse
from provider_daemon.job.state import State
from provider_daemon.job.transfer import Results
from provider_daemon.loops.reporting import final_message
from provider_daemon.text import cut
from tests.unit.job.test_data import JOB

WORDS = [
    str(words)
    for words in (
        SignedWords(results=Results("ab" * 32, 1, 7)),
        SignedWords(image=f"sha256:{'cd' * 32}"),
        SignedWords(site_audit="ef" * 32),
        SignedWords(f"sha256:{'cd' * 32}", "ef" * 32, Results("ab" * 32, 1, 7)),
    )
]
SIGNED = [NO_WORDS, *map(parse, WORDS)]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("text", ["{}", "inputs: {}", "refused\n{}", "refused\t{}\n"])
def test_a_message_that_reads_as_signed(text: str, word: str) -> None:
    """A job that did not run has no results: its honest report would fail every check with such a word."""
    job = replace(JOB, state=State.FAILED, slurm_id="", message=text.format(word))
    found = final_message(job, None, NO_WORDS)
    assert parse(found) == NO_WORDS
    assert word in found


@given(
    st.lists(st.sampled_from([*WORDS, "x", "\n", "\t", " ", ".", "<" * 90]), max_size=8).map(" ".join),
    st.sampled_from(SIGNED),
    st.sampled_from([None, DataPolicy(url="https://gateway.example:8443")]),
)
def test_a_message_names_what_is_signed(message: str, signed: SignedWords, data: DataPolicy | None) -> None:
    """Whatever the reason repeats, the report's words are those that the evidence signs, and all fits."""
    job = replace(JOB, state=State.FAILED, slurm_id="42", message=message)
    found = final_message(job, data, signed)
    assert parse(found) == signed
    assert cut(found, MAX_MESSAGE) == found
