"""What reports will cost, from the size of the job's record: within 15 percent of what was measured on the
chain, never below."""

import pytest

from provider_daemon.job.report_cost import ReportGasLimits, of_all, of_one, too_dear

USUAL = 700  # bytes of a record


@pytest.mark.parametrize(("stored", "measured"), [(USUAL, 75_053), (10_700, 436_000), (50_700, 1_880_000)])
def test_one_report(stored: int, measured: int) -> None:
    """A message of 500 bytes included, which is 18,000 gas."""
    assert measured <= of_one(stored) <= measured * 1.15 + 36 * 500


def test_all_reports() -> None:
    """Queued, running and the end: three times the record, and what each report adds to it."""
    assert of_all(USUAL) == 3 * 50_000 + 36 * (3 * USUAL + (1 + 2 + 3) * 48 + 500)


def test_the_usual_job_is_allowed() -> None:
    assert ReportGasLimits(3_000_000, 50_000_000).allow_job(USUAL)


def test_a_job_that_is_too_dear_to_run_can_still_be_refused() -> None:
    """Three reports are over the limit, one is not."""
    limits = ReportGasLimits(3_000_000, 50_000_000)
    assert not limits.allow_job(60_000)
    assert limits.allow_refusal(60_000)


def test_a_job_that_is_too_dear_to_answer() -> None:
    limits = ReportGasLimits(3_000_000, 50_000_000)
    assert not limits.allow_refusal(900_000)


def test_a_report_must_fit_a_transaction() -> None:
    """Also where the operator set no limit of his own: such a job would run, and could not be reported."""
    limits = ReportGasLimits(0, 1_000_000)
    assert limits.allow_job(20_000)
    assert not limits.allow_job(30_000)
    assert not limits.allow_refusal(30_000)


def test_the_reason_says_what_to_do() -> None:
    reason = too_dear(900_000, ReportGasLimits(3_000_000, 50_000_000))
    assert "900000 bytes" in reason
    assert "3000000 gas" in reason
    assert "shorten command, arguments" in reason
