"""A job's accounting record and the hash of its inputs (docs/billing.md, 'The accounting record')."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum

from provider_daemon.job.usage import Usage

FORMULA_VERSION = "v1.0.0"


class Status(StrEnum):
    """CORRECTED is a new record that replaces a disputed one, which stays disputed."""

    PENDING = "pending"
    FINALIZED = "finalized"
    DISPUTED = "disputed"
    CORRECTED = "corrected"
    SETTLED = "settled"


TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.FINALIZED}),
    Status.FINALIZED: frozenset({Status.DISPUTED, Status.SETTLED}),
    Status.DISPUTED: frozenset({Status.FINALIZED}),  # only by release, if the dispute was rejected
    Status.CORRECTED: frozenset({Status.SETTLED}),
    Status.SETTLED: frozenset(),
}


class WrongStatus(Exception):
    """The record's status does not allow the change; the text names both."""


@dataclass(frozen=True, slots=True)
class AccountingRecord:
    """Times in seconds since the epoch, 0 for none. `corrects`: the calculation hash of the original."""

    job_id: str
    cluster_id: str
    usage: Usage
    period_start: int
    period_end: int
    usage_record_ids: tuple[str, ...] = ()
    formula_version: str = FORMULA_VERSION
    status: Status = Status.PENDING
    finalized_at: int = 0
    settled_at: int = 0
    calculation_hash: str = field(default="")
    corrects: str = ""


def calculation_hash(record: AccountingRecord) -> str:
    """Returns the SHA-256 of the inputs as JSON in this fixed order, 64 hex digits.

    Equal inputs have equal hashes. GPU types are left out, because they are not reported.
    """
    usage = asdict(record.usage)
    del usage["gpu_seconds_by_type"]
    document = {
        "job_id": record.job_id,
        "cluster_id": record.cluster_id,
        "usage": usage,
        "period_start": record.period_start,
        "period_end": record.period_end,
        "formula_version": record.formula_version,
        "usage_record_ids": list(record.usage_record_ids),
    }
    return hashlib.sha256(json.dumps(document, separators=(",", ":")).encode()).hexdigest()


def finalize(record: AccountingRecord, now: int) -> AccountingRecord:
    """Finalizes a pending record, once. Its figures are final then."""
    if record.status is not Status.PENDING:
        raise WrongStatus(
            f"the accounting of {record.job_id} is {record.status}: only a pending record can be finalized"
        )
    return replace(
        record, status=Status.FINALIZED, finalized_at=now, calculation_hash=calculation_hash(record)
    )


def dispute(record: AccountingRecord) -> AccountingRecord:
    """Marks the record disputed, which stops the settlement."""
    return _moved(record, Status.DISPUTED)


def release(record: AccountingRecord) -> AccountingRecord:
    """Finalizes a disputed record again after the dispute was rejected, with its old time and hash."""
    if record.status is not Status.DISPUTED:
        raise WrongStatus(
            f"the accounting of {record.job_id} is {record.status}, not disputed: there is no dispute to end"
        )
    return _moved(record, Status.FINALIZED)


def correct(original: AccountingRecord, usage: Usage, now: int) -> AccountingRecord:
    """Returns the record that replaces a disputed one. It refers to the original by its hash."""
    if original.status is not Status.DISPUTED:
        raise WrongStatus(
            f"the accounting of {original.job_id} is {original.status}, not disputed: there is nothing "
            "to correct"
        )
    corrected = replace(
        original, usage=usage, status=Status.CORRECTED, finalized_at=now, corrects=original.calculation_hash
    )
    return replace(corrected, calculation_hash=calculation_hash(corrected))


def settle(record: AccountingRecord, now: int) -> AccountingRecord:
    return replace(_moved(record, Status.SETTLED), settled_at=now)


def _moved(record: AccountingRecord, status: Status) -> AccountingRecord:
    if status not in TRANSITIONS[record.status]:
        raise WrongStatus(f"the accounting of {record.job_id} is {record.status}: it cannot become {status}")
    return replace(record, status=status)
