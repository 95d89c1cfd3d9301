"""A customer's words in the final report."""

from dataclasses import replace

import pytest

from provider_daemon.job import results_word
from provider_daemon.job.report_cost import MAX_MESSAGE
from provider_daemon.job.state import State
from provider_daemon.job.transfer import Results
from provider_daemon.loops.reporting import final_message
from tests.unit.job.test_data import JOB

WORD = results_word.results_word(Results("ab" * 32, 1, 7))


@pytest.mark.parametrize("message", [WORD, f"inputs: {WORD}", f"refused\n{WORD}", f"refused\t{WORD}\n"])
def test_a_message_that_reads_as_results(message: str) -> None:
    """A job that did not run has no results: its honest report would fail every check with such a word."""
    job = replace(JOB, state=State.FAILED, slurm_id="", message=message)
    found = final_message(job, None)
    assert results_word.parse(found) is None
    assert WORD in found
    assert len(found.encode()) <= MAX_MESSAGE
