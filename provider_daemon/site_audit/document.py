"""The result of an audit: its JSON document, its hash, and its summary for the ledger. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from provider_daemon.chain.audit_marker import AuditWord
from provider_daemon.chain.signed_documents import canonical
from provider_daemon.ledger.audit_summary import AuditSummary
from provider_daemon.site_audit.verdicts import Judged, Verdict

VERSION = 1
OPEN_EXIT, NOT_TRIED_EXIT = 3, 4


@dataclass(frozen=True, slots=True)
class Audit:
    """One audit of a cluster.

    `at`: seconds since the epoch. `accounts`: "shared" or "pool"; `users` are the two Unix users, one twice
    with shared accounts. `launcher` starts the jobs, "" for native ones.
    """

    cluster_id: str
    at: float
    slurm_version: str
    configuration: str
    accounts: str
    users: tuple[str, str]
    image: str
    launcher: str
    node: str
    rows: tuple[Judged, ...]

    def count(self, verdict: Verdict) -> int:
        return sum(row.verdict is verdict for row in self.rows)

    @property
    def exit_code(self) -> int:
        """Returns 0 if every row is closed."""
        if self.count(Verdict.OPEN):
            return OPEN_EXIT
        return NOT_TRIED_EXIT if self.count(Verdict.NOT_TRIED) else 0


def document(audit: Audit) -> Mapping[str, object]:
    """Returns the JSON document: integers, strings, lists and tables only."""
    value = asdict(audit) | {"version": VERSION, "at": int(audit.at)}
    return value | {"rows": [asdict(row) | {"verdict": row.verdict.value} for row in audit.rows]}


def sha256(audit: Audit) -> str:
    """Returns the hash of the canonical document, in hex."""
    return hashlib.sha256(canonical(document(audit))).hexdigest()


def summary(audit: Audit) -> AuditSummary:
    return AuditSummary(
        sha256=sha256(audit),
        at=audit.at,
        slurm_version=audit.slurm_version,
        configuration=audit.configuration,
        closed=audit.count(Verdict.CLOSED),
        open=audit.count(Verdict.OPEN),
        not_tried=audit.count(Verdict.NOT_TRIED),
    )


def word(found: AuditSummary) -> AuditWord:
    """Returns what `provd tx hpc update-cluster --site-audit` writes into the cluster's description."""
    date = f"{datetime.fromtimestamp(found.at, UTC):%Y-%m-%d}"
    return AuditWord(date, found.closed, found.open, found.not_tried, found.sha256)
