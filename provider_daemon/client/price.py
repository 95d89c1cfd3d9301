"""The most that a job can cost: the amount that `provd submit` holds in escrow. Pure.

As `provd bill estimate --spec`, and in addition the storage that the job requests and its inputs, once over
the network. A bill is never higher than the escrow (docs/billing.md).
"""

from dataclasses import replace

from provider_daemon.client.job_request import JobRequest, resources_fields
from provider_daemon.job.usage import SECONDS_PER_HOUR
from provider_daemon.money import documents
from provider_daemon.money.bill import Bill, bill
from provider_daemon.money.rules import DEFAULT, Rules

DENOM = "uvirt"


def estimate(asked: JobRequest, rules: Rules = DEFAULT) -> Bill:
    """Returns the bill of a job that uses all that it requests until its time limit."""
    use = documents.read_job(
        {
            "resources": resources_fields(asked.resources),
            "max_runtime_seconds": asked.max_runtime_seconds,
        },
        rules.granularity_seconds,
    )
    hours = -(-asked.max_runtime_seconds // SECONDS_PER_HOUR)
    usage = replace(
        use.usage,
        storage_gb_hours=asked.resources.storage_gb * hours,
        network_bytes_in=sum(given.size_bytes for given in asked.inputs),
    )
    return bill(usage, use.gpu_type, node_hours=use.node_hours, rules=rules)
