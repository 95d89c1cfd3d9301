"""The SLURM snapshot: the state of our SLURM jobs at one moment, in provd's own terms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from provider_daemon.job.claim import Claim
from provider_daemon.job.state import State


class Phase(StrEnum):
    """The phase of a SLURM job. ENDING no longer runs, but has no final accounting record yet."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDING = "ending"
    ENDED = "ended"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Run:
    """One accounting record of a SLURM job (a requeued job has several): allocation and duration.

    Memory is in MiB and GPUs are counted over all nodes. `elapsed` is in seconds as SLURM counts it
    (suspension excluded). `gpus` holds (type, count), type "" if SLURM names none. `start`, `end` and
    `submitted` are in seconds since the epoch, 0 if there is none (yet). For a resized job `submitted` is the
    time of the resize, while `start` and `elapsed` are those of the whole job.
    """

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
    """One SLURM job with one of our names. Times in seconds since the epoch, 0 if SLURM has Unknown or None.

    `final` is true once sacct has the closed record; only then are `outcome`, `exit_code`, `signal` and
    `runs` final. While the job runs, `runs` holds the present run so far. `overdue` is true while sacct has
    the job open that squeue no longer has: its last record is late, or will never come. `first_submitted_at`:
    of its first record, before any requeue; 0 if only the last one is known. `hopeless` is set, to a sentence
    for the customer, while the job waits for a reason that will never go away. `directory` is the working
    directory in its record, "" without one. `duplicate`: another SLURM job has claimed the job, so this one
    ran nothing. `unclaimed`: no SLURM job has, and this one ran nothing.
    """

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
    directory: str = ""
    duplicate: Claim | None = None
    unclaimed: bool = False

    @property
    def ran_nothing(self) -> bool:
        return self.unclaimed or self.duplicate is not None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The result of one poll, keyed by job name.

    `taken_at` is our clock just before the first query was sent. `complete` is true only if squeue and sacct
    both answered and slurmdbd has no backlog: only then does a missing name mean that no such job exists.
    `unread`: names that may belong to an unreadable record; the snapshot proves nothing about them.
    """

    taken_at: float
    complete: bool
    sightings: Mapping[str, tuple[Sighting, ...]] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()

    def complete_for(self, name: str) -> bool:
        """Returns whether the snapshot has all SLURM jobs of that name."""
        return self.complete and name not in self.unread

    def of(self, name: str) -> tuple[Sighting, ...]:
        """Returns the SLURM jobs of that name, earliest first; empty if there is none."""
        return self.sightings.get(name, ())
