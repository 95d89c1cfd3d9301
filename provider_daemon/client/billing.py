"""The prices by which the chain bills a job, or would bill one."""

from provider_daemon.chain import keyspace, records
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.codec import decode
from provider_daemon.chain.proto.virtengine.hpc.v1.types_pb2 import HPCJob, HPCRewardRecord
from provider_daemon.chain.store import Store
from provider_daemon.errors import Refused, Unreadable
from provider_daemon.job.job import Job
from provider_daemon.money.job_bill import job_rules
from provider_daemon.money.pricing import price_rules, read_prices
from provider_daemon.money.rules import DEFAULT, Rules


async def offering_rules(chain: GrpcChain, offering_id: str, queue: str, rules: Rules = DEFAULT) -> Rules:
    """Returns the rules with the prices of an offering and one of its queues; "" is its only queue.

    Raises Refused for an offering or a queue that does not exist, Unreadable for a price that is no number.
    """
    found = await chain.query.offering(offering_id)
    if found is None:
        raise Refused(f"{offering_id} does not exist on chain")
    offered = records.offering(found)
    names = [each.partition for each in offered.queues]
    if not queue and len({each.price_multiplier for each in offered.queues}) > 1:
        raise Refused(f"the prices of {offering_id} differ by queue: use --queue with {', '.join(names)}")
    if queue and queue not in names:
        raise Refused(f"{offering_id} has no queue {queue}: it has {', '.join(names)}")
    return offered.rules(queue or next(iter(names), ""), rules)


async def job_prices(chain: GrpcChain, job: HPCJob, known: Job | None) -> Rules:
    """Returns the rules with the prices when the job was submitted.

    They are in its reward record on a chain that writes them, else in the ledger (`known`); else the prices
    that the offering has now are used.
    """
    settled = await _settled_prices(chain, job.job_id)
    if settled is not None:
        return settled
    if known is not None and known.estimate is not None:
        return job_rules(known)
    found = await chain.query.offering(job.offering_id)
    return DEFAULT if found is None else records.offering(found).rules(job.queue_name)


async def _settled_prices(chain: GrpcChain, job_id: str) -> Rules | None:
    value = await Store(chain.endpoints).get(keyspace.key(keyspace.REWARD, f"hpc-reward-{job_id}"))
    if not value:
        return None
    inputs = decode(HPCRewardRecord, value).calculation_details.input_metrics
    if "prices" not in inputs:
        return None
    try:
        return price_rules(DEFAULT, *read_prices(inputs["prices"]))
    except ValueError as error:
        raise Unreadable(f"the reward record of {job_id}: {error}") from error
