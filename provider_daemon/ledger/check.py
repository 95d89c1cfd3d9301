"""Whether a ledger can be trusted: what SQLite says of the file, and what must be true between its rows."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from provider_daemon.job.parking import ParkReason
from provider_daemon.ledger import meta, sql
from provider_daemon.ledger.file import SCHEMA_VERSION, schema_version
from provider_daemon.ledger.rows import UnreadableJob, job_from_value

RESTORE = "stop provd and put the newest good backup in its place"
REPAIR = "`provd ledger repair` shows what it would change, and changes it with --apply"
TELL = "this is a fault of provd: keep a backup of the ledger and report it"
PASSING = "the daemon mends it at a tick; if it stays, report it with a backup of the ledger"

_SQL = sql.load("checks.sql")

# query -> (what is wrong with each `subject` that it gives, what to do)
_RULES = {
    "report_of_no_job": ("{subject}: a report about a job that is not in the ledger", TELL),
    "timeline_of_no_job": ("{subject}: its timeline is there, but the job is not", TELL),
    "open_tx_without_messages": ("transaction {subject} is open and holds no message", PASSING),
    "waits_in_a_closed_tx": ("{subject}: a message waits in a transaction whose fate is known, and would never be sent again", TELL),
    "confirmed_without_inclusion": ("{subject}: a message counts as confirmed, but its transaction was not included", TELL),
    "promise_without_report": ("{subject}: a state is promised that the chain does not have, and no report of it waits", TELL),
    "reports_out_of_order": ("{subject}: its waiting reports are not in the order in which the chain takes them", TELL),
    "closed_and_not_final": ("{subject}: closed, but the chain's last word about it is not a final one", TELL),
    "columns_differ": ("{subject}: the columns of its row say something else than the job in it", RESTORE),
    "one_slurm_job_for_two": ("SLURM job {subject} is taken for the job of two open chain jobs", TELL),
}
_COUNTS = ("jobs", "messages", "txs", "quarantine")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and what to do about it."""

    what: str
    todo: str


@dataclass(frozen=True, slots=True)
class Health:
    """`counts`: table -> state -> rows."""

    schema: int
    chain_id: str
    counts: dict[str, dict[str, int]]
    findings: list[Finding]


def check(connection: sqlite3.Connection, chain_id: str) -> Health:
    """One consistent look, also beside a running daemon. `chain_id` as configured; an older or newer schema is not looked into."""
    connection.execute("BEGIN")
    try:
        damages = list(_damages(connection))
        if damages or schema_version(connection) != SCHEMA_VERSION:
            return Health(schema_version(connection), "", {}, damages or [_other_schema(schema_version(connection))])
        owner = meta.read(connection, meta.CHAIN_ID)
        unreadable = list(_unreadable(connection))
        findings = [*_chain(owner, chain_id), *(unreadable or [*_invalid_ids(connection), *_broken_rules(connection)])]
        return Health(SCHEMA_VERSION, owner, _counts(connection), findings)
    finally:
        connection.execute("ROLLBACK")


def _damages(connection: sqlite3.Connection) -> Iterator[Finding]:
    for (said,) in connection.execute("PRAGMA integrity_check(20)"):
        if said != "ok":
            yield Finding(f"the file is damaged: {said}", RESTORE)
    for table, rowid, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        yield Finding(f"row {rowid} of {table} names a row of {parent} that is not there", RESTORE)


def _other_schema(version: int) -> Finding:
    hint = "start the daemon, which brings it forward" if version < SCHEMA_VERSION else "check it with the provd that wrote it"
    return Finding(f"schema {version}, and this provd's is {SCHEMA_VERSION}", hint)


def _chain(owner: str, chain_id: str) -> Iterator[Finding]:
    if owner and owner != chain_id:
        yield Finding(f"the ledger belongs to chain {owner!r}, the configuration names {chain_id!r}", "give each chain its own ledger")


def _unreadable(connection: sqlite3.Connection) -> Iterator[Finding]:
    for row in connection.execute("SELECT job_id, value FROM jobs"):
        try:
            job_from_value(row["value"])
        except UnreadableJob as error:
            yield Finding(f"{row['job_id']}: its row cannot be read: {error}", REPAIR)


def _invalid_ids(connection: sqlite3.Connection) -> Iterator[Finding]:
    for row in connection.execute("SELECT job_id, value FROM jobs WHERE closed_at IS NULL AND (parked <> '' OR slurm_id <> '')"):
        job = job_from_value(row["value"])
        if job.parked and job.parked.reason is ParkReason.INVALID_SLURM_ID:
            yield Finding(f"{row['job_id']}: {job.parked.detail}", REPAIR)


def _broken_rules(connection: sqlite3.Connection) -> Iterator[Finding]:
    for query, (what, todo) in _RULES.items():
        for row in connection.execute(_SQL[query]):
            yield Finding(what.format(subject=row["subject"]), todo)


def _counts(connection: sqlite3.Connection) -> dict[str, dict[str, int]]:
    return {table: {row["what"]: row["n"] for row in connection.execute(_SQL[f"count_{table}"])} for table in _COUNTS}
