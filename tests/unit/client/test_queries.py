"""Watching jobs, and pages as they are typed."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from provider_daemon.chain.ask import QueryAnswer
from provider_daemon.chain.proto.virtengine.hpc.v1 import query_pb2, types_pb2
from provider_daemon.client import queries
from provider_daemon.errors import ConfigError, ProvdError, Transient


def chain_of(*answers: Any) -> Any:
    """A chain that gives these answers one after the other."""
    left = iter(answers)

    async def ask(rpc: str, asked: Any) -> QueryAnswer:
        answer = next(left)
        if isinstance(answer, ProvdError):
            raise answer
        return QueryAnswer(answer)

    return SimpleNamespace(ask=ask)


def job(number: int, state: str, message: str = "") -> types_pb2.HPCJob:
    return types_pb2.HPCJob(
        job_id=f"JOB-{number}", state=types_pb2.JobState.Value(f"JOB_STATE_{state}"), status_message=message
    )


def jobs(*records: types_pb2.HPCJob) -> query_pb2.QueryJobsResponse:
    return query_pb2.QueryJobsResponse(jobs=records)


async def seen(changes: AsyncIterator[list[Any]], count: int) -> list[list[str]]:
    found = []
    async for moved in changes:
        found.append([f"{record.job_id} {record.status_message}".strip() for record in moved])
        if len(found) == count:
            break
    return found


async def test_only_what_is_new_or_has_changed() -> None:
    """The first look shows all; a look without a change shows nothing."""
    chain = chain_of(
        jobs(job(1, "PENDING"), job(2, "PENDING")),
        jobs(job(1, "PENDING"), job(2, "PENDING")),
        jobs(job(1, "PENDING"), job(2, "RUNNING", "now"), job(3, "PENDING")),
    )
    changes = queries.changes(chain, "Jobs", query_pb2.QueryJobsRequest(), 0.0, print)
    assert await seen(changes, 2) == [["JOB-1", "JOB-2"], ["JOB-2 now", "JOB-3"]]


async def test_an_outage_is_told_and_waited_out() -> None:
    """A single job's watch ends with the job, whatever came between."""
    running = query_pb2.QueryJobResponse(job=job(1, "RUNNING"))
    ended = query_pb2.QueryJobResponse(job=job(1, "TIMEOUT", "late"))
    told: list[str] = []
    chain = chain_of(running, Transient("no endpoint"), ended)
    assert await seen(queries.changes(chain, "Job", query_pb2.QueryJobRequest(), 0.0, told.append), 9) == [
        ["JOB-1"],
        ["JOB-1 late"],
    ]
    assert told == ["the chain does not answer, retrying: no endpoint"]


def test_pages() -> None:
    asked: Any = queries.question(
        "Jobs", {"state": "running"}, queries.Page(limit=5, key="Sk9CLTI=", reverse=True)
    )
    assert (asked.state, asked.pagination.limit, asked.pagination.key, asked.pagination.reverse) == (
        3,
        5,
        b"JOB-2",
        True,
    )
    with pytest.raises(ConfigError, match="is not base64"):
        queries.question("Jobs", {}, queries.Page(key="?"))
