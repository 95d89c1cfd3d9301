"""Whether the chain is still the one that the ledger knows: one that began again from genesis has other jobs
under the same ids.

One contradicting record proves nothing: an endpoint may have invented that job, and it is put on hold alone
(job_records.py). Several jobs, the oldest and the newest of the ledger, of which the chain knows none, are
another chain. Nothing is taken from another chain, and nothing is sent to it: a report would settle a
stranger's job."""

import asyncio

from provider_daemon.errors import Refused
from provider_daemon.job.lifecycle import Job
from provider_daemon.job.spec import ChainJob, same_request
from provider_daemon.ledger import meta
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ports import Chain

WITNESSES = 4  # of the oldest jobs, and as many of the newest
ENOUGH = 3  # jobs that the chain does not know, when it knows none
YOUNG_SECONDS = 60  # a job that entered the ledger since may be absent from a node that lags


async def check(ledger: Ledger, chain: Chain, now: float) -> bool:
    """Asks for the oldest and the newest jobs; whether one of them is the chain's own. What cannot be read
    proves nothing."""
    known = ledger.witnesses(WITNESSES)
    records = await asyncio.gather(*(chain.job(job.spec.job_id) for job in known), return_exceptions=True)
    agreeing = [job for job, record in zip(known, records, strict=True) if _agrees(job, record)]
    unknown = [job for job, record in zip(known, records, strict=True) if _unknown(job, record, now)]
    if agreeing:
        _keep(ledger, "")
    elif len(unknown) >= ENOUGH:
        _keep(
            ledger,
            (
                f"the chain's records of {', '.join(job.spec.job_id for job in unknown)} are not those of "
                "the ledger's jobs"
            ),
        )
    return bool(agreeing)


def _agrees(job: Job, record: ChainJob | BaseException | None) -> bool:
    return isinstance(record, ChainJob) and same_request(job.spec, record.spec)


def _unknown(job: Job, record: ChainJob | BaseException | None, now: float) -> bool:
    if record is None:
        return now - job.adopted_at > YOUNG_SECONDS
    return isinstance(record, ChainJob) and not _agrees(job, record)


def _keep(ledger: Ledger, why: str) -> None:
    if ledger.get(meta.OTHER_CHAIN) != why:
        with ledger.write():
            ledger.set(meta.OTHER_CHAIN, why)


def require(ledger: Ledger) -> None:
    """Raises Refused while the chain is another one."""
    if why := ledger.get(meta.OTHER_CHAIN):
        raise Refused(f"{why}: this is another chain with the same id, which needs its own ledger")
