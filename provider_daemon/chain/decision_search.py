"""Searches the chain's store for the scheduling decision of a job.

The published chain's own query by job reads a field that nothing sets, so it finds none. Decisions are
numbered in the order of their jobs, at most one per job: a few reads find one among any number.
"""

from provider_daemon.chain import codec, keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1.types_pb2 import SchedulingDecision
from provider_daemon.chain.store import Store
from provider_daemon.errors import Unreadable


async def decision_of(store: Store, job_id: str) -> SchedulingDecision | None:
    """Returns the decision, or None if the scheduler decided nothing.

    Raises Unreadable for a decision on the way that cannot be read.
    """
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
    """Returns 7 for JOB-7; 0 for an id not of this form, which no job has."""
    number = job_id.removeprefix("JOB-")
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 20 else 0
