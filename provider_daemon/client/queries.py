"""Builds queries, sorts their answers, and collects what the chain has about a job."""

import asyncio
import base64
import binascii
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from provider_daemon.chain import bech32, evidence_check
from provider_daemon.chain.ask import METHODS, QueryAnswer
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.evidence_check import Verdict
from provider_daemon.chain.gateway_json import render
from provider_daemon.chain.grpc_errors import NotFound
from provider_daemon.chain.proto.cosmos.tx.v1beta1.service_pb2 import GetTxResponse
from provider_daemon.chain.proto.virtengine.hpc.v1.types_pb2 import HPCJob
from provider_daemon.chain.records import job_state
from provider_daemon.client import draft
from provider_daemon.errors import ConfigError, Transient
from provider_daemon.job.state import TERMINAL


@dataclass(frozen=True, slots=True)
class Page:
    """The SDK's PageRequest; `key` is the previous page's next_key, in base64."""

    limit: int = 100
    key: str = ""
    offset: int = 0
    count_total: bool = False
    reverse: bool = False


def question(rpc: str, values: Mapping[str, Any], page: Page | None = None) -> Message:
    """Builds the RPC's request; accepts the values that draft.fill accepts. Raises ConfigError."""
    for name, value in values.items():
        if name.endswith("_address"):
            address(value)
    asked: Any = GetMessageClass(METHODS[rpc].input_type)()
    draft.fill(asked, {name: value for name, value in values.items() if value is not None})
    if page is not None:
        asked.pagination.limit, asked.pagination.offset = page.limit, page.offset
        asked.pagination.key, asked.pagination.count_total, asked.pagination.reverse = (
            _key(page.key),
            page.count_total,
            page.reverse,
        )
    return asked  # type: ignore[no-any-return]


def address(text: str) -> str:
    """Returns the text; raises ConfigError if it is invalid, as the chain would return an empty list."""
    try:
        bech32.decode(text)
    except ValueError as error:
        raise ConfigError([str(error)]) from None
    return text


def _key(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ConfigError(
            [(f"invalid --page-key: {text!r} is not base64; use the next_key of the previous page unchanged")]
        ) from None


def by_number(records: list[dict[str, Any]], *, reverse: bool = False) -> list[dict[str, Any]]:
    """Sorts records by their id, the first field, with its numbers as numbers: JOB-2 before JOB-10."""
    return sorted(records, key=lambda record: _natural(str(next(iter(record.values())))), reverse=reverse)


def _natural(text: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", text)]


def page_key(key: bytes) -> str:
    """Returns the `key` of the next page from an answer's next_key; "" on the last page."""
    return base64.b64encode(key).decode()


async def job_story(chain: GrpcChain, answer: QueryAnswer) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Returns a job with its accounting record and its reports, and a line if the reports are missing.

    Each report has its transaction, content and whether its evidence is valid. A node without a transaction
    index cannot find reports.
    """
    job: Any = answer.message
    accounting: Any = None
    with suppress(NotFound):
        accounting = (
            await chain.ask("JobAccounting", question("JobAccounting", {"job_id": job.job.job_id}))
        ).message
    document = {
        **render(job),
        "accounting": render(accounting)["accounting"] if accounting else None,
        "reports": None,
    }
    try:
        found = await chain.reports_of(job.job.job_id)
    except Transient as error:
        return document, (f"cannot read the reports of {job.job.job_id}: {error}",)
    return {**document, "reports": [row for tx in found for row in _reports(tx, chain.chain_id, job.job)]}, ()


def _reports(tx: GetTxResponse, chain_id: str, job: HPCJob) -> list[dict[str, Any]]:
    record = evidence_check.ChainRecord.of(job, chain_id)
    verdicts = evidence_check.check(tx.tx, chain_id, {job.job_id: record})
    pairs = zip(evidence_check.reports(tx.tx), verdicts, strict=True)
    return [_report(tx, report, verdict) for report, verdict in pairs if report.job_id == job.job_id]


def _report(tx: GetTxResponse, report: Message, verdict: Verdict) -> dict[str, Any]:
    place = {
        "txhash": tx.tx_response.txhash,
        "height": str(tx.tx_response.height),
        "timestamp": tx.tx_response.timestamp,
    }
    said = render(report)
    del said["job_id"], said["provider_address"]
    return {**place, **said, "evidence": "verified" if verdict.ok else verdict.why}


async def changes(
    chain: GrpcChain, rpc: str, asked: Message, every: float, say: Callable[[str], None]
) -> AsyncIterator[list[Message]]:
    """Yields the jobs of an answer that are new or have changed since the last poll.

    Ends when a single job has ended. Waits while the chain does not answer.
    """
    known: dict[str, bytes] = {}
    while True:
        try:
            answer: Any = (await chain.ask(rpc, asked)).message
        except Transient as error:
            say(f"the chain does not answer, retrying: {error}")
        else:
            jobs = [answer.job] if rpc == "Job" else list(answer.jobs)
            moved = [
                job for job in jobs if known.get(job.job_id) != job.SerializeToString(deterministic=True)
            ]
            known.update({job.job_id: job.SerializeToString(deterministic=True) for job in moved})
            if moved:
                yield moved
            if rpc == "Job" and job_state(answer.job.state, answer.job.job_id) in TERMINAL:
                return
        await asyncio.sleep(every)
