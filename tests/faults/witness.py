"""The daemon as seen from outside: its log, its /metrics, its ledger.

Nothing here uses the daemon's own objects.
"""

import asyncio
import json
import sqlite3
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

Line = dict[str, Any]
WAIT_SECONDS = 90  # seconds for what should happen soon
# shown for an hour: a transaction of the provider's own key empties the wallet
OUR_OWN = "foreign_tx"
SUBJECTS = ("loop", "endpoint", "cluster", "signer", "chain")  # whom a line of the log concerns


@dataclass(slots=True)
class Witness:
    log: Path
    ledger: Path
    metrics_port: int

    # --- log ---

    def mark(self) -> int:
        return self.log.stat().st_size

    def lines(self, since: int, until: int | None = None) -> list[Line]:
        """Returns all lines between two marks.

        Output of the command line outside the log gets the event `stderr`.
        """
        with self.log.open("rb") as file:
            file.seek(since)
            text = file.read(None if until is None else until - since).decode(errors="replace")
        return [_line(line) for line in text.splitlines() if line.strip()]

    # --- metrics ---

    async def gauge(self, name: str, **labels: str) -> float | None:
        """Returns a metric's value; None if there is no such sample, or no answer."""
        text = await asyncio.to_thread(self._scrape)
        return next(
            (
                sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if sample.name == name and sample.labels == labels
            ),
            None,
        )

    def _scrape(self) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=5) as answer:
                text: str = answer.read().decode()
                return text
        except (OSError, urllib.error.URLError):
            return ""

    async def up(self) -> bool:
        return bool(await asyncio.to_thread(self._scrape))

    async def all_well(self, loops: tuple[str, ...]) -> bool:
        """Reports whether no loop fails, each had a good tick, and no problem of the last fault remains."""
        if await self.troubled():
            return False
        return all(
            [
                await self.gauge("provd_loop_failing", loop=loop) == 0
                and await self.gauge("provd_loop_last_success_timestamp_seconds", loop=loop)
                for loop in loops
            ]
        )

    async def troubled(self) -> bool:
        families = text_string_to_metric_families(await asyncio.to_thread(self._scrape))
        samples = [
            sample for family in families for sample in family.samples if sample.name == "provd_trouble"
        ]
        return any(sample.value for sample in samples if sample.labels["what"] != OUR_OWN)

    async def ticks(self, loop: str) -> float:
        """Returns how many ticks began."""
        return await self.gauge("provd_loop_ticks_total", loop=loop) or 0.0

    # --- ledger ---

    def rows(self, query: str, **values: object) -> list[sqlite3.Row]:
        connection = sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True, timeout=10)
        try:
            connection.row_factory = sqlite3.Row
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def job(self, job_id: str) -> dict[str, Any] | None:
        found = self.rows("SELECT value FROM jobs WHERE job_id = :job_id", job_id=job_id)
        return json.loads(found[0]["value"]) if found else None

    def unsent(self, before: float) -> int:
        """Returns reports that were stored before that time and have not been in any transaction yet."""
        query = (
            "SELECT 1 FROM messages WHERE kind = 'report' AND status = 'waiting' AND tx_id IS NULL AND "
            "created_at < :before"
        )
        return len(self.rows(query, before=before))


def _line(text: str) -> Line:
    try:
        value: Line = json.loads(text)
    except ValueError:
        return {"event": "stderr", "level": "error", "why": text}
    return value


def told(lines: list[Line]) -> dict[tuple[str, str], list[Line]]:
    """Groups the log lines about problems by what is wrong and whom it concerns.

    Lines about a single job are left out.
    """
    found: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        if line.get("level") in ("warning", "error") and "job" not in line:
            subject = next((str(line[name]) for name in SUBJECTS if name in line), "")
            found.setdefault((line["event"], subject), []).append(line)
    return found
