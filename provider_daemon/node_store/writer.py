"""The collector's database, as the collector writes it."""

from collections.abc import Sequence

from provider_daemon.node_store.file import FILE
from provider_daemon.node_store.rows import (
    HARDWARE,
    LOCALITY,
    TOPOLOGY,
    Answered,
    Change,
    HeardFrom,
    KnownAgent,
    Offered,
    Registered,
    dumped,
    heartbeat_text,
)
from provider_daemon.sqlite_file import OwnedWriter

COMMAND_SECONDS = 30 * 86_400.0  # for which a command and its answer are kept

# A heartbeat of another key says nothing about the agent that registers now.
_REGISTER = """
INSERT INTO agents (node_id, cluster_id, hostname, public_key, fingerprint, agent_version, token_sha256,
    registered_at, seen_at, interval, sequence, signed_at, hardware, topology, locality)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (node_id) DO UPDATE SET cluster_id = excluded.cluster_id, hostname = excluded.hostname,
    public_key = excluded.public_key, fingerprint = excluded.fingerprint,
    agent_version = excluded.agent_version, token_sha256 = excluded.token_sha256,
    registered_at = excluded.registered_at, seen_at = excluded.seen_at, interval = excluded.interval,
    sequence = excluded.sequence, signed_at = excluded.signed_at,
    heartbeat = CASE WHEN public_key = excluded.public_key THEN heartbeat END,
    hardware = coalesce(excluded.hardware, hardware), topology = coalesce(excluded.topology, topology),
    locality = coalesce(excluded.locality, locality)
"""
_HEARD = """
UPDATE agents SET seen_at = ?, interval = ?, sequence = ?, signed_at = ?, agent_version = ?, heartbeat = ?,
    hardware = coalesce(?, hardware), topology = coalesce(?, topology), locality = coalesce(?, locality)
WHERE node_id = ?
"""
_KNOWN = (
    "SELECT node_id, cluster_id, public_key, token_sha256, registered_at, seen_at, interval, sequence,"
    " signed_at FROM agents"
)

Statement = tuple[str, tuple[object, ...]]


class NodeStoreWriter(OwnedWriter):
    FILE = FILE

    def agents(self) -> list[KnownAgent]:
        return [KnownAgent(**dict(row)) for row in self._all(_KNOWN)]

    def nonces(self) -> dict[str, float]:
        """Returns the nonces of registrations, each with the time at which it expires."""
        return {row["nonce"]: row["expires_at"] for row in self._all("SELECT nonce, expires_at FROM nonces")}

    def commands(self) -> tuple[dict[str, str], set[str]]:
        """Returns the node of each command, by command id, and the ids of the answered ones."""
        rows = self._all("SELECT command_id, node_id, result FROM commands")
        nodes = {row["command_id"]: row["node_id"] for row in rows}
        return nodes, {row["command_id"] for row in rows if row["result"] is not None}

    def apply(self, changes: Sequence[Change]) -> None:
        """Writes all of them in one transaction, durable on return."""
        self._write([statement for each in changes for statement in _statements(each)])

    def prune(self, now: float) -> None:
        """Deletes expired nonces and old commands."""
        self._write(
            [
                ("DELETE FROM nonces WHERE expires_at < ?", (now,)),
                ("DELETE FROM commands WHERE offered_at < ?", (now - COMMAND_SECONDS,)),
            ]
        )

    def _write(self, statements: Sequence[Statement]) -> None:
        with self._transaction():
            for text, values in statements:
                self._db.execute(text, values)


def _statements(change: Change) -> list[Statement]:
    match change:
        case Registered():
            return _register(change)
        case HeardFrom():
            return [_heard(change)]
        case Offered():
            text = (
                "INSERT INTO commands (command_id, node_id, cluster_id, offered_at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (command_id) DO NOTHING"
            )
            return [(text, (change.command_id, change.node_id, change.cluster_id, change.at))]
        case Answered():
            answer = change.acknowledgement
            text = (
                "UPDATE commands SET result = ?, output = ?, answered_at = ?"
                " WHERE command_id = ? AND node_id = ? AND result IS NULL"
            )
            return [(text, (answer.result, answer.output, change.at, answer.command_id, change.node_id))]


def _register(change: Registered) -> list[Statement]:
    agent, registration = change.agent, change.registration
    values = (
        agent.node_id,
        agent.cluster_id,
        registration.hostname,
        agent.public_key,
        registration.hardware_fingerprint,
        registration.agent_version,
        agent.token_sha256,
        agent.registered_at,
        agent.seen_at,
        agent.interval,
        agent.sequence,
        agent.signed_at,
        dumped(HARDWARE, registration.hardware),
        dumped(TOPOLOGY, registration.topology),
        dumped(LOCALITY, registration.locality),
    )
    used = (
        "INSERT OR REPLACE INTO nonces (nonce, expires_at) VALUES (?, ?)",
        (change.nonce, change.nonce_expires_at),
    )
    return [(_REGISTER, values), *([used] if change.nonce else [])]


def _heard(change: HeardFrom) -> Statement:
    agent, beat = change.agent, change.heartbeat
    values = (
        agent.seen_at,
        agent.interval,
        agent.sequence,
        agent.signed_at,
        beat.agent_version,
        heartbeat_text(beat),
        dumped(HARDWARE, beat.hardware),
        dumped(TOPOLOGY, beat.topology),
        dumped(LOCALITY, beat.locality),
        agent.node_id,
    )
    return _HEARD, values
