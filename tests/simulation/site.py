"""SLURM as a model: jobs that wait, run, are requeued and end; squeue and sacct look at it, and its truth is known to the invariants."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from provider_daemon.job.snapshot import Phase, Run, Sighting
from provider_daemon.job.state import State
from provider_daemon.ports import Order, Receipt
from tests.simulation.world import World

MIN_JOB_AGE = 10  # seconds that slurmctld remembers an ended job; sacct alone knows it afterwards
OVERHEAD = 3  # seconds between the program's end by its limit and the job's own end


@dataclass
class Plan:
    """What will become of a chain job's program once SLURM runs it."""

    wall_seconds: int
    seconds: float
    exit_code: int
    cpus: int
    memory_gb: int
    nodes: int


@dataclass
class SlurmJob:
    slurm_id: str
    name: str
    plan: Plan
    submitted_at: float
    phase: Phase = Phase.WAITING
    hopeless: str = ""
    started_at: float = 0.0
    ended_at: float = 0.0
    outcome: State | None = None
    exit_code: int = 0
    runs: list[Run] = field(default_factory=list)
    recorded_at: float = 0.0  # when slurmdbd has the closed record
    known_at: float = 0.0  # when slurmdbd has any record
    purged: bool = False
    epoch: int = 0  # grows with each start, so that a timer of an earlier run does nothing

    @property
    def live(self) -> bool:
        return self.phase in (Phase.WAITING, Phase.RUNNING)

    @property
    def elapsed(self) -> int:
        """Of its last run, as sacct says."""
        return self.runs[-1].elapsed if self.runs else 0


class Site:
    def __init__(self, world: World, plans: dict[str, Plan]) -> None:
        self._world = world
        self._plans = plans
        self.jobs: list[SlurmJob] = []
        self.refused: set[str] = set()
        self.down_until = 0.0

    def of(self, name: str) -> list[SlurmJob]:
        return [job for job in self.jobs if job.name == name]

    # --- commands ---

    def sbatch(self, order: Order) -> Receipt:
        if self._world.strikes("sbatch_refused"):
            self.refused.add(order.name)
            self._world.note(f"slurm: refuses {order.name}")
            return Receipt(order.name, refusal="sbatch: error: Invalid account or account/partition combination specified")
        if self._world.strikes("sbatch_full"):
            return Receipt(order.name, deferral="sbatch: error: QOSMaxSubmitJobPerUserLimit")
        before = [job for job in self.of(order.name) if not job.purged]
        if before:
            self._world.wrong(f"{order.name} submitted twice: SLURM job {before[0].slurm_id} exists")
        job = SlurmJob(str(100 + len(self.jobs)), order.name, self._plans[order.name], self._world.now())
        job.known_at = job.submitted_at + self._lag()
        self.jobs.append(job)
        self._world.note(f"slurm: job {job.slurm_id} is {job.name}")
        self._queue(job)
        return Receipt(order.name, slurm_id=job.slurm_id)

    def scancel(self, slurm_ids: Sequence[str]) -> None:
        for job in self.jobs:
            if job.slurm_id in slurm_ids and job.live:
                self._end(job, State.CANCELLED, 0)

    # --- life ---

    def _lag(self) -> float:
        return self._world.dice.uniform(20, 400) if self._world.strikes("slurmdbd_lag") else 0.0

    def _queue(self, job: SlurmJob) -> None:
        job.phase, job.epoch = Phase.WAITING, job.epoch + 1
        epoch, wait = job.epoch, self._world.dice.choice((2, 10, 40))
        if self._world.strikes("never_starts"):
            job.hopeless = "the site has no such node"
            return
        if self._world.strikes("hopeless_reason"):
            job.hopeless, wait = "nodes are down", self._world.dice.choice((60, 200))
        self._world.later(wait, lambda: self._start(job, epoch))

    def _start(self, job: SlurmJob, epoch: int) -> None:
        if job.phase is not Phase.WAITING or job.epoch != epoch:
            return
        job.phase, job.started_at, job.hopeless, job.epoch = Phase.RUNNING, self._world.now(), "", epoch + 1
        self._world.note(f"slurm: job {job.slurm_id} runs")
        again, plan = job.epoch, job.plan
        if self._world.strikes("requeue"):
            self._world.later(plan.seconds / 2, lambda: self._requeue(job, again))
        elif self._world.strikes("node_failure"):
            self._world.later(plan.seconds / 2, lambda: self._fail(job, again))
        elif plan.seconds >= plan.wall_seconds:
            self._world.later(plan.wall_seconds + OVERHEAD, lambda: self._over(job, again, State.FAILED, 143))
        else:
            outcome = State.FAILED if plan.exit_code else State.COMPLETED
            self._world.later(plan.seconds, lambda: self._over(job, again, outcome, plan.exit_code))

    def _requeue(self, job: SlurmJob, epoch: int) -> None:
        if job.phase is Phase.RUNNING and job.epoch == epoch:
            self._world.note(f"slurm: job {job.slurm_id} is requeued")
            job.runs.append(self._run(job))
            self._queue(job)

    def _fail(self, job: SlurmJob, epoch: int) -> None:
        self._over(job, epoch, State.FAILED, 0)

    def _over(self, job: SlurmJob, epoch: int, outcome: State, exit_code: int) -> None:
        if job.phase is Phase.RUNNING and job.epoch == epoch:
            self._end(job, outcome, exit_code)

    def _end(self, job: SlurmJob, outcome: State, exit_code: int) -> None:
        now = self._world.now()
        job.runs.append(self._run(job) if job.phase is Phase.RUNNING else Run(0, 0, 0, 0))
        job.phase, job.outcome, job.exit_code, job.ended_at = Phase.ENDED, outcome, exit_code, now
        job.recorded_at = max(now + 1, job.known_at, now + self._lag())
        self._world.note(f"slurm: job {job.slurm_id} ends {outcome}, ran {job.elapsed} s")
        if self._world.strikes("record_purged"):
            self._world.later(self._world.dice.uniform(1, 400), lambda: self._purge(job))

    def _purge(self, job: SlurmJob) -> None:
        job.purged = True
        self._world.note(f"slurm: job {job.slurm_id} is purged")

    def _run(self, job: SlurmJob) -> Run:
        plan = job.plan
        return Run(round(self._world.now() - job.started_at), plan.cpus * plan.nodes, plan.memory_gb * 1024 * plan.nodes, plan.nodes)

    # --- looks ---

    def squeue(self) -> list[Sighting]:
        """What slurmctld knows; never a last word."""
        now = self._world.now()
        kept = [job for job in self.jobs if job.live or now < job.ended_at + MIN_JOB_AGE]
        return [self._sight(job, final=False) for job in kept if not job.purged]

    def sacct(self) -> list[Sighting]:
        """What slurmdbd has by now: the closed records, and open ones."""
        now = self._world.now()
        known = [job for job in self.jobs if job.known_at <= now and not job.purged]
        return [self._sight(job, final=bool(job.recorded_at) and job.recorded_at <= now) for job in known]

    def backlog(self) -> int:
        now = self._world.now()
        return sum(job.known_at > now or job.recorded_at > now for job in self.jobs)

    def _sight(self, job: SlurmJob, *, final: bool) -> Sighting:
        shown = job.phase if final or job.live else Phase.ENDING
        return Sighting(
            slurm_id=job.slurm_id,
            name=job.name,
            phase=shown,
            slurm_state=shown.upper(),
            outcome=job.outcome if final else None,
            hopeless=job.hopeless if job.phase is Phase.WAITING else "",
            exit_code=job.exit_code if final else 0,
            submitted_at=int(job.submitted_at),
            elapsed=job.elapsed if not job.live else self._elapsed(job),
            runs=tuple(job.runs) if final else (),
            final=final,
        )

    def _elapsed(self, job: SlurmJob) -> int:
        return round(self._world.now() - job.started_at) if job.phase is Phase.RUNNING else 0
