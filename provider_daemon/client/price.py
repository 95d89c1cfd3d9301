"""The most that a job can cost: the amount that `provd submit` holds in escrow. Pure.

It is the estimate that the provider requires before it accepts the job (docs/billing.md, 'Estimates').
"""

from provider_daemon.chain import records
from provider_daemon.chain.proto.virtengine.hpc.v1.types_pb2 import HPCOffering
from provider_daemon.client.job_request import JobRequest
from provider_daemon.money.bill import Bill
from provider_daemon.money.estimate import worst_bill
from provider_daemon.money.rules import DEFAULT, Rules


def rules_of(offering: HPCOffering, queue: str) -> Rules:
    """Returns the rules of a job in that queue. Raises Unreadable for a price that cannot be read."""
    return records.offering(offering).rules(queue)


def estimate(asked: JobRequest, rules: Rules = DEFAULT) -> Bill:
    """Returns the bill of a job that uses all that it requests until its time limit."""
    return worst_bill(asked.resources, asked.max_runtime_seconds, asked.inputs, rules)
