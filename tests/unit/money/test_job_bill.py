"""The bill of a job in the ledger."""

from dataclasses import replace

import pytest

from provider_daemon.job.job import Job
from provider_daemon.job.pricing import Pricing
from provider_daemon.job.spec import Resources, Spec, Workload
from provider_daemon.job.state import State
from provider_daemon.job.usage import Usage
from provider_daemon.money.job_bill import chain_bill, expected_bill, job_rules
from provider_daemon.money.rules import DEFAULT

SPEC = Spec("c", "JOB-1", "OFF-1", "HPC-1", "p", "a", "gpu", Workload(), Resources(1, gpu_type="a100"), 60, 1)
JOB = Job(
    SPEC, None, 60, 0.0, State.COMPLETED, State.RUNNING, State.RUNNING, usage=Usage(3600, gpu_seconds=3600)
)


def test_by_the_prices_of_its_offering_and_queue() -> None:
    """A job of an older ledger has none: the default rates, without a limit."""
    assert (expected_bill(JOB).total, chain_bill(JOB).total, job_rules(JOB)) == (150_000, 150_000, DEFAULT)
    priced = replace(JOB, pricing=Pricing(gpu_hour="80000"), price_multiplier="2")
    assert expected_bill(priced).total == chain_bill(priced).total == 160_000


@pytest.mark.parametrize(
    ("agreed", "escrowed", "expected", "billed"),
    [
        (200_000, 200_000, 150_000, 150_000),
        (90_000, 90_000, 90_000, 90_000),
        (90_000, 0, 90_000, 0),
        (0, 0, 0, 0),
    ],
)
def test_at_most_what_was_promised_or_is_held(agreed: int, escrowed: int, expected: int, billed: int) -> None:
    """The customer owes up to the agreed price; the chain can bill only what it holds."""
    job = replace(JOB, agreed=agreed, escrowed=escrowed)
    assert (expected_bill(job).total, chain_bill(job).total) == (expected, billed)


def test_without_usage_there_is_no_bill() -> None:
    assert expected_bill(replace(JOB, usage=None)).total == 0
