"""The three sides of a comparison: one job as SLURM, the ledger and the chain have it."""

from collections.abc import Callable
from dataclasses import dataclass

from provider_daemon.job.lifecycle import Job
from provider_daemon.job.snapshot import Sighting
from provider_daemon.job.spec import ChainJob
from provider_daemon.job.usage import Usage


@dataclass(frozen=True, slots=True)
class SlurmSide:
    """Every SLURM job under the job's name. `complete`: where none is, there is none. `now` in seconds since the epoch."""

    sightings: tuple[Sighting, ...] = ()
    complete: bool = True
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class StoredReport:
    """`status` is the ledger's: waiting, confirmed, dropped, kept. `tx_hash` empty while it is in no transaction."""

    state: str
    status: str
    created_at: float
    tx_hash: str = ""


@dataclass(frozen=True, slots=True)
class LedgerSide:
    job: Job
    reports: tuple[StoredReport, ...] = ()


@dataclass(frozen=True, slots=True)
class Reported:
    """A terminal report as its transaction holds it. `objection`: what is wrong with its evidence, empty when it holds."""

    job_id: str
    state: str
    usage: Usage
    exit_code: int = 0
    objection: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """The chain's accounting of a job, in uvirt. `status`: pending, finalized, disputed, corrected, settled."""

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


@dataclass(frozen=True, slots=True)
class ChainSide:
    """`missing`: hashes of transactions that the ledger has as confirmed and the chain does not know. `corrected`: a dispute about the
    job was decided, so its amounts may be others than were reported."""

    job: OnChain | None
    report: Reported | None = None
    settled: Settled | None = None
    missing: frozenset[str] = frozenset()
    corrected: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """What a usage costs by the published rules, in uvirt."""

    total: int
    provider_reward: int
    platform_fee: int


Price = Callable[[Usage], Due]
