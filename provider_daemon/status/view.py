"""The overview as JSON, computed at most once a second however many clients read it."""

import json
import math
import sys
from dataclasses import asdict
from typing import Any

from provider_daemon.ledger import listing
from provider_daemon.ledger.listing import Show
from provider_daemon.ledger.timeline import timeline, unsent
from provider_daemon.metrics.collector import Parts
from provider_daemon.status import health
from provider_daemon.status.overview import lines, overview
from provider_daemon.status.units import LONGEST
from provider_daemon.text import printable

FRESH_SECONDS = 1.0
LAST_ENTRIES = 500  # of the timeline


class View:
    """Reads the running daemon's ledger and parts; writes nothing."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._made: dict[str, Any] = {}
        self._made_at = -math.inf

    def current(self) -> dict[str, Any]:
        """Returns the fields of the newest overview."""
        now = self._parts.clock.now()
        if not 0 <= now - self._made_at < FRESH_SECONDS:
            self._made = asdict(overview(listing.read(self._parts.ledger), health.daemon(self._parts), now))
            self._made_at = now
        return self._made

    def jobs(self, show: Show, before: int, match: str) -> str:
        """Returns the next older jobs, or those that match."""
        ledger = self._parts.ledger
        found = (
            listing.find(ledger, match, before=before)
            if match
            else listing.jobs(ledger, show=show, before=before)
        )
        shown = lines(found, self._parts.silent(), listing.booked(ledger, found))
        return to_json({"jobs": [asdict(each) for each in shown]})

    def job(self, job_id: str) -> str | None:
        """Returns a job with its timeline, or None if the ledger does not have it."""
        ledger = self._parts.ledger
        numbered = next(
            ((number, job) for number, job in listing.find(ledger, job_id) if job.spec.job_id == job_id), None
        )
        if numbered is None:
            return None
        entries = [
            {**asdict(entry), "detail": printable(entry.detail[:LONGEST])}
            for entry in timeline(ledger, numbered[1])[-LAST_ENTRIES:]
        ]
        reports = [
            {**asdict(report), "note": printable(report.note[:LONGEST])} for report in unsent(ledger, job_id)
        ]
        return to_json(
            {
                "job": asdict(*lines([numbered], self._parts.silent(), listing.booked(ledger, [numbered]))),
                "name": numbered[1].name,
                "timeline": entries,
                "unsent": reports,
            }
        )


def news(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Returns the fields that changed: the list of jobs is long, and rarely changes."""
    return {name: value for name, value in now.items() if before.get(name) != value}


def first_number(text: str) -> int:
    """Parses `before` of a query; "" means no bound. Raises ValueError if it cannot be a job's number."""
    number = int(text) if text else sys.maxsize
    if not 0 <= number <= sys.maxsize:
        raise ValueError(text)
    return number


def to_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
