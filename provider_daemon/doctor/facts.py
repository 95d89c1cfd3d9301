"""The facts that the checks use, gathered beforehand: plain values, or an Unknown.

Times are in seconds since the epoch, durations in seconds, money in the fee denom, sizes in bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from provider_daemon.chain.probe import EndpointReport
from provider_daemon.config.customers import CustomersConfig
from provider_daemon.config.model import ClusterConfig
from provider_daemon.doctor.finding import Unknown
from provider_daemon.encryption.watch import OwnKey
from provider_daemon.job.payment import ChainSettlement
from provider_daemon.ledger.audit_summary import AuditSummary
from provider_daemon.ports import Cluster, ConnectOutcome, Node, Offering
from provider_daemon.slurm.parse_config import Association, Partition, WorkRoot
from provider_daemon.slurm.parse_pool import PoolPlaces


@dataclass(frozen=True, slots=True)
class Ssh:
    """The connection to a login node.

    `key_mode` are the key file's mode bits. `sessions` is how many concurrent channels sshd accepted, of
    `wanted`. `outcome` is that of the login attempt.
    """

    key_mode: int | Unknown
    host_key: str | Unknown
    login: str | Unknown
    round_trip: float | Unknown
    sessions: int | Unknown
    wanted: int
    outcome: ConnectOutcome = ConnectOutcome.CONNECTED


@dataclass(frozen=True, slots=True)
class Slurm:
    """A site as seen from its login node.

    `settings` are slurmctld's. `version` is that of the commands; `mended` are the CVEs that their package
    lists as fixed. `controller` and `database` are the names of slurmctld and slurmdbd, or why one does not
    answer. `trials` maps queues to (whether sbatch --test-only accepts a job there, its output). `commands`
    are SLURM's commands in the login's PATH. `skew` is how far the login node's clock is ahead. `query_range`
    is slurmdbd's MaxQueryTimeRange in seconds, 0 without one. `odd` maps programs to foreign output or an
    unreadable record.
    """

    controller: str | Unknown
    database: str | Unknown
    settings: Mapping[str, str] | Unknown
    version: str | Unknown
    mended: frozenset[str] | Unknown
    backlog: int | Unknown
    partitions: tuple[Partition, ...] | Unknown
    nodes: tuple[Node, ...] | Unknown
    node_hosts: frozenset[str] | Unknown
    user: str | Unknown
    associations: tuple[Association, ...] | Unknown
    account_exists: bool | Unknown
    qos: frozenset[str] | Unknown
    skew: float | Unknown
    trials: Mapping[str, tuple[bool, str]] | Unknown
    work_root: WorkRoot | Unknown
    programs: frozenset[str] | Unknown
    query_range: int | Unknown
    odd: Mapping[str, str] | Unknown
    commands: frozenset[str] | Unknown


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """The pool of a cluster with a Unix user for each customer.

    `associations` are (SLURM cluster, user, account). `coordinators` are those of clusters.account. `logins`
    maps the users that were tried to why the login fails, "" if it does not.
    """

    users: tuple[str, ...]
    places: PoolPlaces | Unknown
    associations: frozenset[tuple[str, str, str]] | Unknown
    coordinators: frozenset[str] | Unknown
    logins: Mapping[str, str] | Unknown


@dataclass(frozen=True, slots=True)
class Offered:
    """An offering with the longest run time that it sells."""

    offering: Offering
    max_runtime: int


@dataclass(frozen=True, slots=True)
class Parameters:
    """The module's parameters in seconds: when a silent node goes stale, and a job's maximum run time.

    A parameter that the chain does not return is 0.
    """

    node_heartbeat_timeout: int
    max_job_duration: int


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """A cluster of the configuration. `ssh` is None if the daemon runs on the login node itself.

    `address` is that of the cluster's key. `templates` are the ids of the allowed templates with a valid
    signature. `record` is None if the chain has no such cluster. `audit` is the newest `provd site audit`,
    `audited_ago` seconds ago; None if there was none.
    signature. `record` is None if the chain has no such cluster. `pool` is None with shared accounts.
    """

    config: ClusterConfig
    ssh: Ssh | None
    slurm: Slurm
    templates: frozenset[str] | Unknown
    address: str | Unknown
    record: Cluster | Unknown | None
    offered: tuple[Offered, ...] | Unknown
    parameters: Parameters | Unknown
    customers: CustomersConfig = field(default_factory=CustomersConfig)
    audit: AuditSummary | Unknown | None = None
    audited_ago: float = 0.0
    pool: PoolFacts | None = None


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """`quorum` is how many endpoints must agree. `indexed` is whether transactions are found by their hash.

    `settlement` is what the newest job records show. `wired` are the Query RPCs that are served, out of
    `rpcs`. `store` is whether the raw store answers. `now` is this host's clock when the facts were gathered.
    """

    chain_id: str
    fee_denom: str
    now: float
    endpoints: tuple[EndpointReport, ...]
    wired: frozenset[str] | Unknown
    rpcs: int
    store: bool | Unknown
    gas_price: float | Unknown
    quorum: int = 1
    indexed: bool | Unknown = True
    settlement: ChainSettlement | Unknown = ChainSettlement.ESCROW


@dataclass(frozen=True, slots=True)
class Key:
    """A signing key that a cluster uses. `daily` is the sum of its fees in a day.

    `foreign` are hashes of other parties' transactions with it. `recipient` is the state of the account's
    recipient key on chain, None if no data mover is configured to decrypt. `derived` means that the key
    cannot be read here, and that its address is assumed to be its cluster's owner on chain.
    """

    name: str
    address: str | Unknown
    derived: bool
    denom: str
    exists: bool | Unknown
    balance: int | Unknown
    gas_price: float | Unknown
    daily: float | Unknown
    foreign: tuple[str, ...] | Unknown
    recipient: OwnKey | Unknown | None = None


NOT_RUNNING = Unknown("no daemon is running", "ledger-lock")


@dataclass(frozen=True, slots=True)
class ControlFacts:
    """The control socket. `mode` is 0 and `owner` and `group` are "" if there is no such file.

    `answers`: whether a daemon with this configuration's ledger answers there to this user.
    """

    path: str
    mode: int
    owner: str
    group: str
    answers: bool


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """`modes` maps the ledger's files to mode bits. `owner` is the ledger's chain, "" if it was never used.

    `problems` are errors in and between its rows. `holder` is the process that holds its lock, 0 if none
    does. `audits` maps cluster ids to the newest audits of their sites. `control`: the daemon's socket.
    """

    path: str
    chain_id: str
    opens: str | Unknown
    schema: int | Unknown
    wanted_schema: int
    problems: tuple[str, ...] | Unknown
    owner: str | Unknown
    free: int | Unknown
    modes: Mapping[str, int] | Unknown
    holder: int | Unknown
    audits: Mapping[str, AuditSummary | None] | Unknown = field(default_factory=dict)
    control: ControlFacts | Unknown = NOT_RUNNING


@dataclass(frozen=True, slots=True)
class Host:
    """`unit`: systemd's properties of provd.service. `config_modes`, `secret_modes`: file -> mode bits.

    `listens`: the keys of the configuration whose ports have neither login nor TLS -> their addresses.
    """

    python: tuple[int, int, int]
    config_modes: Mapping[str, int]
    secret_modes: Mapping[str, int | Unknown]
    unit: Mapping[str, str] | Unknown
    listens: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Certificate:
    """`fits` is whether the key is that of the certificate, None if only the process's user can read it."""

    expires: float
    fits: bool | None


@dataclass(frozen=True, slots=True)
class GatewayFacts:
    """`certificate` is None without TLS. `info` is (chain id, how far its clock is ahead) at gateway.url.

    `uploads` is (mode bits, free bytes) of the directory of uploads.
    """

    url: str
    chain_id: str
    now: float
    certificate: Certificate | Unknown | None
    info: tuple[str, float] | Unknown
    uploads: tuple[int, int] | Unknown


@dataclass(frozen=True, slots=True)
class MoverFacts:
    """`problems` are the loops that do not work. `sites` maps clusters to the free bytes in work_root.

    `remote` maps addresses of IPFS gateways and S3 endpoints to why they do not answer, "" if they do.
    `private` are the allowed hosts whose addresses are private. `tools` maps the programs that unpack images
    to whether this host has them; it is empty where no launcher needs images.
    """

    transfers: str | Unknown
    problems: tuple[str, ...] | Unknown
    sites: Mapping[str, int | Unknown]
    remote: Mapping[str, str]
    private: tuple[str, ...]
    tools: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class CollectorFacts:
    """`certificate` is None without TLS. `answer` is None if the collector answers at `url`.

    `problems` are the dependencies that it cannot use. `agents` is (how many are registered, the node ids of
    the silent ones). `directory` is (mode bits, free bytes) of the directory of its database.
    """

    url: str
    now: float
    certificate: Certificate | Unknown | None
    answer: Unknown | None
    problems: tuple[str, ...] | Unknown
    agents: tuple[int, tuple[str, ...]] | Unknown
    directory: tuple[int, int] | Unknown


@dataclass(frozen=True, slots=True)
class DataFacts:
    """None for a process whose section is not in the configuration."""

    gateway: GatewayFacts | None
    mover: MoverFacts | None
    collector: CollectorFacts | None


@dataclass(frozen=True, slots=True)
class Scene:
    """All facts, gathered at one time."""

    host: Host
    ledger: LedgerFacts
    chain: ChainFacts
    keys: tuple[Key, ...]
    sites: tuple[SiteFacts, ...]
    data: DataFacts
