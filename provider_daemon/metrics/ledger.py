"""Measures the ledger: the duration of writes, and jobs and transactions from the events written."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from provider_daemon.job.job import Job
from provider_daemon.job.pricing import DENOM
from provider_daemon.job.state import TERMINAL, State
from provider_daemon.ledger import sending
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import OpenTx, TimelineEntry
from provider_daemon.metrics import catalog, causes
from provider_daemon.metrics.meters import Meters
from provider_daemon.metrics.scheduler import FOREVER
from provider_daemon.money.job_bill import chain_bill
from provider_daemon.ports import Clock

log = structlog.get_logger("provd.metrics")

_ENTERED = (EventKind.ADOPTED, EventKind.STATE)  # events that start a job state


@dataclass(frozen=True, slots=True)
class Measures:
    """`occupied` is MeasuredChain's: account -> the sequence and transaction that the chain last returned."""

    meters: Meters
    clock: Clock
    fee_denom: str
    occupied: Mapping[str, tuple[int, str]]


class MeasuredLedger(Ledger):
    """Counts only committed writes. Until `measure` is called it is an ordinary ledger."""

    _measures: Measures | None = None
    _noted: list[Callable[[Measures], None]]  # since the current write began

    def measure(self, measures: Measures, clusters: Sequence[str], signers: Sequence[str]) -> None:
        """Starts measuring; first sets every counter of those clusters and keys to 0."""
        self._measures = measures
        begin(measures.meters, clusters, signers, measures.fee_denom)

    @contextmanager
    def write(self) -> Iterator[None]:
        self._noted = []
        if self._measures is None:
            with super().write():
                yield
            return
        began = self._measures.clock.now()
        with super().write():
            yield
        self._measures.meters.observe(catalog.LEDGER_COMMIT, self._measures.clock.now() - began)
        for note in self._noted:
            self._count(note, self._measures)

    @staticmethod
    def _count(note: Callable[[Measures], None], measures: Measures) -> None:
        """Runs `note`. An error in it affects neither the write, which is committed, nor the loop."""
        try:
            note(measures)
        except Exception:
            log.exception(
                "metric_failed",
                next="a metric misses this event; jobs are not affected; report this as a bug",
            )

    def add_event(
        self, job_id: str, kind: EventKind, detail: str, now: float, state: State | None = None
    ) -> None:
        super().add_event(job_id, kind, detail, now, state)
        if kind in _EVENTS:
            self._noted.append(lambda measures: self._happened(measures, job_id, kind, now, state))

    def close_tx(
        self, tx: OpenTx, status: str, *, height: int = 0, code: int = 0, gas_used: int = 0, note: str = ""
    ) -> None:
        super().close_tx(tx, status, height=height, code=code, gas_used=gas_used, note=note)
        self._noted.append(lambda measures: self._closed(measures, tx, status, height, code, gas_used, note))

    def _closed(
        self, measures: Measures, tx: OpenTx, status: str, height: int, code: int, gas_used: int, note: str
    ) -> None:
        """A transaction is foreign if it used the sequence and is not one of provd's own."""
        sequence, used_by = measures.occupied.get(tx.signer, (-1, ""))
        foreign = sequence == tx.sequence and used_by != tx.tx_hash and not sending.is_known(self, used_by)
        closed_tx(measures, tx, status, height, code, gas_used, note, foreign=foreign)

    def _happened(
        self, measures: Measures, job_id: str, kind: EventKind, now: float, state: State | None
    ) -> None:
        job = self.job(job_id)
        if job is not None:
            _EVENTS[kind](measures, job, self.events_of(job_id), now, state)


# --- jobs ---


def _was_adopted(
    measures: Measures, job: Job, events: list[TimelineEntry], now: float, state: State | None
) -> None:
    """Counts the amounts of a job that is accepted; a refused one is failed from the start."""
    if job.state is not State.FAILED:
        for family, amount in ((catalog.ESTIMATED, job.estimate), (catalog.ESCROWED, job.escrowed)):
            measures.meters.inc(family, job.spec.cluster_id, job.pricing.denom, amount=amount or 0)


def _got_slurm_job(
    measures: Measures, job: Job, events: list[TimelineEntry], now: float, state: State | None
) -> None:
    measures.meters.observe(catalog.SUBMISSION_LATENCY, now - job.spec.created_ns / 1e9, job.spec.cluster_id)


def _left_state(
    measures: Measures, job: Job, events: list[TimelineEntry], now: float, state: State | None
) -> None:
    """The newest entry started the current state, so the one before it started the state that ended."""
    _leave(measures, job, _entries(events)[:-1], now)


def _was_closed(
    measures: Measures, job: Job, events: list[TimelineEntry], now: float, state: State | None
) -> None:
    _leave(measures, job, _entries(events), now)


def _entries(events: list[TimelineEntry]) -> list[TimelineEntry]:
    return [row for row in events if row.what in _ENTERED]


def _leave(measures: Measures, job: Job, entries: list[TimelineEntry], now: float) -> None:
    if entries:
        last = entries[-1]
        left = last.state or State.PENDING
        stage = left if left in catalog.STAGES else "ended"
        measures.meters.observe(catalog.JOB_STATE_DURATION, now - last.at, job.spec.cluster_id, stage)


def _report_confirmed(
    measures: Measures, job: Job, events: list[TimelineEntry], now: float, state: State | None
) -> None:
    stored = [row.at for row in events if row.what == EventKind.REPORT_STORED and row.state == state]
    if stored:
        measures.meters.observe(catalog.REPORT_LATENCY, now - stored[-1], job.spec.cluster_id)
    if state in TERMINAL:
        measures.meters.inc(catalog.BILLED, job.spec.cluster_id, job.pricing.denom, amount=value(job))


_EVENTS = {
    EventKind.ADOPTED: _was_adopted,
    EventKind.SLURM_JOB: _got_slurm_job,
    EventKind.STATE: _left_state,
    EventKind.CLOSED: _was_closed,
    EventKind.REPORT_CONFIRMED: _report_confirmed,
}


def value(job: Job) -> int:
    """Returns what the chain bills for the job's usage: at most what it holds for the job."""
    return chain_bill(job).total


# --- transactions ---


def closed_tx(
    measures: Measures,
    tx: OpenTx,
    status: str,
    height: int,
    code: int,
    gas_used: int,
    note: str,
    *,
    foreign: bool,
) -> None:
    meters = measures.meters
    meters.inc(catalog.TRANSACTIONS, *_outcome(status, height, code, note, foreign=foreign))
    if height:
        meters.inc(catalog.GAS, tx.signer, amount=gas_used)
        meters.inc(catalog.FEES, tx.signer, measures.fee_denom, amount=tx.fee)
    if status == "included":
        meters.set(catalog.OUTBOX_PROGRESS, measures.clock.now(), tx.signer, until=FOREVER)


def _outcome(status: str, height: int, code: int, note: str, *, foreign: bool) -> tuple[str, str]:
    if status == "included":
        return "included", "none"
    if status == "expired":
        return "expired", "foreign_transaction" if foreign else "timeout"
    return ("failed", causes.failure(code)) if height else ("refused", causes.refusal(code, "", note))


def begin(meters: Meters, clusters: Sequence[str], signers: Sequence[str], fee_denom: str) -> None:
    meters.begin(catalog.LEDGER_COMMIT)
    for outcome, reasons in catalog.OUTCOMES.items():
        for cause in reasons:
            meters.begin(catalog.TRANSACTIONS, outcome, cause)
    for signer in signers:
        meters.begin(catalog.GAS, signer)
        meters.begin(catalog.FEES, signer, fee_denom)
    for cluster in clusters:
        meters.begin(catalog.SUBMISSION_LATENCY, cluster)
        meters.begin(catalog.REPORT_LATENCY, cluster)
        for family in (catalog.ESTIMATED, catalog.ESCROWED, catalog.BILLED):
            meters.begin(family, cluster, DENOM)
        for stage in catalog.STAGES:
            meters.begin(catalog.JOB_STATE_DURATION, cluster, stage)
