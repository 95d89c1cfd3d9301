"""One SLURM job of the model: its records as slurmdbd keeps them, and what each of them held."""

from dataclasses import dataclass, field

from provider_daemon.job.snapshot import Phase, Run
from provider_daemon.job.state import State
from provider_daemon.slurm.accounting import Row
from provider_daemon.slurm.states import job_state

NEVER = float("inf")


@dataclass(frozen=True)
class Plan:
    """What will become of a chain job's program once SLURM runs it, and what SLURM gives it: whole cores, so an even number of threads."""

    wall_seconds: int
    seconds: float
    exit_code: int
    cpus: int
    memory_gb: int
    nodes: int
    gpus: int = 0
    gpu_type: str = ""
    gpus_accounted: bool = True

    def run(self, elapsed: int) -> Run:
        """Over all nodes."""
        gpus = ((self.gpu_type, self.gpus * self.nodes),) if self.gpus and self.gpus_accounted else ()
        return Run(elapsed, (self.cpus + self.cpus % 2) * self.nodes, self.memory_gb * 1024 * self.nodes, self.nodes, gpus)


@dataclass
class Record:
    """One stretch of a job, from (re)submission to its end.

    `known_at` and `closed_at`: when slurmdbd hears of it and of its end; `queued_at`: from when slurmctld counts the first as owed.
    """

    submitted_at: float
    queued_at: float
    known_at: float
    started_at: float = 0.0
    ended_at: float = 0.0
    suspended: float = 0.0
    word: str = ""
    exit_code: int = 0
    signal: int = 0
    closed_at: float = NEVER
    run: Run = field(default_factory=lambda: Run(0, 0, 0, 0))

    def elapsed(self, now: float) -> int:
        """Suspension is left out, as SLURM does."""
        return round((self.ended_at or now) - self.started_at - self.suspended) if self.started_at else 0


@dataclass
class SlurmJob:
    slurm_id: str
    name: str
    plan: Plan
    records: list[Record]
    owner: str = ""  # the name that it was submitted under, where it is one of ours
    submitted_name: str = ""  # its script holds that for ever
    phase: Phase = Phase.WAITING
    reason: str = "Priority"
    waits_in_vain_since: float = 0.0
    completing_until: float = 0.0
    unknown_until: float = 0.0
    is_suspended: bool = False
    purged: bool = False
    forgotten: bool = False  # by slurmctld alone: slurmdbd keeps an open record for ever
    refused: bool = False  # sbatch said no, and left a record all the same
    epoch: int = 0  # grows with each change, so that a timer of an earlier stretch does nothing

    @property
    def now_at(self) -> Record:
        return self.records[-1]

    @property
    def live(self) -> bool:
        return self.phase in (Phase.WAITING, Phase.RUNNING)

    @property
    def ever_ran(self) -> bool:
        return any(record.started_at for record in self.records)

    @property
    def outcome(self) -> State | None:
        return job_state(self.now_at.word).outcome if self.now_at.word else None

    @property
    def runs(self) -> list[Run]:
        return [record.run for record in self.records if record.word]

    @property
    def elapsed(self) -> int:
        """Of its last stretch."""
        return self.now_at.run.elapsed

    def word(self, now: float) -> str:
        """As squeue shows it."""
        if now < self.completing_until:
            return "COMPLETING"
        if self.phase is Phase.RUNNING:
            return "BRANDNEW" if now < self.unknown_until else "SUSPENDED" if self.is_suspended else "RUNNING"
        return "PENDING" if self.phase is Phase.WAITING else self.now_at.word

    def rows(self, now: float) -> list[Row]:
        """What slurmdbd has of it by now."""
        return [self._row(record, now) for record in self.records if record.known_at <= now]

    def _row(self, record: Record, now: float) -> Row:
        closed = record.closed_at <= now
        word = record.word if closed else "RUNNING" if record.started_at else "PENDING"
        return Row(
            slurm_id=self.slurm_id,
            name=self.name,
            state=job_state(word),
            exit_code=record.exit_code if closed else 0,
            signal=record.signal if closed else 0,
            submitted_at=int(record.submitted_at),
            started_at=int(record.started_at),
            ended_at=int(record.ended_at) if closed else 0,
            reason="None",
            run=record.run if closed else self.plan.run(record.elapsed(now)),
        )
