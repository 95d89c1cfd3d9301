"""The slurmdbd side: records arrive from the controller's queue, in order, and only while slurmdbd is up."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from provider_daemon.lab.simulated.model import SHORT_STATES, SimulatedJob


@dataclass(frozen=True, slots=True)
class Search:
    """The query of a sacct call.

    With `ids`, everything about those jobs; otherwise a window of time, in seconds since the epoch.
    """

    ids: frozenset[int] | None = None
    names: frozenset[str] | None = None
    states: frozenset[str] | None = None  # short forms
    start: float = 0.0
    end: float = float("inf")
    duplicates: bool = False


@dataclass(slots=True)
class Database:
    """The accounting records by job id and run."""

    queue: deque[tuple[float, SimulatedJob]] = field(default_factory=deque)
    records: dict[tuple[int, int], SimulatedJob] = field(default_factory=dict)

    def put(self, job: SimulatedJob, now: float) -> None:
        """Queues the current record of the job for slurmdbd."""
        self.queue.append((now, replace(job)))

    def receive(self, now: float, *, down: bool, lag: float) -> None:
        while self.queue and not down and self.queue[0][0] + lag <= now:
            _, record = self.queue.popleft()
            self.records[record.id, record.run] = record

    def search(self, asked: Search) -> Iterable[SimulatedJob]:
        found = (record for _, record in sorted(self.records.items()) if _wanted(record, asked))
        return found if asked.duplicates else {record.id: record for record in found}.values()


def _wanted(record: SimulatedJob, asked: Search) -> bool:
    if asked.ids is not None:
        return record.id in asked.ids
    if asked.names is not None and record.request.name not in asked.names:
        return False
    if asked.states is not None and SHORT_STATES[record.state] not in asked.states:
        return False
    # A window of time contains no held jobs. A job that was cancelled before it became eligible is found by a
    # query for its state.
    begun = record.eligible_at if asked.states is None or record.state != "CANCELLED" else record.submitted_at
    return (
        begun is not None
        and begun <= asked.end
        and (record.ended_at is None or record.ended_at >= asked.start)
    )
