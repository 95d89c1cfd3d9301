"""The collector's database, as the daemon and the commands read it."""

import sqlite3
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog
from pydantic import TypeAdapter

from provider_daemon.node_store.file import FILE
from provider_daemon.node_store.rows import HARDWARE, HEARTBEAT, LOCALITY, TOPOLOGY, loaded
from provider_daemon.nodes.command import CommandResult
from provider_daemon.nodes.facts import AgentFacts
from provider_daemon.nodes.report import Acknowledgement

log = structlog.get_logger("provd.nodes")
T = TypeVar("T")


class NodeStore:
    """Implements ports.Agents.

    Every method opens the file, so that the collector may be restarted or upgraded meanwhile. All raise
    Transient if the file cannot be read, also if the collector has not created it yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._logged: set[tuple[str, str]] = set()

    def facts(self, cluster_id: str) -> dict[str, AgentFacts]:
        rows = FILE.read(self._path, partial(_agents, cluster_id=cluster_id))
        return {row["node_id"]: self._facts(row) for row in rows}

    def acknowledgements(self, cluster_id: str) -> dict[str, Acknowledgement]:
        rows = FILE.read(self._path, partial(_answers, cluster_id=cluster_id))
        found = (
            Acknowledgement(row["command_id"], CommandResult(row["result"]), row["output"]) for row in rows
        )
        return {each.command_id: each for each in found}

    def _facts(self, row: sqlite3.Row) -> AgentFacts:
        return AgentFacts(
            node_id=row["node_id"],
            cluster_id=row["cluster_id"],
            hostname=row["hostname"],
            public_key=row["public_key"],
            fingerprint=row["fingerprint"],
            agent_version=row["agent_version"],
            registered_at=row["registered_at"],
            seen_at=row["seen_at"],
            interval=row["interval"],
            heartbeat=self._value(row, "heartbeat", HEARTBEAT),
            hardware=self._value(row, "hardware", HARDWARE),
            topology=self._value(row, "topology", TOPOLOGY),
            locality=self._value(row, "locality", LOCALITY),
        )

    def _value(self, row: sqlite3.Row, column: str, adapter: TypeAdapter[T]) -> T | None:
        """Returns None for a value that cannot be read, as if the agent had not reported it; logged once."""
        try:
            return loaded(adapter, row[column])
        except ValueError as error:
            key = (row["node_id"], column)
            if key not in self._logged:
                following = "it counts as not reported, until the agent reports it again"
                log.error(
                    "agent_row_unreadable",
                    node=row["node_id"],
                    column=column,
                    why=str(error).splitlines()[0],
                    next=following,
                )
            self._logged.add(key)
            return None


def _agents(connection: sqlite3.Connection, cluster_id: str) -> list[sqlite3.Row]:
    return connection.execute("SELECT * FROM agents WHERE cluster_id = ?", [cluster_id]).fetchall()


def _answers(connection: sqlite3.Connection, cluster_id: str) -> list[sqlite3.Row]:
    query = "SELECT command_id, result, output FROM commands WHERE cluster_id = ? AND result IS NOT NULL"
    return connection.execute(query, [cluster_id]).fetchall()
