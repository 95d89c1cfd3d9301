"""Gathers the facts about the ledger file without taking its lock; the daemon may be running."""

import os
from collections.abc import Sequence
from pathlib import Path

from provider_daemon.doctor.facts import LedgerFacts
from provider_daemon.doctor.finding import Unknown
from provider_daemon.errors import LedgerError
from provider_daemon.ledger import check, meta
from provider_daemon.ledger.audit_summary import AuditSummary
from provider_daemon.ledger.file import SCHEMA_VERSION, reading, schema_version

SUFFIXES = ("", "-wal", "-shm", ".lock")


def gather(path: Path, chain_id: str, cluster_ids: Sequence[str] = ()) -> LedgerFacts:
    schema, problems, owner, opens = _inside(path)
    return LedgerFacts(
        path=str(path),
        chain_id=chain_id,
        opens=opens,
        schema=schema,
        wanted_schema=SCHEMA_VERSION,
        problems=problems,
        owner=owner,
        free=_free(path.parent),
        modes=_modes(path),
        holder=_holder(path),
        audits=_audits(path, cluster_ids),
    )


def _inside(path: Path) -> tuple[int | Unknown, tuple[str, ...] | Unknown, str | Unknown, str | Unknown]:
    """Returns (schema, problems, owner, whether the ledger opens)."""
    if not path.exists():
        missing = Unknown("the ledger does not exist yet: the daemon has never run", "ledger-lock")
        return missing, missing, missing, missing
    unread = Unknown("the ledger cannot be read", "ledger-opens")
    try:
        with reading(path) as connection:
            schema = schema_version(connection)
            if schema != SCHEMA_VERSION:
                other = Unknown("the ledger has another schema version", "ledger-schema")
                return schema, other, other, f"{path} is readable"
            owner = meta.read(connection, meta.CHAIN_ID)
            found = check.check(connection, owner).findings
            return schema, tuple(f"{each.what}: {each.todo}" for each in found), owner, f"{path} is readable"
    except LedgerError as error:
        return unread, unread, unread, Unknown(f"{path}: {error}")


def _audits(path: Path, cluster_ids: Sequence[str]) -> dict[str, AuditSummary | None] | Unknown:
    if not path.exists():
        return dict.fromkeys(cluster_ids)
    try:
        with reading(path) as connection:
            return {each: meta.read(connection, meta.site_audit_summary(each)) for each in cluster_ids}
    except LedgerError:
        return Unknown("the ledger cannot be read", "ledger-opens")


def closed(ledger: LedgerFacts) -> Unknown | None:
    """Returns why the ledger cannot be queried; None if it can be, or does not exist yet."""
    if isinstance(ledger.opens, Unknown):
        return Unknown("the ledger cannot be read", "ledger-opens") if not ledger.opens.cause else None
    return ledger.owner if isinstance(ledger.owner, Unknown) else None


def _free(directory: Path) -> int | Unknown:
    try:
        space = os.statvfs(directory)
    except OSError as error:
        return Unknown(f"{directory}: {error.strerror}")
    return space.f_bavail * space.f_frsize


def _modes(path: Path) -> dict[str, int] | Unknown:
    files = [Path(f"{path}{suffix}") for suffix in SUFFIXES]
    try:
        return {str(file): file.stat().st_mode for file in files if file.exists()}
    except OSError as error:
        return Unknown(f"{path}: {error.strerror}")


def _holder(path: Path) -> int | Unknown:
    """Reads the lock's holder without taking the lock, which could prevent a daemon from starting."""
    try:
        status = os.stat(f"{path}.lock")
        return holder(
            Path("/proc/locks").read_text(), os.major(status.st_dev), os.minor(status.st_dev), status.st_ino
        )
    except FileNotFoundError:
        return 0
    except OSError as error:
        return Unknown(f"{path}.lock: {error.strerror}")


def holder(locks: str, major: int, minor: int, inode: int) -> int:
    """Returns the process that holds a flock on the file, from the text of /proc/locks; 0 if none does."""
    place = f"{major:02x}:{minor:02x}:{inode}"
    for line in locks.splitlines():
        words = line.split()
        if len(words) > 5 and words[1] == "FLOCK" and words[5] == place:
            return int(words[4])
    return 0
