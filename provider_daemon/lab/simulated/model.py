"""The state of the simulated cluster. Times are in seconds since the epoch, memory in MiB."""

from dataclasses import dataclass, field

DEFAULT_MINUTES = 60
MIB_PER_CPU = 1024  # DefMemPerCPU

FINAL_STATES = {
    "COMPLETED": "CD",
    "FAILED": "F",
    "CANCELLED": "CA",
    "TIMEOUT": "TO",
    "NODE_FAIL": "NF",
    "OUT_OF_MEMORY": "OOM",
    "DEADLINE": "DL",
    "PREEMPTED": "PR",
    "BOOT_FAIL": "BF",
    "REQUEUED": "RQ",
}
SHORT_STATES = {
    **FINAL_STATES,
    "PENDING": "PD",
    "RUNNING": "R",
    "SUSPENDED": "S",
    "COMPLETING": "CG",
    "CONFIGURING": "CF",
}


class Failure(Exception):
    """A SLURM program fails: its stderr output and its exit code."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


@dataclass(frozen=True, slots=True)
class SimulatedPartition:
    name: str
    nodes: tuple[str, ...]
    max_minutes: int
    default: bool = False


@dataclass(frozen=True, slots=True)
class SimulatedReservation:
    name: str
    starts_at: int
    ends_at: int
    nodes: int
    flags: str


@dataclass(slots=True)
class SimulatedNode:
    name: str
    cpus: int = 16
    memory: int = 65536
    gpus: int = 2
    gpu_type: str = "a100"
    state: str = ""  # DOWN or DRAIN if an administrator or a failure set it
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """An sbatch request. Amounts are per node; `minutes` None means the partition's default."""

    name: str
    script: bytes
    directory: str
    environment: dict[str, str]
    partition: str = ""
    account: str = ""
    qos: str = "normal"
    nodes: int = 1
    tasks: int = 1  # over all nodes
    cpus_per_task: int = 1
    memory: int | None = None
    gpus: int = 0
    gpu_type: str = ""
    minutes: int | None = None
    output: str = "slurm-%j.out"
    error: str = ""
    comment: str = ""
    requeue: bool = True
    held: bool = False
    user: str = ""  # a user of the pool; "" for the user of this process

    @property
    def cpus(self) -> int:
        return self.cpus_per_task * -(-self.tasks // self.nodes)

    @property
    def mebibytes(self) -> int:
        return MIB_PER_CPU * self.cpus if self.memory is None else self.memory


@dataclass(slots=True)
class SimulatedJob:
    """A job of the simulated cluster.

    `ending` is the final state, already decided, while the job's processes are still being ended.
    """

    id: int
    request: Request
    submitted_at: int
    state: str = "PENDING"
    reason: str = "None"
    never: str = ""  # a pending reason that never goes away
    eligible_at: int | None = None
    started_at: int | None = None
    ended_at: int | None = None
    nodes: tuple[str, ...] = ()
    exit_code: int = 0
    signal: int = 0
    ending: str = ""
    cancelled_by: int | None = None
    restarts: int = 0
    run: int = 0  # the accounting record in use: a requeued job has several
    suspended_at: float | None = None
    suspended: float = 0.0

    @property
    def final(self) -> bool:
        return self.state in FINAL_STATES

    @property
    def live(self) -> bool:
        """Reports whether the job holds its nodes."""
        return self.state in ("RUNNING", "SUSPENDED", "COMPLETING")

    def elapsed(self, now: float) -> int:
        """Returns the elapsed seconds without suspension."""
        if self.started_at is None:
            return 0
        held = now - self.suspended_at if self.suspended_at is not None else 0.0
        return max(0, int((self.ended_at or now) - self.started_at - self.suspended - held))


@dataclass(slots=True)
class Faults:
    """The faults of the site at the moment, set by tests and rehearsals."""

    slurmctld_down: bool = False
    slurmdbd_down: bool = False
    accounting_lag: float = 0.0  # seconds from an event to its record in slurmdbd
    # seconds before any program answers: a controller that limits the rate of requests
    answer_delay: float = 0.0
    sbatch_delay: float = 0.0  # seconds between accepting a job and reporting it
    sbatch_lost: int = 0  # this many submissions are accepted and their answers lost
    max_submitted: int | None = None  # jobs that the account may have waiting and running
    # the output of wrappers before and after that of every querying program
    banner: str = ""
    # programs that fail for a moment, report it on stderr and exit with 0
    exit_0_failure: set[str] = field(default_factory=set)
    query_range: int = 0  # slurmdbd's MaxQueryTimeRange in seconds; 0: unlimited
    cut: set[str] = field(default_factory=set)  # programs that close the connection instead of answering
