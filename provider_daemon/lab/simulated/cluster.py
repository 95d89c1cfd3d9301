"""The cluster's state machine.

It is pure: the caller passes `now`, and processes follow the jobs' states (execution.py), never the reverse.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from provider_daemon.lab.simulated.accounting import Database
from provider_daemon.lab.simulated.model import (
    DEFAULT_MINUTES,
    Failure,
    Faults,
    Request,
    SimulatedJob,
    SimulatedNode,
    SimulatedPartition,
    SimulatedReservation,
)

FAILED_SUBMISSION = "sbatch: error: Batch job submission failed: "
REQUEUE_SECONDS = 120  # a requeued job waits this long, with the reason BeginTime
MIN_JOB_AGE = 300


@dataclass(slots=True)
class SimulatedCluster:
    """The simulated cluster: jobs by id, in the order of submission.

    `uid` and `user`, the user of this process, own the jobs that no user of `pool` owns; `user` is the
    coordinator of the account. Users see and change their own jobs only, the coordinator sees and ends all.
    """

    nodes: dict[str, SimulatedNode]
    partitions: dict[str, SimulatedPartition]
    account: str
    user: str
    uid: int
    version: str
    min_job_age: float = MIN_JOB_AGE
    faults: Faults = field(default_factory=Faults)
    database: Database = field(default_factory=Database)
    jobs: dict[int, SimulatedJob] = field(default_factory=dict)
    next_id: int = 1
    pool: tuple[str, ...] = ()
    reservations: list[SimulatedReservation] = field(default_factory=list)

    # --- users ---

    def asker(self, environment: Mapping[str, str]) -> str:
        """Returns the user that runs a program in this environment."""
        found = environment.get("USER", "")
        return found if found in self.pool else self.user

    def owner(self, job: SimulatedJob) -> str:
        return job.request.user or self.user

    def visible(self, job: SimulatedJob, asker: str) -> bool:
        return asker in (self.user, self.owner(job))

    # --- submission ---

    def submit(self, request: Request, now: float) -> SimulatedJob:
        """Submits a job. Raises Failure with sbatch's error text.

        A job that is refused because no node can run it still leaves a record.
        """
        partition = self._partition(request)
        self._check_account(request)
        job = SimulatedJob(
            self.next_id, request, submitted_at=int(now), eligible_at=None if request.held else int(now)
        )
        if words := self._impossible(request, partition):
            self.next_id += 1
            job.state, job.exit_code, job.started_at, job.ended_at = "FAILED", 1, int(now), int(now)
            self.database.put(job, now)
            raise Failure(words)
        job.never = self._never(request, partition)
        job.reason = "JobHeldUser" if request.held else job.never or "None"
        self.next_id += 1
        self.jobs[job.id] = job
        self.database.put(job, now)
        return job

    def partition_of(self, job: SimulatedJob) -> SimulatedPartition:
        return self._partition(job.request)

    def _partition(self, request: Request) -> SimulatedPartition:
        name = request.partition or next(
            name for name, partition in self.partitions.items() if partition.default
        )
        if name not in self.partitions:
            raise Failure(
                f"sbatch: error: invalid partition specified: {name}\n{FAILED_SUBMISSION}Invalid "
                "partition name specified\n"
            )
        return self.partitions[name]

    def _check_account(self, request: Request) -> None:
        if request.account not in ("", self.account):
            raise Failure(f"{FAILED_SUBMISSION}Invalid account or account/partition combination specified\n")
        if request.qos != "normal":
            raise Failure(f"{FAILED_SUBMISSION}Invalid qos specification\n")
        limit = self.faults.max_submitted
        if limit is not None and sum(not job.final for job in self.jobs.values()) >= limit:
            why = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
            raise Failure(f"sbatch: error: AssocMaxSubmitJobLimit\n{FAILED_SUBMISSION}{why}\n")

    def _impossible(self, request: Request, partition: SimulatedPartition) -> str:
        """Returns sbatch's error for a request that no node can fulfil.

        24.11 refuses some requests that wait forever in 22.05.
        """
        nodes = [self.nodes[name] for name in partition.nodes]
        unavailable = f"{FAILED_SUBMISSION}Requested node configuration is not available\n"
        if all((request.memory or 0) > node.memory for node in nodes):
            return f"sbatch: error: Memory specification can not be satisfied\n{unavailable}"
        if not any(_has_gpus(request, node) for node in nodes):
            return unavailable
        strict = self.version.startswith("24.11")
        if strict and all(request.cpus > node.cpus for node in nodes):
            return f"sbatch: error: CPU count per node can not be satisfied\n{unavailable}"
        return unavailable if strict and request.nodes > len(nodes) else ""

    def _never(self, request: Request, partition: SimulatedPartition) -> str:
        if request.nodes > len(partition.nodes):
            return "PartitionNodeLimit"
        if (request.minutes or DEFAULT_MINUTES) > partition.max_minutes:
            return "PartitionTimeLimit"
        return (
            "PartitionConfig" if all(request.cpus > self.nodes[name].cpus for name in partition.nodes) else ""
        )

    # --- scheduling ---

    def start_waiting(self, now: float) -> list[SimulatedJob]:
        """Starts every waiting job that fits, in the order of submission, and returns them."""
        return [job for job in self.jobs.values() if job.state == "PENDING" and self._start(job, now)]

    def _start(self, job: SimulatedJob, now: float) -> bool:
        if job.never or job.eligible_at is None or job.eligible_at > now:
            return False
        chosen = [name for name in self.partition_of(job).nodes if self._fits(job.request, self.nodes[name])][
            : job.request.nodes
        ]
        if len(chosen) < job.request.nodes:
            job.reason = "Resources"
            return False
        job.state, job.reason, job.nodes, job.started_at = "RUNNING", "None", tuple(chosen), int(now)
        self.database.put(job, now)
        return True

    def _fits(self, request: Request, node: SimulatedNode) -> bool:
        cpus, memory, gpus = self.allocated(node)
        room = (
            node.cpus - cpus >= request.cpus
            and node.memory - memory >= request.mebibytes
            and node.gpus - gpus >= request.gpus
        )
        return room and not node.state and _has_gpus(request, node)

    def on_node(self, node: SimulatedNode) -> Iterable[SimulatedJob]:
        return (job for job in self.jobs.values() if job.live and node.name in job.nodes)

    def allocated(self, node: SimulatedNode) -> tuple[int, int, int]:
        """Returns the cores, MiB and GPUs in use on the node."""
        requests = [job.request for job in self.on_node(node)]
        return (
            sum(each.cpus for each in requests),
            sum(each.mebibytes for each in requests),
            sum(each.gpus for each in requests),
        )

    def minutes(self, job: SimulatedJob) -> int:
        return DEFAULT_MINUTES if job.request.minutes is None else job.request.minutes

    def end_overdue(self, now: float) -> None:
        """Ends the jobs past SLURM's own time limit."""
        for job in self.jobs.values():
            if job.state == "RUNNING" and job.elapsed(now) >= 60 * self.minutes(job):
                self._end(job, "TIMEOUT")

    def forget(self, now: float) -> None:
        """Removes jobs from the controller's memory MinJobAge after their end."""
        self.jobs = {
            job.id: job
            for job in self.jobs.values()
            if not (job.final and now - (job.ended_at or now) > self.min_job_age)
        }

    # --- ends ---

    def _end(self, job: SimulatedJob, state: str) -> None:
        job.ending, job.state = state, "COMPLETING"

    def cancel(self, job: SimulatedJob, now: float) -> None:
        if job.final or job.ending:
            return
        job.cancelled_by = self.uid
        if job.live:
            self._end(job, "CANCELLED")
            return
        job.state, job.started_at, job.ended_at = "CANCELLED", int(now), int(now)
        self.database.put(job, now)

    def ended(self, job: SimulatedJob, exit_code: int, signal: int, now: float) -> None:
        """Handles the end of the batch script and all its processes."""
        state = job.ending or ("FAILED" if exit_code or signal else "COMPLETED")
        job.state, job.ended_at, job.ending = state, max(int(now), job.started_at or 0), ""
        if job.suspended_at is not None:
            job.suspended, job.suspended_at = job.suspended + now - job.suspended_at, None
        job.exit_code, job.signal = {
            "COMPLETED": (0, 0),
            "FAILED": (exit_code, signal),
            "OUT_OF_MEMORY": (0, 125),
        }.get(state, (0, 0))
        job.reason = {
            "FAILED": "NonZeroExitCode",
            "TIMEOUT": "TimeLimit",
            "NODE_FAIL": "NodeDown",
            "OUT_OF_MEMORY": "OutOfMemory",
        }.get(state, "None")
        self.database.put(job, now)
        if state == "REQUEUED":
            self._wait_again(job, now)

    def _wait_again(self, job: SimulatedJob, now: float) -> None:
        job.run += 1
        job.restarts += 1
        job.state, job.reason, job.nodes = "PENDING", "BeginTime", ()
        job.submitted_at, job.eligible_at = int(now), int(now) + REQUEUE_SECONDS
        job.started_at = job.ended_at = None
        job.suspended = 0.0
        self.database.put(job, now)

    # --- actions of administrators and owners, and failures ---

    def rename(self, job: SimulatedJob, name: str, now: float) -> None:
        """Renames the job. The open record has the new name at once."""
        job.request = replace(job.request, name=name)
        self.database.put(job, now)

    def requeue(self, job: SimulatedJob, now: float) -> None:
        if job.live:
            self._end(job, "REQUEUED")
        elif job.final:
            self._wait_again(job, now)

    def out_of_memory(self, job: SimulatedJob) -> None:
        self._end(job, "OUT_OF_MEMORY")

    def fail_node(self, name: str, reason: str) -> None:
        """Fails a node. Its jobs are requeued if they allow it, and otherwise end with NODE_FAIL."""
        node = self.nodes[name]
        node.state, node.reason = "DOWN", reason
        for job in list(self.on_node(node)):
            self._end(job, "REQUEUED" if job.request.requeue else "NODE_FAIL")

    def suspend(self, job: SimulatedJob, now: float) -> None:
        if job.state != "RUNNING":
            raise Failure(f"Job is pending execution for job {job.id}\n")
        job.state, job.suspended_at = "SUSPENDED", now
        self.database.put(job, now)

    def resume(self, job: SimulatedJob, now: float) -> None:
        if job.state != "SUSPENDED":
            raise Failure(f"Job is not suspended for job {job.id}\n")
        job.suspended += now - (job.suspended_at or now)
        job.state, job.suspended_at = "RUNNING", None
        self.database.put(job, now)

    def hold(self, job: SimulatedJob, now: float, *, held: bool) -> None:
        if job.state == "PENDING":
            job.eligible_at = None if held else int(now)
            job.reason = "JobHeldUser" if held else job.never or "None"
            self.database.put(job, now)

    def found(self, ids: Sequence[str]) -> list[SimulatedJob]:
        return [self.jobs[int(text)] for text in ids if text.isdecimal() and int(text) in self.jobs]


def _has_gpus(request: Request, node: SimulatedNode) -> bool:
    return request.gpus <= node.gpus and (not request.gpus or request.gpu_type in ("", node.gpu_type))
