"""A SLURM job of the model: its records as slurmdbd keeps them, and what each of them held."""

from dataclasses import dataclass, field, replace

from provider_daemon.job.snapshot import Phase, Run
from provider_daemon.job.state import State
from provider_daemon.slurm.accounting import AccountingRow
from provider_daemon.slurm.states import job_state

NEVER = float("inf")


@dataclass(frozen=True)
class Plan:
    """What the program of a chain job does once SLURM runs it, and what SLURM allocates.

    SLURM allocates whole cores, so an even number of threads.
    """

    wall_seconds: int
    seconds: float
    exit_code: int
    cpus: int
    memory_gb: int
    nodes: int
    gpus: int = 0
    gpu_type: str = ""
    gpus_accounted: bool = True

    def run(self, elapsed: int, resized: int = 0) -> Run:
        """Runs over all nodes, or over those that a resize left."""
        nodes = resized or self.nodes
        gpus = ((self.gpu_type, self.gpus * nodes),) if self.gpus and self.gpus_accounted else ()
        return Run(elapsed, (self.cpus + self.cpus % 2) * nodes, self.memory_gb * 1024 * nodes, nodes, gpus)


@dataclass
class Record:
    """One stretch of a job, from (re)submission to its end.

    `known_at` and `closed_at`: when slurmdbd receives it and its end; `queued_at`: from when slurmctld counts
    the first as owed.
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
    nodes: int = 0  # of a resized job: its nodes from then on; else 0
    implausible: str = ""  # how slurmdbd's record is wrong

    def elapsed(self, now: float) -> int:
        """Returns the elapsed seconds without suspension, as SLURM does.

        After a resize they are the whole job's.
        """
        return (
            int(self.ended_at or now) - int(self.started_at) - round(self.suspended) if self.started_at else 0
        )

    def held(self) -> int:
        """Returns the seconds for which only this record shows what was allocated."""
        return (
            int(self.ended_at) - max(int(self.started_at), int(self.submitted_at)) - round(self.suspended)
            if self.started_at
            else 0
        )


@dataclass
class SlurmJob:
    slurm_id: str
    name: str
    plan: Plan
    records: list[Record]
    owner: str = ""  # the name that it was submitted under, if it is one of ours
    submitted_name: str = ""  # the name in its script, which never changes
    phase: Phase = Phase.WAITING
    reason: str = "Priority"
    waits_in_vain_since: float = 0.0
    completing_until: float = 0.0
    unknown_until: float = 0.0
    is_suspended: bool = False
    purged: bool = False
    repeated: bool = False
    forgotten: bool = False  # by slurmctld only: slurmdbd keeps an open record forever
    script: str = ""  # of a job of ours
    directory: str = ""
    without_claim: bool = False  # it ended before anything of its job ran
    refused: bool = False  # sbatch refused it, and left a record all the same
    user: str = ""  # the pool user that owns it, "" for the main user
    # grows with each change, so that a timer of an earlier stretch does nothing
    epoch: int = 0

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
        """Returns the elapsed seconds of its last stretch."""
        return self.now_at.run.elapsed

    def word(self, now: float) -> str:
        """Returns the state that squeue shows."""
        if now < self.completing_until:
            return "COMPLETING"
        if self.phase is Phase.RUNNING:
            return "BRANDNEW" if now < self.unknown_until else "SUSPENDED" if self.is_suspended else "RUNNING"
        return "PENDING" if self.phase is Phase.WAITING else self.now_at.word

    def rows(self, now: float) -> list[AccountingRow]:
        """Returns the records that slurmdbd has by now.

        All of them are there twice after an archive was loaded again.
        """
        rows = [self._row(record, now) for record in self.records if record.known_at <= now]
        return rows + rows if self.repeated else rows

    def _row(self, record: Record, now: float) -> AccountingRow:
        closed = record.closed_at <= now
        word = record.word if closed else "RUNNING" if record.started_at else "PENDING"
        return AccountingRow(
            slurm_id=self.slurm_id,
            name=self.name,
            state=job_state(word),
            exit_code=record.exit_code if closed else 0,
            signal=record.signal if closed else 0,
            submitted_at=int(record.submitted_at),
            started_at=int(record.started_at),
            ended_at=int(record.ended_at) if closed else 0,
            reason="None",
            run=_as_recorded(record, self.plan.run(record.elapsed(now), record.nodes), closed=closed),
            directory=self.directory,
            user=self.user,
        )


def _as_recorded(record: Record, held: Run, *, closed: bool) -> Run:
    """Returns the record with the times in slurmdbd."""
    run = record.run if closed else held
    run = replace(
        run,
        start=int(record.started_at),
        end=int(record.ended_at) if closed else 0,
        submitted=int(record.submitted_at),
    )
    return wrong(run, record.implausible) if closed and record.implausible else run


def wrong(run: Run, how: str) -> Run:
    """Returns a record that no job of ours can have."""
    return {
        "ten years": replace(run, elapsed=315_360_000),
        "no value": replace(run, elapsed=4_294_967_294),
        "500 nodes": replace(run, nodes=500),
        "the future": replace(run, start=run.start + 10**9, end=run.end + 10**9),
    }[how]
