"""Errors about the owner of the chain's record under a job's number."""

from collections.abc import Sequence
from typing import Any

from provider_daemon.errors import Transient
from provider_daemon.job.job import Job
from provider_daemon.job.spec import ChainJob, same_request
from provider_daemon.ledger.rows import Message
from provider_daemon.loops import chain_changes, chain_identity, intake, outbox
from provider_daemon.loops.job_records import JobRecords
from tests.simulation.wrong import Changes


async def never_compared(self: Any, messages: Sequence[Message]) -> frozenset[str]:
    return frozenset()


async def compared_when_chosen(self: Any) -> Any:
    """Compared before the draft is simulated; a refused message is sent later by the old answer."""
    known = self.__dict__.setdefault("agreed", set())
    messages = self._drafts.choose(self._settings, self._clock.now(), frozenset())
    fresh = [message for message in messages if message.id not in known]
    held = await self._drafts._records.disagreeing(fresh)
    known |= {message.id for message in fresh if message.subject not in held}
    messages = [message for message in messages if message.subject not in held]
    return await self._draft(messages) if messages else None


def any_record(self: Any, job_id: str, record: Any) -> bool:
    return isinstance(record, ChainJob) and self._ledger.job(job_id) is not None


async def newest_alone(ledger: Any, chain: Any, now: float) -> bool:
    """The newest job decides for all jobs."""
    known = ledger.witnesses(1)[-1:]
    record = await chain.job(known[0].spec.job_id) if known else None
    same = record is None or same_request(known[0].spec, record.spec)
    chain_identity._keep(ledger, "" if same else "the chain has another job under this number")
    return same


def never_disowned(self: Any, job: Job) -> None:
    return None


def counter_only_grows(self: Any, end: int, first: int) -> None:
    raise Transient("the job counter is lower than before")


async def never_replaced(self: Any, job_id: str, record: ChainJob) -> None:
    return None


RECORDS: dict[str, Changes] = {
    "a report goes without comparing the record": (
        (JobRecords, "disagreeing", never_compared),
        (JobRecords, "agrees", any_record),
    ),
    "a report is compared once, however long it waits": (
        (outbox.Outbox, "_agreed_draft", compared_when_chosen),
    ),
    "a stranger's record is learned": ((JobRecords, "agrees", any_record),),
    "one contradicting job stops all": ((chain_identity, "check", newest_alone),),
    "an invented job is never disowned": ((JobRecords, "_disown", never_disowned),),
    "an invented number is never read again": ((intake.Intake, "_counter_behind", counter_only_grows),),
    "the job under an invented number is not adopted": (
        (chain_changes.ChainChanges, "_replace", never_replaced),
    ),
}
