"""The interfaces that slurm/ and chain/ implement, as the loops use them; simulations have their own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from provider_daemon.job.leases import Remains
from provider_daemon.job.maintenance import Reservation
from provider_daemon.job.pricing import DEFAULT_PRICES, Pricing
from provider_daemon.job.site_trouble import SiteTrouble
from provider_daemon.job.snapshot import Snapshot
from provider_daemon.job.spec import ChainJob, Spec
from provider_daemon.job.transfer import Transfer
from provider_daemon.job.usage import Usage
from provider_daemon.money.account import Accounted, Movement, Reading
from provider_daemon.money.pricing import price_rules
from provider_daemon.money.rules import DEFAULT, Rules
from provider_daemon.nodes.facts import AgentFacts
from provider_daemon.nodes.hold import HoldSource
from provider_daemon.nodes.report import Acknowledgement


class Clock(Protocol):
    """Seconds since the epoch."""

    def now(self) -> float: ...


class ConnectOutcome(StrEnum):
    """The outcome of one login to a login node. Metrics, alerts and the doctor use these words."""

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
        """The label of provd_ssh_connects_total, which has only a few values."""
        if self in (ConnectOutcome.CONNECTED, ConnectOutcome.HOST_KEY_MISMATCH):
            return self.value
        return "failed" if self in (ConnectOutcome.FAILED, ConnectOutcome.TIMED_OUT) else "login_refused"


class EndpointState(StrEnum):
    """The state of a chain endpoint. Metrics, alerts and the status page use it."""

    HEALTHY = "healthy"
    UNREACHABLE = "unreachable"
    CATCHING_UP = "catching_up"
    WRONG_CHAIN = "wrong_chain"
    HEIGHT_DECREASED = "height_decreased"
    IMPLAUSIBLE_HEIGHT = "implausible_height"


# --- SLURM ---


@dataclass(frozen=True, slots=True)
class Watch:
    """The jobs that a SLURM snapshot must cover.

    `names`: the job names to follow. `slurm_ids`: name -> SLURM job id, if known. `doubtful`: names that may
    or may not have been submitted, so that their absence must be provable (slurmdbd is then asked for its
    backlog). `since`: the earliest second at which any of them can have been submitted. `submitted`: name ->
    SLURM's submit time of that id as last seen, which identifies the SLURM job even if its name was changed.
    `intents`: names of submissions whose outcome is unknown. `users`: name -> pool user that owns the SLURM
    job; a name that is missing here belongs to the main user.
    """

    names: frozenset[str]
    slurm_ids: Mapping[str, str] = field(default_factory=dict)
    doubtful: frozenset[str] = frozenset()
    since: int = 0
    submitted: Mapping[str, int] = field(default_factory=dict)
    intents: frozenset[str] = frozenset()
    users: Mapping[str, str] = field(default_factory=dict)

    def user(self, name: str) -> str:
        """Returns the user of a job, "" for the main user."""
        return self.users.get(name, "")


@dataclass(frozen=True, slots=True)
class Submission:
    """One submission: the finished batch script (directives first) and the job directory that it runs in.

    `inputs`: a directory at the site whose files are linked into `<directory>/inputs`; "" for none. `user`:
    the pool user that submits and owns the job; "" for the main user. `image`: the digest of the image that
    the script runs, "" without one.
    """

    name: str
    script: str
    directory: str
    inputs: str = ""
    user: str = ""
    image: str = ""


@dataclass(frozen=True, slots=True)
class SubmissionResult:
    """The outcome of one submission. Exactly one of `slurm_id`, `refusal`, `deferral` and `unknown` is set.

    A refusal is final and its text reaches the customer. With a deferral nothing was queued, and the site
    accepts the job later. With `unknown` the job may or may not exist, and SLURM is searched for it first.
    `trouble`: the site's problem, set with every deferral and with an unknown outcome that the site caused;
    such a submission does not count as an attempt.
    """

    name: str
    slurm_id: str = ""
    refusal: str = ""
    deferral: str = ""
    unknown: str = ""
    trouble: SiteTrouble | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A compute node as scontrol shows it; memory in MiB. `usable`: it accepts jobs, or is powered down.

    The last two fields are not SLURM's (loops/node_conditions.py): `holds`, the reasons why the node is not
    sold, and `gpus_lost`, the number of its GPUs that do not work.
    """

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
    powered_down: bool = False
    holds: frozenset[HoldSource] = frozenset()
    gpus_lost: int = 0

    @property
    def sellable(self) -> bool:
        """Whether the node takes jobs, and nothing speaks against selling it."""
        return self.usable and not self.holds

    @property
    def gpus_free(self) -> int:
        """GPUs that are neither allocated nor broken. A broken one that is allocated counts twice: SLURM does
        not say which ones a job has."""
        return max(0, self.gpus - self.gpus_allocated - self.gpus_lost)


class Transfers(Protocol):
    """What the data mover has done, as the daemon sees it."""

    def facts(self, names: Iterable[str]) -> Mapping[str, Transfer]:
        """Returns the facts by SLURM name; a job that the mover has not seen is left out.

        Raises Transient if they cannot be read now.
        """
        ...


class Agents(Protocol):
    """The node agents that the collector has heard from, as the daemon sees them."""

    def facts(self, cluster_id: str) -> Mapping[str, AgentFacts]:
        """Returns the registered agents of a cluster by node id (`<cluster>.<host>`).

        Raises Transient if they cannot be read now: nothing is known then, not even that they are silent.
        """
        ...

    def acknowledgements(self, cluster_id: str) -> Mapping[str, Acknowledgement]:
        """Returns what agents answered to commands, by command id. Raises Transient as `facts` does."""
        ...


class Scheduler(Protocol):
    """SLURM at one site.

    Every call raises Transient if SLURM cannot be reached, Unreadable for bad output.
    """

    async def version(self) -> str: ...

    async def snapshot(self, watch: Watch) -> Snapshot: ...

    async def submit(self, orders: Sequence[Submission]) -> tuple[SubmissionResult, ...]:
        """Submits jobs that all have the same user."""
        ...

    async def cancel(self, ours: Watch) -> None:
        """Cancels the jobs of `ours.slurm_ids`, even if renamed; not an id that is another job's now."""
        ...

    async def nodes(self) -> tuple[Node, ...]: ...

    async def drain(self, host: str, reason: str) -> None:
        """Drains a node. `reason`: as slurm/drains.py makes it.

        Raises Refused if SLURM does not allow it to this login, or has no such node.
        """
        ...

    async def undrain(self, host: str) -> None:
        """Ends the drain of a node; one that is not drained stays as it is. Raises as `drain`."""
        ...

    async def reservations(self) -> tuple[Reservation, ...]: ...

    async def close(self) -> None: ...


class PoolSite(Protocol):
    """The pool of Unix users at one site. Errors are those of Scheduler."""

    async def leases(self) -> Mapping[str, str]:
        """Returns user -> the line of its lease file, for all that have one."""
        ...

    async def claim(self, wanted: Mapping[str, str]) -> Mapping[str, str]:
        """Makes the lease files that are missing, with the line for each user; returns all as they are now.

        A file that has the line already counts as used now.
        """
        ...

    async def end(self, user: str, holder: str, seconds: int) -> bool:
        """Removes a lease file; returns whether it is gone.

        It stays if its line is not `holder`, or it was claimed within the last `seconds`.
        """
        ...

    async def remains(self, user: str) -> Remains: ...

    async def clean(self, user: str) -> None:
        """Deletes everything of the user below its directory and in the login node's temporary ones."""
        ...


@dataclass(frozen=True, slots=True)
class Survey:
    """SLURM's data for a comparison. `site_time`: the login node's clock, in seconds since the epoch."""

    snapshot: Snapshot
    site_time: int


class Surveyor(Protocol):
    """SLURM as the reconciliation uses it."""

    async def survey(self, since: int, ours: Watch) -> Survey:
        """Returns SLURM jobs with our names that lived since `since`; those of `ours.slurm_ids` always."""
        ...

    async def close(self) -> None: ...


# --- the chain ---


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block of a healthy endpoint. `time` is in seconds since the epoch."""

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
    """A queue option of an offering; 0 means no limit of its own.

    `price_multiplier`: decimal text that multiplies the offering's prices; "" is 1.
    """

    partition: str
    max_nodes: int
    max_runtime: int
    price_multiplier: str = ""


@dataclass(frozen=True, slots=True)
class Preconfigured:
    workload_id: str
    image: str
    command: str


@dataclass(frozen=True, slots=True)
class Offering:
    """An offering. `identity_threshold`: the identity score that its customers need, 0 for none.

    `updated_ns`: its last change, in nanoseconds since the epoch; 0 if unknown. `max_runtime`: the longest
    job that the chain accepts for it, in seconds; 0 for no limit.
    """

    offering_id: str
    cluster_id: str
    queues: tuple[Queue, ...]
    preconfigured: tuple[Preconfigured, ...]
    supports_custom_workloads: bool
    active: bool
    identity_threshold: int = 0
    pricing: Pricing = DEFAULT_PRICES
    updated_ns: int = 0
    max_runtime: int = 0

    def price_multiplier(self, queue: str) -> str:
        """Returns the multiplier of a queue, "" for a queue that the offering does not have."""
        return next((each.price_multiplier for each in self.queues if each.partition == queue), "")

    def rules(self, queue: str, base: Rules = DEFAULT) -> Rules:
        """Returns the rules by which a job in that queue is billed. Raises ValueError as price_rules does."""
        return price_rules(base, self.pricing, self.price_multiplier(queue))


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster on chain. `state`: pending, active, draining, offline or deregistered."""

    cluster_id: str
    provider: str
    state: str
    region: str
    total_nodes: int
    available_nodes: int
    description: str = ""


class Chain(Protocol):
    """One chain, queried through several endpoints, of which `chain.quorum` must agree.

    Raises Transient if too few endpoints are healthy, answer or agree, Unreadable for an unreadable record.
    """

    chain_id: str

    async def head(self) -> Head: ...

    async def job_counter(self) -> int:
        """Returns the next job number n: jobs JOB-1 .. JOB-(n-1) exist."""
        ...

    async def job(self, job_id: str) -> ChainJob | None:
        """Returns the record on which a quorum of endpoints agrees."""
        ...

    async def glance(self, job_id: str) -> ChainJob | None:
        """Returns the record of one endpoint: a hint of what to query, never a basis for an action."""
        ...

    async def cancelled_since(self, height: int) -> frozenset[str]:
        """Returns the ids of jobs named by a successful MsgCancelJob at or above `height`."""
        ...

    async def cluster(self, cluster_id: str) -> Cluster | None: ...

    async def offering(self, offering_id: str) -> Offering | None: ...

    async def node_timeout(self) -> int:
        """Returns the seconds without a heartbeat after which the chain marks a node stale."""
        ...

    async def identity_score(self, address: str) -> int | None:
        """Returns the account's score, 0 if it has none; None if the chain serves no identity scores."""
        ...

    async def account(self, address: str) -> Account:
        """Raises Refused when the chain does not know the account (it was never funded)."""
        ...

    async def balance(self, address: str, denom: str) -> int: ...

    async def gas_price(self, denom: str) -> Decimal:
        """Returns the current minimum price of one unit of gas."""
        ...

    async def simulate(self, tx_bytes: bytes) -> int:
        """Returns the gas used; raises Refused, with message_index if a message fails, else the SDK code."""
        ...

    async def broadcast(self, tx_bytes: bytes) -> TxOutcome:
        """Returns CheckTx's answer. A non-zero code is returned, not raised."""
        ...

    async def find(self, tx_hash: str, tx_bytes: bytes = b"") -> TxOutcome | None:
        """Returns the transaction in a block, or None. With `tx_bytes`, no index is needed on the node."""
        ...

    async def find_by_sequence(self, address: str, sequence: int) -> TxOutcome | None:
        """Returns the transaction that used the sequence; None if there is none or the node has no index."""
        ...

    async def close(self) -> None: ...


# The default of the parameter dispute_resolution_period: an open dispute is rejected after that time
# (docs/protocol.md, 'Parameters').
RESOLUTION_SECONDS = 604_800


class DisputeStatus(StrEnum):
    PENDING = "pending"
    UNDER_REVIEW = "under_review"
    RESOLVED = "resolved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Dispute:
    """A dispute. Times are in seconds since the epoch, 0 for none; `height` is the block that opened it.

    `kind`, `reason`, `evidence` and `resolution` are texts of those who opened and decided it.
    """

    dispute_id: str
    job_id: str
    status: DisputeStatus
    created_at: int
    reward_id: str = ""
    disputer: str = ""
    kind: str = ""
    reason: str = ""
    evidence: str = ""
    resolution: str = ""
    resolver: str = ""
    resolved_at: int = 0
    height: int = 0

    @property
    def open(self) -> bool:
        """Whether it is not decided yet."""
        return self.status in (DisputeStatus.PENDING, DisputeStatus.UNDER_REVIEW)


@dataclass(frozen=True, slots=True)
class Reported:
    """A final report as in its transaction. `objection`: what is wrong with its evidence, or ''."""

    job_id: str
    state: str
    usage: Usage
    exit_code: int = 0
    objection: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """A job's accounting in uvirt. `status`: pending, finalized, disputed, corrected or settled."""

    usage: Usage
    total: int
    provider_reward: int
    platform_fee: int
    status: str


@dataclass(frozen=True, slots=True)
class OnChain:
    """The job's record. `ended_at` is in seconds since the epoch, or 0; `escrowed` is in uvirt."""

    record: ChainJob
    ended_at: int = 0
    escrowed: int = 0


class Audit(Protocol):
    """The chain's data about a job besides its state. Errors are those of Chain."""

    async def on_chain(self, job_id: str) -> OnChain | None: ...

    async def settled(self, job_id: str) -> Settled | None:
        """Returns the accounting; None if there is none (yet)."""
        ...

    async def reported(self, tx_hash: str, specs: Mapping[str, Spec]) -> tuple[Reported, ...] | None:
        """Returns a transaction's checked reports; None if it is in no block. `specs` by job id."""
        ...

    async def disputes(self) -> tuple[Dispute, ...]:
        """Returns the newest disputes of all providers."""
        ...

    async def disputes_since(self, number: int) -> tuple[int, tuple[Dispute, ...]]:
        """Returns the number of the next dispute that is not read, and disputes from `number` on.

        A bounded number of disputes is read, oldest first; unreadable ones are left out.
        """
        ...

    async def dispute(self, dispute_id: str) -> Dispute | None: ...


class Accounts(Protocol):
    """The chain's accounts and accountings, for the books. Errors are those of Chain."""

    async def accounted(self, job_id: str) -> Accounted | None:
        """Returns what the chain has recorded for a job; None if it does not have the job."""
        ...

    async def reading(self, address: str, denoms: Iterable[str], at: float) -> Reading: ...

    async def by_sequence(self, address: str, sequence: int) -> Movement | None:
        """Returns what the account's transaction with that sequence moved; None if it cannot be found."""
        ...

    async def incoming(self, address: str, above: int, up_to: int) -> Movement:
        """Returns what others sent to the account in blocks after `above`, up to block `up_to`."""
        ...
