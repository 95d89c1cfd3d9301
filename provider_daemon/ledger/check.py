"""Checks a ledger: SQLite's integrity check, and the consistency of its rows."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from provider_daemon.job.parking import ParkReason
from provider_daemon.ledger import meta, sql
from provider_daemon.ledger.file import SCHEMA_VERSION, schema_version
from provider_daemon.ledger.rows import UnreadableJob, job_from_value

RESTORE = "stop provd and replace the ledger with the newest intact backup"
REPAIR = "run `provd ledger repair`, then again with --apply"
TELL = "this is a bug in provd: keep a backup of the ledger and report it"
PASSING = "the daemon repairs it at its next tick; if it persists, report it with a backup of the ledger"

_SQL = sql.load("checks.sql")

# query -> (the problem of each `subject` that it returns, how to fix it)
_RULES = {
    "report_of_no_job": ("{subject}: a report of a job that is not in the ledger", TELL),
    "timeline_of_no_job": ("{subject}: a timeline of a job that is not in the ledger", TELL),
    "open_tx_without_messages": ("transaction {subject} is open and contains no message", PASSING),
    "waits_in_a_closed_tx": (
        "{subject}: a message is open in a closed transaction and would never be sent again",
        TELL,
    ),
    "confirmed_without_inclusion": (
        "{subject}: a message is marked confirmed, but its transaction was not included",
        TELL,
    ),
    "promise_without_report": (
        "{subject}: its promised state is not on chain, and no report of it is in the outbox",
        TELL,
    ),
    "reports_out_of_order": (
        "{subject}: its unsent reports are not in the order that the chain accepts",
        TELL,
    ),
    "closed_and_not_final": ("{subject}: closed, but its last state on chain is not a final one", TELL),
    "columns_differ": ("{subject}: the columns of its row differ from the job stored in it", RESTORE),
    "one_slurm_job_for_two": ("SLURM job {subject} is assigned to two open chain jobs", TELL),
}
_COUNTS = ("jobs", "messages", "txs", "quarantine")


@dataclass(frozen=True, slots=True)
class LedgerFinding:
    """A problem of the ledger, and how to fix it."""

    what: str
    todo: str


@dataclass(frozen=True, slots=True)
class Health:
    """`counts`: table -> state -> rows."""

    schema: int
    chain_id: str
    counts: dict[str, dict[str, int]]
    findings: list[LedgerFinding]


def check(connection: sqlite3.Connection, chain_id: str) -> Health:
    """Checks the ledger in one transaction, also beside the daemon; `chain_id` is the configured one."""
    connection.execute("BEGIN")
    try:
        damages = list(_damages(connection))
        if damages or schema_version(connection) != SCHEMA_VERSION:
            return Health(
                schema_version(connection), "", {}, damages or [_other_schema(schema_version(connection))]
            )
        owner = meta.read(connection, meta.CHAIN_ID)
        unreadable = list(_unreadable(connection))
        findings = [
            *_chain(owner, chain_id),
            *(unreadable or [*_invalid_ids(connection), *_broken_rules(connection)]),
        ]
        return Health(SCHEMA_VERSION, owner, _counts(connection), findings)
    finally:
        connection.execute("ROLLBACK")


def _damages(connection: sqlite3.Connection) -> Iterator[LedgerFinding]:
    for (said,) in connection.execute("PRAGMA integrity_check(20)"):
        if said != "ok":
            yield LedgerFinding(f"the file is damaged: {said}", RESTORE)
    for table, rowid, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        yield LedgerFinding(f"row {rowid} of {table} refers to a missing row of {parent}", RESTORE)


def _other_schema(version: int) -> LedgerFinding:
    hint = (
        "start the daemon, which migrates the ledger"
        if version < SCHEMA_VERSION
        else "check it with the provd that wrote it"
    )
    return LedgerFinding(f"the ledger has schema {version}, this provd uses {SCHEMA_VERSION}", hint)


def _chain(owner: str, chain_id: str) -> Iterator[LedgerFinding]:
    if owner and owner != chain_id:
        yield LedgerFinding(
            f"the ledger belongs to chain {owner!r}, the configuration has chain.id {chain_id!r}",
            "use a separate ledger for each chain",
        )


def _unreadable(connection: sqlite3.Connection) -> Iterator[LedgerFinding]:
    for row in connection.execute("SELECT job_id, value FROM jobs"):
        try:
            job_from_value(row["value"])
        except UnreadableJob as error:
            yield LedgerFinding(f"{row['job_id']}: its row cannot be read: {error}", REPAIR)


def _invalid_ids(connection: sqlite3.Connection) -> Iterator[LedgerFinding]:
    for row in connection.execute(
        "SELECT job_id, value FROM jobs WHERE closed_at IS NULL AND (parked <> '' OR slurm_id <> '')"
    ):
        job = job_from_value(row["value"])
        if job.parked and job.parked.reason is ParkReason.INVALID_SLURM_ID:
            yield LedgerFinding(f"{row['job_id']}: {job.parked.detail}", REPAIR)


def _broken_rules(connection: sqlite3.Connection) -> Iterator[LedgerFinding]:
    for query, (what, todo) in _RULES.items():
        for row in connection.execute(_SQL[query]):
            yield LedgerFinding(what.format(subject=row["subject"]), todo)


def _counts(connection: sqlite3.Connection) -> dict[str, dict[str, int]]:
    return {
        table: {row["what"]: row["n"] for row in connection.execute(_SQL[f"count_{table}"])}
        for table in _COUNTS
    }
