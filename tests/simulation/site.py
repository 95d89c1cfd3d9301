"""A model of SLURM: jobs that wait, run, are requeued and end.

squeue and sacct show a view of it; the invariants know its true state.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence

from provider_daemon.job.site_trouble import SiteTrouble
from provider_daemon.job.snapshot import Phase
from provider_daemon.ports import Submission, SubmissionResult
from provider_daemon.slurm.accounting import AccountingRow
from provider_daemon.slurm.parse import Queued
from tests.simulation.claims import Claims
from tests.simulation.mover import Mover
from tests.simulation.outage import Outage
from tests.simulation.slurm_job import NEVER, Plan, Record, SlurmJob
from tests.simulation.world import World

# seconds between the program's end by its limit and the job's own end
OVERHEAD = 3
FIRST_ID = 100
OTHERS = Plan(3600, 30, 0, 1, 1, 1)  # somebody else's job


class Site:
    """The site.

    `min_job_age`: seconds that slurmctld remembers an ended job; only sacct knows it afterwards.
    """

    def __init__(self, world: World, plans: dict[str, Plan], mover: Mover) -> None:
        self._world = world
        self._mover = mover
        mover.ended = self._ended
        self._plans = plans
        self.min_job_age: float = world.dice.choice((5, 20, 300, 300))
        self.jobs: list[SlurmJob] = []
        self.owners: dict[str, str] = {}  # other names that a job could be submitted under -> its own
        self.refused: set[str] = set()
        self.taken: set[str] = set()  # names of ours that another job took
        self.invented: set[str] = set()  # names of jobs that only a lying endpoint has
        self.drained: dict[str, str] = {}  # host -> reason
        self.down_until = 0.0
        self.outage = Outage(world)
        self.claims = Claims(world)
        # by name, the submissions that are not known to have failed because of the site
        self.attempts: Counter[str] | None = None
        self._dbd_until = 0.0  # slurmctld holds back every record until then
        self._next_id = FIRST_ID

    def of(self, name: str) -> list[SlurmJob]:
        """Returns all SLURM jobs of ours submitted under the name.

        The record of a refused submission is not a job.
        """
        return [job for job in self.jobs if job.owner == name and not job.refused]

    def _ended(self, name: str) -> bool:
        """Reports whether slurmdbd has the end of everything that was submitted under the name."""
        now, jobs = self._world.now(), self.of(name)
        return bool(jobs) and all(not job.live and job.now_at.closed_at <= now for job in jobs)

    # --- commands ---

    def sbatch(self, order: Submission) -> SubmissionResult:
        if self._world.strikes("sbatch_refused"):
            return self._refuse(order)
        if self._world.strikes("sbatch_full"):
            return SubmissionResult(
                order.name, deferral="the site's account has reached its job limit", trouble=SiteTrouble.FULL
            )
        if self.outage.strikes():
            if self.outage.queued_all_the_same():
                self._accept(order)
            return self.outage.receipt(order.name)
        return SubmissionResult(order.name, slurm_id=self._accept(order).slurm_id)

    def _accept(self, order: Submission) -> SlurmJob:
        self._check_first(order.name)
        if wrong := self._mover.wrong_submission(order.name, order.inputs):
            self._world.wrong(wrong)
        job = self._add(order.name, self._plans[order.name], owner=self.owners.get(order.name, order.name))
        job.user, job.script, job.directory = order.user, order.script, order.directory
        self._queue(job)
        # read from squeue, so never in the same second
        if self._may_be_copied() and self._world.strikes("name_is_stolen"):
            self._world.later(self._world.dice.uniform(1, 60), lambda: self.imitate(order.name))
        return job

    def _check_first(self, name: str) -> None:
        """Checks that one daemon submits a job once, unless it was submitted in vain.

        Two daemons do not know of each other: only the claim keeps their jobs apart. An endpoint that lies
        about time and jobs can have its own job submitted twice after the ledger is lost.
        """
        before = [job for job in self.of(name) if not (job.without_claim or (job.purged and not job.live))]
        if self._world.two_daemons or (name in self.invented and self._world.memory_lost):
            return
        if before:
            self._world.wrong(f"1 {name} submitted twice: SLURM job {before[0].slurm_id} exists")
        if self._world.end_was_reported(name):
            self._world.wrong(f"1 {name} submitted after its end was reported")

    def _may_be_copied(self) -> bool:
        """Reports whether the job may be imitated.

        Not where jobs rename themselves, nor where slurmctld forgets a job before slurmdbd has its record:
        only an imitation of it is seen then. See docs/reliability.md, 'What is not promised'.
        """
        chances = self._world.chances.keys()
        late = "slurmdbd_lag" in chances and {"ledger_lost", "ledger_restored"} & chances
        renamed = {"renames_itself", "takes_anothers_name"} & chances
        return self.min_job_age > 60 and not late and not renamed

    def imitate(self, name: str) -> None:
        """Starts somebody else's job under a name of ours, with a script that claims to be ours."""
        self._queue(self._add(name, OTHERS))

    def script(self, slurm_id: str) -> str:
        """Returns the batch script of the job that has the id now.

        An imitation has a copy of the job's script.
        """
        job = next(job for job in reversed(self.jobs) if job.slurm_id == slurm_id)
        return f"#!/bin/bash\n#SBATCH --job-name={job.submitted_name}\n"

    def _refuse(self, order: Submission) -> SubmissionResult:
        """Refuses a submission.

        A request that no node can fulfil leaves a failed record; other refusals leave nothing.
        """
        self.refused.add(order.name)
        self._world.note(f"slurm: refuses {order.name}")
        if self._world.dice.random() < 0.5:
            return SubmissionResult(
                order.name, refusal="SLURM refused it: the site's account may not use this partition"
            )
        job = self._add(order.name, self._plans[order.name], owner=order.name)
        job.refused = True
        self._close(job, "FAILED", 1)
        return SubmissionResult(
            order.name,
            refusal="SLURM refused it: no node of the site has the memory, cores or GPUs that it asks for",
        )

    def _add(self, name: str, plan: Plan, owner: str = "") -> SlurmJob:
        now = self._world.now()
        if self._world.strikes("slurmdbd_away_all_along"):
            self._dbd_until = max(self._dbd_until, now + self._world.broken_for(200, 800))
        job = SlurmJob(self._new_id(), name, plan, [Record(now, now, self._delivery(now))], owner, name)
        self.jobs.append(job)
        self._world.note(f"slurm: job {job.slurm_id} is {job.name}")
        return job

    def scancel(self, slurm_ids: Sequence[str]) -> None:
        """Cancels live jobs by id.

        An old id never matches, because slurmctld does not assign an id that it still remembers.
        """
        for job in self.jobs:
            if job.slurm_id in slurm_ids and job.live:
                self._close(job, "CANCELLED", 0, 15 if job.now_at.started_at else 0)

    # --- ids ---

    def _ids_come_again(self, job: SlurmJob) -> None:
        """slurmctld reached MaxJobId and continued up to this job's id.

        Ids of ours are assigned to somebody else, and to other jobs of ours.
        """
        self._world.note(f"slurm: job ids start again, at {job.slurm_id}")
        self._next_id = int(job.slurm_id)
        for _ in range(self._world.dice.randint(0, 2)):
            self._queue(self._add("somebody-else", OTHERS))

    def _new_id(self) -> str:
        now = self._world.now()
        remembered = {
            job.slurm_id for job in self.jobs if job.live or now < job.now_at.ended_at + self.min_job_age
        }
        while str(self._next_id) in remembered:
            self._next_id += 1
        self._next_id += 1
        return str(self._next_id - 1)

    # --- life ---

    def _delivery(self, now: float, seconds: float = 0.0) -> float:
        """Returns when slurmdbd receives a record.

        Records are delivered in order, and all wait while slurmdbd is down.
        """
        if self._world.strikes("slurmdbd_lag"):
            self._dbd_until = max(self._dbd_until, now + self._world.broken_for(20, 600))
        return max(now + seconds, self._dbd_until)

    def _timer(self, job: SlurmJob, seconds: float, deed: Callable[[], None]) -> None:
        epoch = job.epoch
        self._world.later(seconds, lambda: deed() if job.epoch == epoch and job.live else None)

    def _queue(self, job: SlurmJob, least_wait: float = 0) -> None:
        job.phase, job.reason, job.epoch = Phase.WAITING, "Priority", job.epoch + 1
        job.waits_in_vain_since = self._world.now()
        wait = max(least_wait, self._world.dice.choice((2, 10, 40)))
        if self._world.strikes("never_starts"):
            job.reason = "PartitionConfig"
            return
        if self._world.strikes("hopeless_reason"):
            job.reason, wait = "BadConstraints", max(wait, self._world.dice.choice((60, 200)))
        self._timer(job, wait, lambda: self._start(job))

    def _start(self, job: SlurmJob) -> None:
        now, plan, strikes = self._world.now(), job.plan, self._world.strikes
        job.phase, job.reason, job.epoch, job.now_at.started_at = Phase.RUNNING, "None", job.epoch + 1, now
        self._world.note(f"slurm: job {job.slurm_id} runs")
        if job.owner and (code := self.claims.start(job)):
            self._timer(job, 1, lambda: self._close(job, "FAILED", code))
            return
        if job.owner and (name := self._new_name(job)):
            self._timer(
                job, self._world.dice.choice((0, 0, plan.seconds / 3)), lambda: self._rename(job, name)
            )
        if strikes("unknown_state"):
            job.unknown_until = now + self._world.dice.uniform(1, 60)
        if plan.nodes > 1 and strikes("resized"):
            self._timer(job, min(plan.seconds, plan.wall_seconds) / 3, lambda: self._resize(job))
        middle = min(plan.seconds, plan.wall_seconds) / 2
        if strikes("requeue"):
            self._timer(job, middle, lambda: self._again(job, "REQUEUED"))
        elif strikes("node_failure_requeue"):
            self._timer(job, middle, lambda: self._again(job, "NODE_FAIL"))
        elif strikes("node_failure"):
            self._timer(job, middle, lambda: self._close(job, "NODE_FAIL", 0))
        elif strikes("preempted"):
            self._timer(job, middle, lambda: self._close(job, "PREEMPTED", 0, 15))
        elif strikes("record_never_closed"):
            self._timer(job, middle, lambda: self._forget(job))
        elif strikes("suspended"):
            self._timer(job, middle, lambda: self._suspend(job, plan.seconds - middle))
        else:
            self._run_on(job, plan.seconds, now)

    def _new_name(self, job: SlurmJob) -> str:
        """Returns the name of another job of ours, or any, or "" if the job keeps its own."""
        others = [other.owner for other in self.jobs if other.owner not in ("", job.owner)]
        if others and self._world.strikes("takes_anothers_name"):
            return self._world.dice.choice(others)
        return "harmless" if self._world.strikes("renames_itself") else ""

    def _rename(self, job: SlurmJob, name: str) -> None:
        job.name = name
        self.taken.add(name)
        self._world.note(f"slurm: job {job.slurm_id} is renamed to {job.name}")

    def _run_on(self, job: SlurmJob, seconds: float, started_at: float) -> None:
        """Runs the program to its own end, or to the limit in the batch script.

        The limit is by the wall clock, suspended or not.
        """
        limit = started_at + job.plan.wall_seconds - self._world.now()
        if seconds >= limit:
            self._timer(job, max(limit, 0) + OVERHEAD, lambda: self._close(job, "FAILED", 124))
        else:
            word = "FAILED" if job.plan.exit_code else "COMPLETED"
            self._timer(job, seconds, lambda: self._close(job, word, job.plan.exit_code))

    def _resize(self, job: SlurmJob) -> None:
        """Shrinks the job to one node.

        The next record is submitted now, and its start and elapsed time are the whole job's.
        """
        now = self._world.now()
        started = job.now_at.started_at
        self._end_record(job, "RESIZING", 0, 0)
        job.records.append(Record(now, now, self._delivery(now), started_at=started, nodes=1))
        self._world.note(f"slurm: job {job.slurm_id} is resized to one node")

    def _suspend(self, job: SlurmJob, left: float) -> None:
        since = self._world.now()
        job.is_suspended = True
        self._world.note(f"slurm: job {job.slurm_id} is suspended")
        self._timer(job, self._world.dice.uniform(5, 120), lambda: self._resume(job, since, left))

    def _resume(self, job: SlurmJob, since: float, left: float) -> None:
        job.is_suspended = False
        job.now_at.suspended += self._world.now() - since
        self._run_on(job, left, job.now_at.started_at)

    def _again(self, job: SlurmJob, word: str) -> None:
        """Requeues the job.

        The old record closes, and for a while squeue reports completing and slurmdbd has no newer record.
        """
        now = self._world.now()
        self._world.note(f"slurm: job {job.slurm_id} is requeued ({word})")
        self._end_record(job, word, 0, 0)
        job.completing_until = now + self._world.dice.uniform(0, 15)
        if word == "NODE_FAIL" and self._world.strikes("slurmdbd_falls_with_a_node"):
            self._dbd_until = max(self._dbd_until, now + self._world.broken_for(60, 600))
        job.records.append(Record(max(now, int(now) + 1), now + 5, self._delivery(now, 5)))
        self._queue(job, least_wait=self._world.dice.choice((15, 15, 120)))

    def _close(self, job: SlurmJob, word: str, exit_code: int, signal: int = 0) -> None:
        if job.is_suspended:
            self._resume(job, self._world.now(), 0)
        self._end_record(job, word, exit_code, signal)
        job.phase, job.epoch = Phase.ENDED, job.epoch + 1
        job.completing_until = self._world.now() + self._world.dice.choice((0, 2, 20))
        self._world.note(f"slurm: job {job.slurm_id} ends {word}, ran {job.elapsed} s")
        if self._world.strikes("ids_start_again"):
            self._world.later(
                self.min_job_age + self._world.dice.uniform(0, 60), lambda: self._ids_come_again(job)
            )
        job.repeated = self._world.strikes("record_repeated")
        if self._world.strikes("record_purged"):
            self._world.later(self._world.dice.uniform(self.min_job_age, 600), lambda: self._purge(job))

    def _end_record(self, job: SlurmJob, word: str, exit_code: int, signal: int) -> None:
        record, now = job.now_at, self._world.now()
        record.word, record.ended_at, record.exit_code = (
            word,
            now,
            128 + signal if signal and not exit_code else exit_code,
        )
        record.signal, record.closed_at = signal, max(record.known_at, self._delivery(now, 1))
        if record.started_at:
            record.run = job.plan.run(record.elapsed(now), record.nodes)
            if record.elapsed(now) and word != "RESIZING" and self._world.strikes("record_implausible"):
                record.implausible = self._world.dice.choice(
                    ("ten years", "no value", "500 nodes", "the future")
                )

    def _forget(self, job: SlurmJob) -> None:
        job.phase, job.forgotten, job.epoch = Phase.ENDED, True, job.epoch + 1
        self._world.note(f"slurm: slurmctld has forgotten job {job.slurm_id}")

    def _purge(self, job: SlurmJob) -> None:
        job.purged = True
        self._world.note(f"slurm: job {job.slurm_id} is purged")

    # --- queries ---

    def squeue(self) -> list[Queued]:
        """Returns what slurmctld knows; never a final state."""
        now = self._world.now()
        return [self._queued(job, now) for job in self.jobs if self._remembered(job, now)]

    def _remembered(self, job: SlurmJob, now: float) -> bool:
        return not (job.purged or job.forgotten) and (
            job.live or now < job.now_at.ended_at + self.min_job_age
        )

    def _queued(self, job: SlurmJob, now: float) -> Queued:
        record = job.now_at
        ended, elapsed = int(record.ended_at), record.elapsed(now)
        times = (int(record.submitted_at), int(record.started_at), ended, elapsed)
        return Queued(
            job.slurm_id, job.word(now), *times, tres="", reason=job.reason, name=job.name, user=job.user
        )

    def sacct(self, slurm_ids: Collection[str], names: Collection[str]) -> list[AccountingRow]:
        """Returns what slurmdbd has by now.

        Records are closed or open, with duplicates (-D); of every job if no job is named.
        """
        now, every = self._world.now(), not (slurm_ids or names)
        asked = [
            job
            for job in self.jobs
            if not job.purged and (every or job.slurm_id in slurm_ids or job.name in names)
        ]
        rows = [row for job in asked for row in job.rows(now)]
        return sorted(rows, key=lambda row: (int(row.slurm_id), row.submitted_at))

    def backlog(self) -> int:
        """Returns what slurmctld still holds back: sdiag's "DBD Agent queue size"."""
        now = self._world.now()
        records = [record for job in self.jobs for record in job.records]
        return sum(
            (record.queued_at <= now < record.known_at) + (now < record.closed_at != NEVER)
            for record in records
        )
