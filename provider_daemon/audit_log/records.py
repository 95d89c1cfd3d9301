"""A record of the audit log: who did what to which job, account, file or key. Pure.

Each record names the hash of the one before it, so that a record that was changed, inserted or removed is
noticed. Nothing of a job's content is recorded: no arguments, environment or file contents.
"""

import hashlib
import json
from dataclasses import dataclass, fields
from enum import StrEnum

from provider_daemon.text import cut

MAX_TEXT = 300  # bytes of an actor, an object or a detail


class Process(StrEnum):
    """The processes that write an audit log. Commands of operators write to the daemon's."""

    DAEMON = "provd"
    GATEWAY = "gateway"
    MOVER = "mover"
    COLLECTOR = "collector"


class ActorKind(StrEnum):
    """A customer is named by address, an operator by Unix user, a process by its name."""

    CUSTOMER = "customer"
    OPERATOR = "operator"
    PROCESS = "process"


class Action(StrEnum):
    """What was done."""

    STARTED = "process_started"
    STOPPED = "process_stopped"
    RELOADED = "config_reloaded"
    PRUNED = "records_pruned"
    JOB_ADOPTED = "job_adopted"
    JOB_IGNORED = "job_ignored"
    JOB_SUBMITTED = "job_submitted"
    JOB_IN_SLURM = "job_in_slurm"
    JOB_REPORTED = "job_reported"
    JOB_PARKED = "job_parked"
    JOB_UNPARKED = "job_unparked"
    DISPUTE_ANSWERED = "dispute_answered"
    MONTH_CLOSED = "month_closed"
    JOB_REPAIRED = "job_repaired"
    JOB_DROPPED = "job_dropped"
    JOB_CLOSED = "job_closed"
    LOGGED_IN = "logged_in"
    FILES_LISTED = "files_listed"
    FILE_READ = "file_read"
    ARCHIVE_READ = "archive_read"
    LOG_READ = "log_read"
    LINK_MADE = "link_made"
    UPLOAD_WRITTEN = "upload_written"
    UPLOAD_DELETED = "upload_deleted"
    INPUTS_DELETED = "inputs_deleted"
    RESULTS_DELIVERED = "results_delivered"
    RESULTS_DELETED = "results_deleted"
    AGENT_REGISTERED = "agent_registered"
    COMMAND_ANSWERED = "command_answered"
    KEY_LOADED = "key_loaded"
    JOB_ENDED = "job_ended"
    JOB_REFUSED = "job_refused"
    CUSTOMER_BLOCKED = "customer_blocked"
    CUSTOMER_ALLOWED = "customer_allowed"
    CUSTOMER_LIMITED = "customer_limited"
    CLUSTER_PAUSED = "cluster_paused"
    CLUSTER_RESUMED = "cluster_resumed"
    MAINTENANCE_ADDED = "maintenance_added"
    MAINTENANCE_REMOVED = "maintenance_removed"
    NODE_TOKEN_ISSUED = "node_token_issued"  # noqa: S105
    NODE_ALLOWED = "node_allowed"
    NODE_REVOKED = "node_revoked"
    NODE_DRAINED = "node_drained"
    NODE_RESUMED = "node_resumed"
    NODE_COMMANDED = "node_commanded"
    MESSAGE_SENT = "message_sent"
    MESSAGE_WITHDRAWN = "message_withdrawn"
    KEY_CREATED = "key_created"
    KEY_IMPORTED = "key_imported"
    KEY_EXPORTED = "key_exported"
    KEY_DELETED = "key_deleted"
    TX_SENT = "transaction_sent"
    USER_RELEASED = "user_released"
    SITE_PREPARED = "site_prepared"


@dataclass(frozen=True, slots=True)
class Actor:
    kind: ActorKind
    name: str


@dataclass(frozen=True, slots=True)
class Deed:
    """What is recorded. `job`: id on chain or SLURM job name. `object`: a file, upload, key or account."""

    action: Action
    actor: Actor
    job: str = ""
    object: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """`at`: seconds since the epoch. `sequence` counts from 1. `previous`: that of the one before, or ""."""

    sequence: int
    at: float
    process: str
    action: str
    actor_kind: str
    actor: str
    job: str
    object: str
    detail: str
    previous: str

    @property
    def hash(self) -> str:
        return hashlib.sha256(_canonical(_values(self)).encode()).hexdigest()

    def line(self) -> str:
        """Returns the record as one line of JSON, with its hash."""
        return _canonical({**_values(self), "hash": self.hash}) + "\n"


@dataclass(frozen=True, slots=True)
class Head:
    """The last record of a log; sequence 0 of an empty one."""

    sequence: int = 0
    hash: str = ""

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"


def next_record(head: Head, process: Process, deed: Deed, now: float) -> Record:
    return Record(
        sequence=head.sequence + 1,
        at=round(now, 3),
        process=process.value,
        action=deed.action.value,
        actor_kind=deed.actor.kind.value,
        actor=cut(deed.actor.name, MAX_TEXT),
        job=cut(deed.job, MAX_TEXT),
        object=cut(deed.object, MAX_TEXT),
        detail=cut(deed.detail, MAX_TEXT),
        previous=head.hash,
    )


def parse_head(text: str) -> Head:
    """Parses "17:<hash>". Raises ValueError."""
    sequence, _, digest = text.partition(":")
    if not (sequence.isascii() and sequence.isdecimal() and len(digest) == 64):
        raise ValueError(
            f"invalid head: {text[:100]!r}; must be NUMBER:HASH, as `provd audit verify` prints it"
        )
    return Head(int(sequence), digest)


def read_line(line: str) -> tuple[Record, str]:
    """Returns a record and the hash that its line has. Raises ValueError if it is not one."""
    try:
        value = json.loads(line)
        digest = value.pop("hash")
        record = Record(**value)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ValueError("it is not a JSON object with the fields of a record") from error
    types = {field: type(getattr(record, field)) for field in Record.__slots__}
    if (
        types.pop("sequence") is not int
        or types.pop("at") not in (int, float)
        or set(types.values()) != {str}
    ):
        raise ValueError("a field has the wrong type")
    return record, str(digest)


def _values(record: Record) -> dict[str, object]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _canonical(value: dict[str, object]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
