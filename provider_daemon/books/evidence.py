"""Gathers the evidence for an answer to a dispute, from the ledger and the chain, and signs it."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message

from provider_daemon.books import bundle
from provider_daemon.books.bundle import Answer, as_json
from provider_daemon.chain import keyspace
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.codec import decode
from provider_daemon.chain.gateway_json import render
from provider_daemon.chain.keys import Signer
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.chain.store import Store
from provider_daemon.errors import Refused
from provider_daemon.job.job import Job
from provider_daemon.ledger import books, disputes, usage_records
from provider_daemon.ledger.disputes import KnownDispute
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.timeline import timeline
from provider_daemon.usage_records.recorder import take_disputed

MAX_TEXT = 4000  # characters of an answer


def answer(
    ledger: Ledger,
    chain_id: str,
    signer: Signer,
    known: KnownDispute,
    records: Mapping[str, bytes],
    text: str,
    now: float,
) -> tuple[bytes, str]:
    """Signs and stores the evidence for a dispute. Returns the archive and the SHA-256 of its manifest.

    `records`: what chain_records has read. A later answer replaces the earlier one. Raises Refused if the
    dispute is decided, or the ledger does not have its job. Call inside `ledger.write()`.
    """
    dispute = known.dispute
    job = ledger.job(dispute.job_id)
    if not dispute.open:
        raise Refused(
            f"{dispute.dispute_id} is already decided ({dispute.status}): an answer would have no effect"
        )
    if job is None:
        raise Refused(f"{dispute.job_id} is not in the ledger, so provd has no evidence about it")
    take_disputed(ledger, job, signer, now)
    facts = Answer(
        chain_id=chain_id,
        dispute_id=dispute.dispute_id,
        job_id=dispute.job_id,
        provider=signer.address,
        customer=job.spec.customer,
        answered_at=int(now),
        text=text,
    )
    archive, digest = bundle.build(facts, {**records, **dict(_ledger_files(ledger, job, known))}, signer)
    disputes.answer(ledger, dispute.dispute_id, archive, digest, now)
    ledger.add_event(dispute.job_id, EventKind.DISPUTE_ANSWERED, _entry(dispute.dispute_id, digest), now)
    return archive, digest


def _entry(dispute_id: str, digest: str) -> str:
    return f"{dispute_id}: evidence with SHA-256 {digest}"


async def chain_records(chain: GrpcChain, job_id: str) -> dict[str, bytes]:
    """Returns the chain's records of the job, as JSON; null for one that it does not have."""
    value = await Store(chain.endpoints).get(keyspace.key(keyspace.REWARD, f"hpc-reward-{job_id}"))
    found: dict[str, Message | None] = {
        "chain/job.json": await chain.query.job(job_id),
        "chain/accounting.json": await chain.query.job_accounting(job_id),
        "chain/reward.json": decode(types_pb2.HPCRewardRecord, value) if value else None,
    }
    return {name: as_json(render(record) if record else None) for name, record in found.items()}


def _ledger_files(ledger: Ledger, job: Job, known: KnownDispute) -> Iterator[tuple[str, bytes]]:
    job_id = job.spec.job_id
    yield "dispute.json", as_json(asdict(known.dispute))
    yield "slurm.json", as_json(_slurm(job))
    yield "reports.json", as_json(list(_reports(ledger, job_id)))
    yield "timeline.json", as_json([asdict(entry) for entry in timeline(ledger, job)])
    booked = books.of(ledger, [job_id]).get(job_id)
    yield "accounting-row.json", as_json(asdict(booked) if booked else None)
    for record in usage_records.of(ledger, job_id):
        yield f"usage-records/{record.sequence:05}.json", record.document
        yield f"usage-records/{record.sequence:05}.signature", record.signature.encode()


def _slurm(job: Job) -> dict[str, Any]:
    """Returns what SLURM's accounting said of the job, and the manifest of its results."""
    return {
        "slurm_job_id": job.slurm_id,
        "name": job.name,
        "state": job.state.value,
        "exit_code": job.exit_code if job.measured else None,
        "message": job.message,
        "usage": asdict(job.usage) if job.usage else None,
        "results": asdict(job.results) if job.results else None,
    }


def _reports(ledger: Ledger, job_id: str) -> Iterator[dict[str, Any]]:
    """Yields the reports as they were signed, with the block that each is in."""
    for row in ledger.messages_of(job_id):
        if row.kind == "report":
            yield {
                "state": row.state,
                "status": row.status,
                "tx_hash": row.tx_hash,
                "height": row.height,
                "message": _message(row.body),
            }


def _message(body: bytes) -> object:
    try:
        return render(AnyMessage.FromString(body))
    except DecodeError:
        return None
