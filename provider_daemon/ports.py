"""The two remote truths and the clock, as the loops see them. Adapters live in slurm/ and chain/; tests and
simulations bring their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from provider_daemon.job.site_trouble import SiteTrouble
from provider_daemon.job.snapshot import Snapshot
from provider_daemon.job.spec import ChainJob, Spec
from provider_daemon.job.usage import Usage


class Clock(Protocol):
    """Seconds since the epoch."""

    def now(self) -> float: ...


class ConnectOutcome(StrEnum):
    """Outcome of one attempt to log in to a login node; metrics, alerts and the doctor go by these words."""

    CONNECTED = "connected"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    LOGIN_REFUSED = "login_refused"
    SECOND_FACTOR = "second_factor"
    COMMAND_REFUSED = "command_refused"
    STDIN_CONSUMED = "stdin_consumed"
    HOST_KEY_MISMATCH = "host_key_mismatch"
    UNUSABLE_FILE = "unusable_file"

    @property
    def group(self) -> str:
        """The label of provd_ssh_connects_total, which is kept to a few values."""
        if self in (ConnectOutcome.CONNECTED, ConnectOutcome.HOST_KEY_MISMATCH):
            return self.value
        return "failed" if self in (ConnectOutcome.FAILED, ConnectOutcome.TIMED_OUT) else "login_refused"


class EndpointState(StrEnum):
    """Whether a chain endpoint is used, or why not; metrics, alerts and the status page depend on it."""

    HEALTHY = "healthy"
    UNREACHABLE = "unreachable"
    CATCHING_UP = "catching_up"
    WRONG_CHAIN = "wrong_chain"
    HEIGHT_DECREASED = "height_decreased"
    IMPLAUSIBLE_HEIGHT = "implausible_height"


# --- SLURM
# ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Watch:
    """What a snapshot must be able to answer for.

    `names`: the job names that we follow. `slurm_ids`: name -> SLURM job id where known. `doubtful`: names
    that may or may not have been submitted, so that their absence must be provable (they make the snapshot
    ask slurmdbd for its backlog). `since`: the earliest second at which any of them can have been submitted.
    `submitted`: name -> SLURM's submit time of that id as last seen, which identifies the SLURM job whatever
    its name is by now. `intents`: names of submissions whose answer is unknown."""

    names: frozenset[str]
    slurm_ids: Mapping[str, str] = field(default_factory=dict)
    doubtful: frozenset[str] = frozenset()
    since: int = 0
    submitted: Mapping[str, int] = field(default_factory=dict)
    intents: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Submission:
    """One submission: the finished batch script (directives first) and the job directory that it runs in."""

    name: str
    script: str
    directory: str


@dataclass(frozen=True, slots=True)
class SubmissionResult:
    """The answer to one order. Exactly one of `slurm_id`, `refusal`, `deferral` and `doubt` is set.

    A refusal is SLURM's final no and reaches the customer. With a deferral nothing was queued, and the site
    accepts it later. With a doubt the job may or may not exist: look before doing anything. `trouble`: what
    of the site stands in the way, set with every deferral and with a doubt that is the site's; such a
    submission does not count as an attempt."""

    name: str
    slurm_id: str = ""
    refusal: str = ""
    deferral: str = ""
    unknown: str = ""
    trouble: SiteTrouble | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A compute node as scontrol shows it. Memory in MiB. `usable`: taking jobs (idle, mixed, allocated,
    completing; asleep too)."""

    host: str
    slurm_state: str
    usable: bool
    draining: bool
    cpus: int
    cpus_allocated: int
    memory_mib: int
    memory_allocated_mib: int
    gpus: int = 0
    gpus_allocated: int = 0
    gpu_type: str = ""
    partitions: tuple[str, ...] = ()
    load: str = ""
    reason: str = ""


class Scheduler(Protocol):
    """SLURM at one site. Every call raises Transient when SLURM or the way to it is down, Unreadable for
    answers not understood."""

    async def version(self) -> str: ...

    async def snapshot(self, watch: Watch) -> Snapshot: ...

    async def submit(self, orders: Sequence[Submission]) -> tuple[SubmissionResult, ...]: ...

    async def cancel(self, ours: Watch) -> None:
        """The jobs of `ours.slurm_ids`, whatever they are named by now. An id that has become another job's
        is left alone."""
        ...

    async def nodes(self) -> tuple[Node, ...]: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Survey:
    """What SLURM holds of us, for a comparison. `site_time`: the login node's clock, in seconds since the
    epoch."""

    snapshot: Snapshot
    site_time: int


class Surveyor(Protocol):
    """SLURM as the reconciliation sees it."""

    async def survey(self, since: int, ours: Watch) -> Survey:
        """Every job under a name of our form that lived at or after `since` (seconds); those of
        `ours.slurm_ids` from any time."""
        ...

    async def close(self) -> None: ...


# --- the chain
# ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block of a believed endpoint. `time` in seconds since the epoch."""

    height: int
    time: float


@dataclass(frozen=True, slots=True)
class Account:
    number: int
    sequence: int


@dataclass(frozen=True, slots=True)
class TxOutcome:
    """A transaction as a node reports it: after CheckTx (height 0) or in a block."""

    tx_hash: str
    height: int
    code: int
    codespace: str
    log: str
    gas_wanted: int = 0
    gas_used: int = 0

    @property
    def ok(self) -> bool:
        return self.code == 0


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue option of an offering. 0 means no limit of its own."""

    partition: str
    max_nodes: int
    max_runtime: int


@dataclass(frozen=True, slots=True)
class Preconfigured:
    workload_id: str
    image: str
    command: str


@dataclass(frozen=True, slots=True)
class Offering:
    offering_id: str
    cluster_id: str
    queues: tuple[Queue, ...]
    preconfigured: tuple[Preconfigured, ...]
    supports_custom_workloads: bool
    active: bool


@dataclass(frozen=True, slots=True)
class Cluster:
    """`state` is the chain's word: pending, active, draining, offline, deregistered."""

    cluster_id: str
    provider: str
    state: str
    region: str
    total_nodes: int
    available_nodes: int


class Chain(Protocol):
    """One chain through any number of endpoints, of which as many must agree as `chain.quorum` says.

    Raises Transient when too few endpoints are healthy, answer or agree, Unreadable for a bad record.
    """

    chain_id: str

    async def head(self) -> Head: ...

    async def job_counter(self) -> int:
        """The next job number: jobs JOB-1 .. JOB-(n-1) exist."""
        ...

    async def job(self, job_id: str) -> ChainJob | None:
        """The record that as many endpoints give as must agree."""
        ...

    async def glance(self, job_id: str) -> ChainJob | None:
        """The record as one endpoint has it: a hint of what to ask for, nothing to act on."""
        ...

    async def cancelled_since(self, height: int) -> frozenset[str]:
        """Ids of jobs named by a successful MsgCancelJob at or above `height`."""
        ...

    async def cluster(self, cluster_id: str) -> Cluster | None: ...

    async def offering(self, offering_id: str) -> Offering | None: ...

    async def account(self, address: str) -> Account:
        """Raises Refused when the chain does not know the account (it was never funded)."""
        ...

    async def balance(self, address: str, denom: str) -> int: ...

    async def gas_price(self, denom: str) -> Decimal:
        """The current minimum price of one unit of gas."""
        ...

    async def simulate(self, tx_bytes: bytes) -> int:
        """Gas used. Raises Refused with message_index when a message fails, with the SDK's code and codespace
        otherwise."""
        ...

    async def broadcast(self, tx_bytes: bytes) -> TxOutcome:
        """CheckTx's answer. A non-zero code is returned, not raised."""
        ...

    async def find(self, tx_hash: str, tx_bytes: bytes = b"") -> TxOutcome | None:
        """The transaction in its block, or None while it is in none. With its bytes it is found on a node
        without an index, too."""
        ...

    async def find_by_sequence(self, address: str, sequence: int) -> TxOutcome | None:
        """The transaction that used that sequence, or None, where nobody did or the node keeps no index."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Dispute:
    """`open`: nobody has decided it yet. `created_at` in seconds since the epoch."""

    dispute_id: str
    job_id: str
    open: bool
    created_at: int


@dataclass(frozen=True, slots=True)
class Reported:
    """A terminal report as its transaction holds it. `objection`: what is wrong with its evidence, empty when
    it holds."""

    job_id: str
    state: str
    usage: Usage
    exit_code: int = 0
    objection: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """The chain's accounting of a job, in uvirt. `status`: pending, finalized, disputed, corrected,
    settled."""

    usage: Usage
    total: int
    provider_reward: int
    platform_fee: int
    status: str


@dataclass(frozen=True, slots=True)
class OnChain:
    """The job's record. `ended_at` in seconds since the epoch, 0 when it has not; `escrowed` in uvirt."""

    record: ChainJob
    ended_at: int = 0
    escrowed: int = 0


class Audit(Protocol):
    """What the chain holds of a job besides its state. Errors as of Chain."""

    async def on_chain(self, job_id: str) -> OnChain | None: ...

    async def settled(self, job_id: str) -> Settled | None:
        """None where nothing was accounted for (yet)."""
        ...

    async def reported(self, tx_hash: str, specs: Mapping[str, Spec]) -> tuple[Reported, ...] | None:
        """Every report in the transaction, its evidence checked; None while it is in no block. `specs` by job
        id."""
        ...

    async def disputes(self) -> tuple[Dispute, ...]:
        """The newest ones, of every provider."""
        ...
