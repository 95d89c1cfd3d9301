"""Checks that the chain is the one that the ledger knows: a chain restarted from genesis reuses job ids.

One contradicting record proves nothing: an endpoint may have invented that job, and only that job is put on
hold (job_records.py). If the chain knows none of several jobs, the oldest and the newest of the ledger, it is
another chain. provd accepts nothing from another chain and sends nothing to it, because a report would settle
another customer's job.
"""

import asyncio

from provider_daemon.errors import Refused
from provider_daemon.job.job import Job
from provider_daemon.job.spec import ChainJob, same_request
from provider_daemon.ledger import meta
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ports import Chain

WITNESSES = 4  # the number of oldest jobs checked, and of newest jobs
ENOUGH = 3  # unknown jobs that prove another chain, if no job is known
YOUNG_SECONDS = 60  # a job younger than this in the ledger may be absent from a node that lags


async def check(ledger: Ledger, chain: Chain, now: float) -> bool:
    """Queries the oldest and newest jobs; returns whether the chain has one. Unreadable ones do not count."""
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
    """Raises Refused while the chain is known to be another one."""
    if why := ledger.get(meta.OTHER_CHAIN):
        raise Refused(f"{why}: this is another chain with the same id, which needs its own ledger")
