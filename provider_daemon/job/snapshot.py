"""What SLURM says about our jobs at one moment, in the words of the lifecycle rather than SLURM's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from provider_daemon.job.state import State


class Phase(StrEnum):
    """Where a SLURM job stands. ENDING has stopped running but its final accounting record is not there
    yet."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDING = "ending"
    ENDED = "ended"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Run:
    """One accounting record of a SLURM job (a requeued job has several): what was allocated, and for how
    long.

    Memory in MiB and GPUs over all nodes; elapsed in seconds as SLURM counts it (suspension excluded). `gpus`
    holds (type, count), type "" where SLURM names none. `start`, `end` and `submitted` in seconds since the
    epoch, 0 where there is none (yet): of a resized job `submitted` is the moment of the resize, while
    `start` and `elapsed` are of the whole job."""

    elapsed: int
    cpus: int
    memory_mib: int
    nodes: int
    gpus: tuple[tuple[str, int], ...] = ()
    start: int = 0
    end: int = 0
    submitted: int = 0


@dataclass(frozen=True, slots=True)
class Sighting:
    """One SLURM job under one of our names. Times in seconds since the epoch, 0 when SLURM says Unknown or
    None.

    `final` is true once sacct holds the closed record; only then are `outcome`, `exit_code`, `signal` and
    `runs` the last word. While it runs, `runs` holds the present run as far as it has come. `overdue` is true
    while sacct has the job open that squeue has not got any more: its last record is late, or will never
    come. `first_submitted_at`: of its first record, before any requeue; 0 where only the last one is known.
    `hopeless` is set, to a sentence for the customer, while the job waits for a reason that will never go
    away."""

    slurm_id: str
    name: str
    phase: Phase
    slurm_state: str
    outcome: State | None = None
    reason: str = ""
    hopeless: str = ""
    exit_code: int = 0
    signal: int = 0
    submitted_at: int = 0
    first_submitted_at: int = 0
    started_at: int = 0
    ended_at: int = 0
    elapsed: int = 0
    runs: tuple[Run, ...] = ()
    final: bool = False
    overdue: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything SLURM says, keyed by job name.

    `taken_at` is our clock just before the first query was sent. `complete` is true only when squeue and
    sacct both answered and slurmdbd holds no backlog: only then does a missing name mean that no such job
    exists. `unread`: names that a record which could not be read may be of; nothing is proven of them,
    whatever else the snapshot holds."""

    taken_at: float
    complete: bool
    sightings: Mapping[str, tuple[Sighting, ...]] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()

    def complete_for(self, name: str) -> bool:
        """Whether the snapshot holds everything that SLURM has of that name."""
        return self.complete and name not in self.unread

    def of(self, name: str) -> tuple[Sighting, ...]:
        """The SLURM jobs of that name, earliest first; empty when none was seen."""
        return self.sightings.get(name, ())
