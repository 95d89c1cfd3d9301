"""The bill of a job in the ledger, by the prices of its offering."""

from provider_daemon.job.job import Job
from provider_daemon.job.usage import Usage
from provider_daemon.money.bill import Bill, bill
from provider_daemon.money.pricing import price_rules
from provider_daemon.money.rules import DEFAULT, Rules


def job_rules(job: Job) -> Rules:
    return price_rules(DEFAULT, job.pricing, job.price_multiplier)


def expected_bill(job: Job) -> Bill:
    """Returns the bill of the measured usage, at most what the customer promised."""
    return _bill(job, job.agreed)


def chain_bill(job: Job) -> Bill:
    """Returns what the chain bills for the measured usage: at most what it holds for the job."""
    return _bill(job, job.escrowed)


def _bill(job: Job, ceiling: int | None) -> Bill:
    return bill(job.usage or Usage(), job.spec.resources.gpu_type, ceiling, rules=job_rules(job))
