"""The reconciliation loop: compares SLURM, ledger and chain hourly, logs and signs differences."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace

import structlog

from provider_daemon.chain.keys import Signer
from provider_daemon.errors import Transient
from provider_daemon.job.usage_record import SnapshotType
from provider_daemon.ledger import meta, reconciliation, usage_records
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.reconciliation import KEEP_SECONDS
from provider_daemon.ports import Audit, Chain, Clock, Dispute
from provider_daemon.reconciliation.comparer import Compared, Comparer, Comparison, Served
from provider_daemon.reconciliation.differences import Outcome, Severity, by_severity, worst_first
from provider_daemon.usage_records.recorder import last_known, take, take_disputed

log = structlog.get_logger("provd.reconcile")

PERIOD_SECONDS = 3600
# the loop's own period: the maximum delay of a comparison, and the first retry after a failed one
CHECK_SECONDS = 300
SETTLE_SECONDS = 300  # after a start, so that the other loops process earlier events first
OVERLAP_SECONDS = 3600  # jobs closed within this time before the last comparison are compared once more
FIRST_SECONDS = 86_400  # how far back the first comparison of a ledger goes
UNRESOLVED_JOBS = 1000
LINES = 100  # maximum log lines of one run


class Reconciliation:
    """Reconciles all clusters of the daemon."""

    def __init__(
        self, ledger: Ledger, chain: Chain, audit: Audit, served: Sequence[Served], clock: Clock
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._signers = {each.cluster_id: each.signer for each in served}
        self._comparer = Comparer(ledger, chain, audit, served, clock)
        self._began_at = clock.now()
        self._failed = ""
        # the wait doubles after each failure: a cluster may be down for days
        self._wait, self._next_at = 0.0, 0.0

    async def tick(self) -> None:
        """Compares if due. Raises Transient after a run in which a side failed, until the next attempt."""
        now, done = self._clock.now(), self._ledger.get(meta.RECONCILED_AT)
        if now - self._began_at < SETTLE_SECONDS or 0 <= now - done < PERIOD_SECONDS:
            return
        if self._failed and now < self._next_at:
            raise Transient(self._failed)
        await self._compare(now, done)

    async def _compare(self, now: float, done: float) -> None:
        again = self._ledger.get(meta.UNRESOLVED)
        since = max(done - OVERLAP_SECONDS, now - KEEP_SECONDS) if done else now - FIRST_SECONDS
        compared = await self._comparer.run(since, again)
        compared = keep(self._ledger, compared, self._signers, now)
        self._tell(compared)
        with self._ledger.write():
            ids = {*unresolved(compared, now - KEEP_SECONDS), *(again if compared.failed else ())}
            reconciliation.save(
                self._ledger, by_severity(compared.differences), ids, None if compared.failed else now
            )
            usage_records.prune_interim(self._ledger, now - KEEP_SECONDS)
            self._ledger.prune_txs(now - KEEP_SECONDS)
        self._failed = (
            "could not compare everything: " + "; ".join(compared.failed) if compared.failed else ""
        )
        self._wait = min(PERIOD_SECONDS, 2 * self._wait or CHECK_SECONDS) if self._failed else 0.0
        self._next_at = now + self._wait
        if self._failed:
            raise Transient(self._failed)

    def _tell(self, compared: Comparison) -> None:
        outcomes = {
            outcome.value: sum(each.outcome is outcome for each in compared.jobs) for outcome in Outcome
        }
        log.info("reconciled", jobs=len(compared.jobs), **outcomes, differences=len(compared.differences))
        for row in worst_first(compared.differences)[:LINES]:
            if row.severity in (Severity.HIGH, Severity.CRITICAL):
                sides = {
                    "slurm": row.slurm,
                    "ledger": row.ledger,
                    "chain": row.chain,
                    "severity": row.severity,
                }
                log.error(
                    "reconciliation_difference", job=row.job_id, what=row.what, **sides, next=row.advice
                )


def unresolved(compared: Comparison, since: float) -> list[str]:
    """Returns the jobs to compare again next time, even if closed by then, unless closed before `since`."""
    found = (each.job for each in compared.jobs if each.outcome in (Outcome.DISCREPANCY, Outcome.FAILED))
    return [job.spec.job_id for job in found if job.closed_at is None or job.closed_at >= since][
        :UNRESOLVED_JOBS
    ]


def keep(
    ledger: Ledger, compared: Comparison, signers: Mapping[str, Signer | None], now: float
) -> Comparison:
    """Signs new differences and disputes, and returns the comparison with resolved jobs marked as such.

    `signers` by cluster id; jobs of a cluster without a signer are only compared. Nothing is signed twice.
    """
    jobs = []
    with ledger.write():
        for each in compared.jobs:
            jobs.append(_keep(ledger, each, signers.get(each.job.spec.cluster_id), now))
        for dispute in compared.disputes:
            _keep_disputed(ledger, dispute, signers, now)
    return replace(compared, jobs=tuple(jobs))


def _keep(ledger: Ledger, compared: Compared, signer: Signer | None, now: float) -> Compared:
    last = usage_records.last_of_type(ledger, compared.job.spec.job_id, SnapshotType.RECONCILIATION)
    said = json.loads(last.document) if last else {}
    if compared.outcome is Outcome.MATCHED and said.get("outcome") == Outcome.DISCREPANCY:
        compared = replace(compared, outcome=Outcome.RESOLVED)
    differences = tuple({**asdict(row), "severity": row.severity.value} for row in compared.differences)
    news = (said.get("outcome"), _facts(said.get("differences", []))) != (
        compared.outcome,
        _facts(differences),
    )
    if signer and news and compared.outcome in (Outcome.DISCREPANCY, Outcome.RESOLVED):
        used = compared.used or last_known(ledger, compared.job)
        take(
            ledger,
            compared.job,
            SnapshotType.RECONCILIATION,
            used,
            signer,
            now,
            compared.outcome,
            differences,
        )
    return compared


def _facts(differences: Iterable[Mapping[str, str | int]]) -> list[tuple[object, ...]]:
    """Returns the differences without their amounts: a changed amount alone is not signed again."""
    return [
        tuple(row[name] for name in ("what", "slurm", "ledger", "chain", "severity")) for row in differences
    ]


def _keep_disputed(
    ledger: Ledger, dispute: Dispute, signers: Mapping[str, Signer | None], now: float
) -> None:
    """Signs an open dispute once. Later disputes about the same job are recognised by their time."""
    job = ledger.job(dispute.job_id)
    signer = signers.get(job.spec.cluster_id) if job else None
    last = usage_records.last_of_type(ledger, dispute.job_id, SnapshotType.DISPUTE)
    if job and signer and dispute.open and (last is None or last.taken_at < dispute.created_at):
        take_disputed(ledger, job, signer, now)
