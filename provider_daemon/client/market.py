"""Reads what `provd submit` needs from the chain: offerings, clusters, a job's end and its evidence."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from provider_daemon.chain import evidence_check
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.proto.virtengine.hpc.v1.types_pb2 import HPCCluster, HPCJob, HPCOffering
from provider_daemon.chain.records import job_state
from provider_daemon.client import queries
from provider_daemon.client.outcome import Ended
from provider_daemon.client.queries import Page
from provider_daemon.client.verify import Evidence
from provider_daemon.errors import ProvdError, Refused, Transient
from provider_daemon.job.state import TERMINAL, State

PAGE = 200
POLL_SECONDS = 2.0
SILENT_SECONDS = 600.0  # without an answer of the chain, until the wait for a job is given up


class Lost(ProvdError):
    """The chain stopped answering: the job's end is not known."""


async def offerings(chain: GrpcChain) -> list[HPCOffering]:
    return [record async for record in _all(chain, "Offerings", "offerings")]


async def clusters(chain: GrpcChain) -> dict[str, HPCCluster]:
    return {record.cluster_id: record async for record in _all(chain, "Clusters", "clusters")}


async def _all(chain: GrpcChain, rpc: str, field: str) -> AsyncIterator[Any]:
    key = ""
    while True:
        asked = queries.question(rpc, {}, Page(limit=PAGE, key=key))
        message: Any = (await chain.ask(rpc, asked)).message
        for record in getattr(message, field):
            yield record
        key = queries.page_key(message.pagination.next_key)
        if not key:
            return


async def job(chain: GrpcChain, job_id: str) -> HPCJob:
    """Raises Refused for a job that the chain does not have."""
    found = await chain.query.job(job_id)
    if found is None:
        raise Refused(f"{job_id} does not exist on chain")
    return found


async def cluster(chain: GrpcChain, cluster_id: str) -> HPCCluster:
    answer: Any = (
        await chain.ask("Cluster", queries.question("Cluster", {"cluster_id": cluster_id}))
    ).message
    return answer.cluster  # type: ignore[no-any-return]


def ended(record: HPCJob) -> Ended | None:
    """Returns the end of a job, None while it is open."""
    state = job_state(record.state, record.job_id)
    if state not in TERMINAL:
        return None
    return Ended(
        state,
        record.exit_code,
        ran=record.HasField("started_at") and record.started_at.seconds > 0,
        message=record.status_message,
    )


async def wait(
    chain: GrpcChain,
    job_id: str,
    changed: Callable[[State, str], None],
    now: Callable[[], float],
    seconds: float = POLL_SECONDS,
) -> Ended:
    """Returns when the job has ended. `changed` gets each new state and its message; `now` in seconds.

    Raises Lost after ten minutes without an answer, and Refused for a job that does not exist.
    """
    shown: State | None = None
    heard = now()
    while True:
        try:
            record = await job(chain, job_id)
            heard = now()
        except Transient as error:
            if now() - heard > SILENT_SECONDS:
                raise Lost(
                    f"the chain does not answer ({error}): the end of {job_id} is not known"
                ) from error
        else:
            state = job_state(record.state, job_id)
            if state is not shown:
                changed(state, record.status_message)
                shown = state
            if found := ended(record):
                return found
        await asyncio.sleep(seconds)


async def evidence_of(chain: GrpcChain, job_id: str) -> Evidence:
    """Returns what the final report of a job proves about its results."""
    record = await job(chain, job_id)
    try:
        reports = await chain.reports_of(job_id)
    except Transient as error:
        return Evidence(why=f"the reports of {job_id} cannot be read: {error}")
    known = {job_id: evidence_check.ChainRecord.of(record, chain.chain_id)}
    verdicts = [
        verdict
        for tx in reports
        for verdict in evidence_check.check(tx.tx, chain.chain_id, known)
        if verdict.job_id == job_id and verdict.state in TERMINAL
    ]
    if not verdicts:
        return Evidence(why=f"the chain has no final report of {job_id}")
    if not verdicts[-1].ok:
        return Evidence(why=f"the evidence of the final report is not valid: {verdicts[-1].why}")
    results = verdicts[-1].signed.results
    return Evidence(results, "" if results else "the final report signs no results")
