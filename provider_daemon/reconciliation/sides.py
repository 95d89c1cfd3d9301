"""The three sides of a comparison: one job as SLURM, the ledger and the chain have it."""

from collections.abc import Callable
from dataclasses import dataclass

from provider_daemon.job.lifecycle import Job
from provider_daemon.job.snapshot import Sighting
from provider_daemon.job.usage import Usage
from provider_daemon.ledger.reconciliation import StoredReport
from provider_daemon.ports import OnChain, Reported, Settled


@dataclass(frozen=True, slots=True)
class SlurmSide:
    """Every SLURM job under the job's name. `complete`: where none is, there is none. `now` in seconds since
    the epoch."""

    sightings: tuple[Sighting, ...] = ()
    complete: bool = True
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class LedgerSide:
    job: Job
    reports: tuple[StoredReport, ...] = ()


@dataclass(frozen=True, slots=True)
class ChainSide:
    """`missing`: hashes of transactions that the ledger has as confirmed and the chain does not know.
    `corrected`: a dispute about the job was decided, so its amounts may be others than were reported."""

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
