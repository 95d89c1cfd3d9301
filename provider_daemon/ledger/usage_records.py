"""Signed usage records in the ledger. Functions that write run inside `with ledger.write():`."""

import sqlite3
from dataclasses import asdict

from provider_daemon.job.usage_record import SignedSnapshot, SnapshotType
from provider_daemon.ledger.ledger import Ledger


def add(ledger: Ledger, snapshot: SignedSnapshot) -> None:
    ledger._run("add_snapshot", **{**asdict(snapshot), "type": snapshot.type.value})


def newest(ledger: Ledger, job_id: str) -> SignedSnapshot | None:
    """Returns the job's newest usage record of any type."""
    row = ledger._one("newest_snapshot", job_id=job_id)
    return _snapshot(row) if row else None


def of(ledger: Ledger, job_id: str) -> list[SignedSnapshot]:
    """Returns the job's usage records by sequence."""
    return [_snapshot(row) for row in ledger._all("snapshots_of", job_id=job_id)]


def last_of_type(ledger: Ledger, job_id: str, wanted: SnapshotType) -> SignedSnapshot | None:
    row = ledger._one("last_snapshot_of_type", job_id=job_id, type=wanted.value)
    return _snapshot(row) if row else None


def a_transaction_of_each_key(ledger: Ledger) -> list[bytes]:
    """Returns each key's newest transaction in a block, which holds the public key."""
    return [row["tx_bytes"] for row in ledger._all("newest_tx_of_each_signer")]


def prune_interim(ledger: Ledger, before: float) -> None:
    """Deletes old interim usage records, except a job's newest one, which continues the numbering."""
    ledger._run("prune_interim_snapshots", before=before)


def _snapshot(row: sqlite3.Row) -> SignedSnapshot:
    values = dict(row)
    return SignedSnapshot(
        **{**values, "type": SnapshotType(values["type"]), "taken_at": int(values["taken_at"])}
    )
