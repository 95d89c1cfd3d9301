"""Reads the chain's side of a comparison, with a bounded number of concurrent queries."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from provider_daemon.errors import Unreadable
from provider_daemon.job.state import TERMINAL
from provider_daemon.ports import Audit, OnChain, Reported
from provider_daemon.reconciliation.sides import ChainSide, LedgerSide

AT_ONCE = 64  # concurrent queries to the chain

T = TypeVar("T")
K = TypeVar("K")


class ChainSides:
    """Reads each job's record, the accounting of ended jobs, and each transaction with final reports once."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    async def of(
        self, jobs: Sequence[LedgerSide], decided: frozenset[str]
    ) -> tuple[dict[str, ChainSide], tuple[str, ...]]:
        """Returns the sides by job id, and a line for each job with an unreadable record."""
        ids = [side.job.spec.job_id for side in jobs]
        records = dict(
            zip(
                ids,
                await in_batches(ids, lambda job_id: _readable(self._audit.on_chain(job_id))),
                strict=True,
            )
        )
        ended = [
            job_id
            for job_id, record in records.items()
            if isinstance(record, OnChain) and record.record.state in TERMINAL
        ]
        settled = dict(
            zip(
                ended,
                await in_batches(ended, lambda job_id: _readable(self._audit.settled(job_id))),
                strict=True,
            )
        )
        reports, missing = await self._reports(jobs)
        unreadable = [
            f"{job_id}: {answer}"
            for job_id, answer in (*records.items(), *settled.items())
            if isinstance(answer, Unreadable)
        ]
        sides = {}
        for job_id, record in records.items():
            paid = settled.get(job_id)
            if not isinstance(record, Unreadable) and not isinstance(paid, Unreadable):
                sides[job_id] = ChainSide(record, reports.get(job_id), paid, missing, job_id in decided)
        return sides, tuple(unreadable)

    async def _reports(self, jobs: Sequence[LedgerSide]) -> tuple[dict[str, Reported], frozenset[str]]:
        """Returns (final reports on chain by job id, hashes of confirmed transactions not on chain)."""
        wanted = {side.job.spec.job_id: tx_hash for side in jobs if (tx_hash := _last_word(side))}
        specs = {side.job.spec.job_id: side.job.spec for side in jobs}
        hashes = list(dict.fromkeys(wanted.values()))
        answers = await in_batches(hashes, lambda tx_hash: self._audit.reported(tx_hash, specs))
        found_in = dict(zip(hashes, answers, strict=True))
        reports = {
            report.job_id: report
            for tx_hash, held in found_in.items()
            for report in held or ()
            if report.state in TERMINAL and wanted.get(report.job_id) == tx_hash
        }
        return reports, frozenset(tx_hash for tx_hash, held in found_in.items() if held is None)


def _last_word(side: LedgerSide) -> str:
    """Returns the hash of the transaction with the job's confirmed final report, or ''."""
    return next(
        (
            report.tx_hash
            for report in reversed(side.reports)
            if report.status == "confirmed" and report.state in TERMINAL
        ),
        "",
    )


async def _readable(asked: Awaitable[T]) -> T | Unreadable:
    """Returns an Unreadable in place of a record, so that the other records are compared."""
    try:
        return await asked
    except Unreadable as error:
        return error


async def in_batches(items: Sequence[K], ask: Callable[[K], Awaitable[T]]) -> list[T]:
    """Returns the answers in order, with at most AT_ONCE concurrent queries."""
    answers: list[T] = []
    for start in range(0, len(items), AT_ONCE):
        answers += await asyncio.gather(*(ask(item) for item in items[start : start + AT_ONCE]))
    return answers
