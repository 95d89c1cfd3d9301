"""What a job can cost, what covers it and what it costs, in one line. Pure."""

from provider_daemon.job.job import Job
from provider_daemon.money.job_bill import expected_bill


def price_line(job: Job) -> str:
    """Returns the job's amounts as `provd job explain` prints them."""
    denom = job.pricing.denom
    if job.estimate is None or job.agreed is None or job.escrowed is None:
        paid = "price: not known, the job was accepted by an older version"
    elif job.escrowed:
        paid = f"price: at most {job.estimate}{denom}, {job.escrowed}{denom} in escrow"
    elif job.agreed:
        paid = f"price: at most {job.estimate}{denom}, {job.agreed}{denom} promised, nothing in escrow"
    else:
        paid = f"price: at most {job.estimate}{denom}, nothing promised"
    return f"{paid}; bill {expected_bill(job).total}{denom}" if job.measured else paid
