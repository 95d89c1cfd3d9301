"""The port Audit over a chain client: records, accountings, disputes, and the reports in transactions."""

import asyncio
from collections.abc import Mapping

import structlog

from provider_daemon.chain import evidence_check, keyspace, messages
from provider_daemon.chain.amounts import amount
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.codec import decode
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.chain.records import chain_job
from provider_daemon.chain.store import Store
from provider_daemon.errors import Unreadable
from provider_daemon.job.spec import Spec
from provider_daemon.ports import Dispute, DisputeStatus, OnChain, Reported, Settled

log = structlog.get_logger("provd.chain")

DENOM = "uvirt"  # the denom of bills
# the number of newest ids to check: a dispute is decided within days (the chain's counter increments by two)
DISPUTES = 256


class GrpcAudit:
    def __init__(self, chain: GrpcChain) -> None:
        self._chain = chain
        self._store = Store(chain.endpoints)

    async def on_chain(self, job_id: str) -> OnChain | None:
        record = await self._chain.query.job(job_id)
        if record is None:
            return None
        known = chain_job(record, self._chain.chain_id)
        return OnChain(known, record.completed_at.seconds, known.escrowed(DENOM))

    async def settled(self, job_id: str) -> Settled | None:
        record = await self._chain.query.job_accounting(job_id)
        if record is None:
            return None
        where = f"the accounting of {job_id}"
        return Settled(
            usage=messages.usage_of(record.usage_metrics),
            total=amount(record.total_cost, DENOM, where, "total_cost"),
            provider_reward=amount(record.provider_reward, DENOM, where, "provider_reward"),
            platform_fee=amount(record.platform_fee, DENOM, where, "platform_fee"),
            status=record.settlement_status,
        )

    async def reported(self, tx_hash: str, specs: Mapping[str, Spec]) -> tuple[Reported, ...] | None:
        found = await self._chain.txs.get(tx_hash)
        if found is None:
            return None
        failed = (
            f"its transaction failed with code {found.tx_response.code}" if found.tx_response.code else ""
        )
        records = {
            job_id: evidence_check.ChainRecord(spec.cluster_id, spec.digest) for job_id, spec in specs.items()
        }
        verdicts = evidence_check.check(found.tx, self._chain.chain_id, records)
        return tuple(
            Reported(
                report.job_id,
                verdict.state,
                messages.usage_of(report.usage_metrics),
                report.exit_code,
                failed or verdict.why,
            )
            for report, verdict in zip(evidence_check.reports(found.tx), verdicts, strict=True)
        )

    async def disputes(self) -> tuple[Dispute, ...]:
        end = await self._store.counter(keyspace.NEXT_DISPUTE)
        return await self._disputes(max(1, end - DISPUTES), end)

    async def disputes_since(self, number: int) -> tuple[int, tuple[Dispute, ...]]:
        end = min(await self._store.counter(keyspace.NEXT_DISPUTE), number + DISPUTES)
        return max(end, number), await self._disputes(number, end)

    async def dispute(self, dispute_id: str) -> Dispute | None:
        value = await self._store.get(keyspace.key(keyspace.DISPUTE, dispute_id))
        return _dispute(dispute_id, value) if value else None

    async def _disputes(self, first: int, end: int) -> tuple[Dispute, ...]:
        found = await asyncio.gather(*(self.dispute(f"hpc-dispute-{number}") for number in range(first, end)))
        return tuple(dispute for dispute in found if dispute)


def _dispute(dispute_id: str, value: bytes) -> Dispute | None:
    """Returns the dispute, or None if it cannot be read.

    It may belong to anybody: the reconciliation of our own jobs does not wait for it.
    """
    try:
        record = decode(types_pb2.HPCDispute, value)
    except Unreadable as error:
        log.error(
            "dispute_unreadable",
            dispute=dispute_id,
            why=str(error),
            next="this dispute is skipped; jobs and other disputes are still compared",
        )
        return None
    return Dispute(
        dispute_id=dispute_id,
        job_id=record.job_id,
        status=DisputeStatus(_word(record.status)),
        created_at=record.created_at.seconds,
        reward_id=record.reward_id,
        disputer=record.disputer_address,
        kind=record.dispute_type,
        reason=record.reason,
        evidence=record.evidence,
        resolution=record.resolution,
        resolver=record.resolver_address,
        resolved_at=max(0, record.resolved_at.seconds),
        height=record.block_height,
    )


def _word(status: types_pb2.DisputeStatus.ValueType) -> str:
    return types_pb2.DisputeStatus.Name(status).removeprefix("DISPUTE_STATUS_").lower()
