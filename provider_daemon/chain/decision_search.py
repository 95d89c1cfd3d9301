"""The scheduling decision of a job, found in the chain's store.

The published chain's own query by job reads a field that nothing stores, so it finds none. Decisions are
numbered in the order of their jobs, at most one a job: a handful of reads finds one among any number."""

from provider_daemon.chain import codec, keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1.types_pb2 import SchedulingDecision
from provider_daemon.chain.store import Store
from provider_daemon.errors import Unreadable


async def decision_of(store: Store, job_id: str) -> SchedulingDecision | None:
    """None where the scheduler decided nothing. Raises Unreadable for a decision on the way that cannot be
    read."""
    wanted = _number(job_id)
    low, high = 1, min(wanted, await store.counter(keyspace.NEXT_DECISION) - 1)
    while low <= high:
        middle = (low + high) // 2
        found = await _decision(store, middle)
        number = _number(found.job_id)
        if number == wanted:
            return found
        low, high = (middle + 1, high) if number < wanted else (low, middle - 1)
    return None


async def _decision(store: Store, number: int) -> SchedulingDecision:
    decision_id = f"hpc-decision-{number}"
    value = await store.get(keyspace.key(keyspace.DECISION, decision_id))
    if not value:
        raise Unreadable(
            f"{decision_id} is below the chain's decision counter, but the node has no record of it"
        )
    return codec.decode(SchedulingDecision, value)


def _number(job_id: str) -> int:
    """Of JOB-7, 7; 0 for what is not of this form, which no job has."""
    number = job_id.removeprefix("JOB-")
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 20 else 0
