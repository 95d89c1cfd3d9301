"""Everything that the checks look at, gathered before: plain values, an Unknown in the place of each that
could not be had.

Times in seconds since the epoch, durations in seconds, money in the fee denom, sizes in bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from provider_daemon.chain.probe import Introduction
from provider_daemon.config.model import ClusterConfig
from provider_daemon.doctor.finding import Unknown
from provider_daemon.ports import Cluster, ConnectOutcome, Node, Offering
from provider_daemon.slurm.parse_config import Association, Partition, WorkRoot


@dataclass(frozen=True, slots=True)
class Ssh:
    """The way to a login node. `key_mode`: the key file's mode bits. `sessions`: channels that sshd took at a
    time, of `wanted`.

    `outcome`: of the attempt to log in.
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
    """A site, as its login node has it. `settings`: slurmctld's. `version`: of the commands; `mended`: CVEs
    named by their package.

    `controller`, `database`: what slurmctld and slurmdbd are called, or why one does not answer. `trials`:
    queue -> (whether sbatch
    --test-only takes a job of ours there, its words). `commands`: those of SLURM's that the login's PATH has.
    `skew`: how far the login node's clock is ahead. `query_range`: slurmdbd's MaxQueryTimeRange in seconds, 0
    without one.
    `odd`: program -> what it prints besides its answer, or a record of it that cannot be read.
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
class Offered:
    """An offering with the longest run time that it sells."""

    offering: Offering
    max_runtime: int


@dataclass(frozen=True, slots=True)
class Parameters:
    """Of the module, in seconds: until a silent node goes stale, and that a job runs at most; 0 where the
    chain tells none."""

    node_heartbeat_timeout: int
    max_job_duration: int


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """A cluster of the configuration. `ssh` None: the daemon is on the login node itself. `address`: of the
    cluster's key.

    `templates`: ids of those that are allowed and verify. `record`: None where the chain has no such cluster.
    """

    config: ClusterConfig
    ssh: Ssh | None
    slurm: Slurm
    templates: frozenset[str] | Unknown
    address: str | Unknown
    record: Cluster | Unknown | None
    offered: tuple[Offered, ...] | Unknown
    parameters: Parameters | Unknown


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """`quorum`: how many endpoints must agree. `indexed`: whether transactions are found by their hash.

    `wired`: the Query RPCs that are served, of `rpcs`. `store`: whether the raw store answers.
    `now`: this host's clock at the look.
    """

    chain_id: str
    fee_denom: str
    now: float
    endpoints: tuple[Introduction, ...]
    wired: frozenset[str] | Unknown
    rpcs: int
    store: bool | Unknown
    gas_price: float | Unknown
    quorum: int = 1
    indexed: bool | Unknown = True


@dataclass(frozen=True, slots=True)
class Key:
    """A signing key that a cluster uses. `daily`: what its fees come to in a day. `foreign`: hashes of
    transactions of others with it.

    `derived`: the key cannot be read here, and its cluster's owner on chain is taken for its address.
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


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """`modes`: file -> mode bits, of the ledger's own files. `owner`: the chain that it belongs to, "" while
    it was never used.

    `problems`: what is wrong between and in its rows. `holder`: the process that holds its lock, 0 when none
    does."""

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


@dataclass(frozen=True, slots=True)
class Host:
    """`unit`: what systemd says of provd.service. `config_modes`, `secret_modes`: file -> mode bits."""

    python: tuple[int, int, int]
    config_modes: Mapping[str, int]
    secret_modes: Mapping[str, int | Unknown]
    unit: Mapping[str, str] | Unknown


@dataclass(frozen=True, slots=True)
class Scene:
    """One look at everything."""

    host: Host
    ledger: LedgerFacts
    chain: ChainFacts
    keys: tuple[Key, ...]
    sites: tuple[SiteFacts, ...]
