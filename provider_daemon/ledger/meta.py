"""The keys of the ledger's `meta` table. Each has one typed value, stored as text, and a default."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, TypeVar

from provider_daemon.job.payment import ChainSettlement
from provider_daemon.ledger import audit_summary, failed_gpus_text
from provider_daemon.ledger import pause as pauses
from provider_daemon.ledger.audit_summary import AuditSummary
from provider_daemon.ledger.pause import Pause
from provider_daemon.nodes.condition import FailedGpus

T = TypeVar("T")

# Copies of the ledger omit keys with this prefix, so that a restored ledger is recognised as one.
SIGN_OF_LIFE = "alive:"


@dataclass(frozen=True, slots=True)
class Key(Generic[T]):
    """A key. `default`: the value before the first one is stored. Times are in seconds since the epoch."""

    name: str
    load: Callable[[str], T]
    default: T
    dump: Callable[[T], str] = str


NEVER = 0.0

# --- the chain ---

CHAIN_ID = Key("chain_id", str, "")
LEDGER_ID = Key("ledger_id", str, "")  # random, set when the ledger is first used
OTHER_CHAIN = Key("other_chain", str, "")  # why the chain is not the ledger's; "" while it is
BLOCK_GAS = Key("block_gas", int, 0)  # a block's gas limit, once the chain has named it; 0 before

# --- intake ---

NEXT_JOB = Key("next_job", int, 1)  # number of the first job that intake has not read
SERVED = Key("served", str, "")  # ids of the clusters served when it read them, sorted, separated by spaces
CANCELS_HEIGHT: Key[int | None] = Key("cancels_height", int, None)  # block up to which cancels were read
SWEPT_AT = Key("swept_at", float, NEVER)  # when intake last began to read every open job from the chain
SETTLEMENT = Key(
    "chain_settlement", ChainSettlement, ChainSettlement.UNKNOWN
)  # as the newest job records show
CHAIN_AHEAD = Key("chain_ahead", float, 0.0)  # seconds by which the newest block was ahead of our clock then

# --- the audit log ---

AUDIT_HEAD = Key("audit_head", str, "")  # its last record a while ago, as "NUMBER:HASH"; "" before the first

# --- the host ---

BOOTED_AT: Key[float | None] = Key("booted_at", float, None, "{:.3f}".format)

# --- disputes ---

NEXT_DISPUTE = Key("next_dispute", int, 1)  # number of the first dispute that was not read

# --- the books ---

BOOKED_TO = Key("booked_to", float, NEVER)  # the jobs that were closed before that time are in the books

# --- reconciliation ---

RECONCILED_AT = Key("reconciled_at", float, NEVER)  # when everything was last compared
# Severity -> number of differences that the last comparison found, and the ids of the jobs concerned.
DIFFERENCES: Key[Mapping[str, int]] = Key("reconciliation", json.loads, MappingProxyType({}), json.dumps)
UNRESOLVED: Key[frozenset[str]] = Key(
    "unresolved",
    lambda text: frozenset(json.loads(text)),
    frozenset(),
    lambda job_ids: json.dumps(sorted(job_ids)),
)

# --- of one cluster, or one node ---


def sign_of_life(cluster_id: str) -> Key[float]:
    """When the daemon last wrote that it is running."""
    return Key(f"{SIGN_OF_LIFE}{cluster_id}", float, NEVER)


def doubt(cluster_id: str) -> Key[float]:
    """Until when the ledger may lack submissions. queries.sql has the prefix too."""
    return Key(f"doubt:{cluster_id}", float, NEVER)


def node_count(cluster_id: str) -> Key[int]:
    """How many nodes the cluster had at its last heartbeat; 0 before the first."""
    return Key(f"nodes:{cluster_id}", int, 0)


def heartbeat_sequence(cluster_id: str) -> Key[int]:
    """The sequence of the cluster's last heartbeats."""
    return Key(f"heartbeat:{cluster_id}", int, 0)


def pause(cluster_id: str) -> Key[Pause | None]:
    """Why and since when an operator has paused the cluster's intake; None if it runs."""
    return Key(f"pause:{cluster_id}", pauses.load, None, pauses.dump)


def site_audit(cluster_id: str) -> Key[str]:
    """SHA-256 in hex of the newest `provd site audit`; "" before the first."""
    return Key(f"site_audit:{cluster_id}", str, "")


def site_audit_summary(cluster_id: str) -> Key[AuditSummary | None]:
    """What the newest `provd site audit` audited and found."""
    return Key(f"site_audit_summary:{cluster_id}", audit_summary.load, None, audit_summary.dump)


def catalogue(cluster_id: str) -> Key[str]:
    """The signed catalogue and availability of the cluster, as the gateway serves them; "" before them."""
    return Key(f"catalogue:{cluster_id}", str, "")


def node_id(first: str) -> Key[str]:
    """The current id on chain of the node whose first one was `first`."""
    return Key(f"node_id:{first}", str, first)


def failed_gpus(cluster_id: str) -> Key[Mapping[str, FailedGpus]]:
    """The GPUs of each host that are not sold; hosts whose GPUs all work are left out."""
    return Key(
        f"failed_gpus:{cluster_id}", failed_gpus_text.load, MappingProxyType({}), failed_gpus_text.dump
    )


def read(connection: sqlite3.Connection, key: Key[T]) -> T:
    """Reads a value for commands that inspect a ledger which may be too damaged to open."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key.name,)).fetchone()
    return key.load(row["value"]) if row else key.default
