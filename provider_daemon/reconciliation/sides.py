"""The three sides of a comparison: one job in SLURM, in the ledger and on chain."""

from collections.abc import Callable
from dataclasses import dataclass

from provider_daemon.job.job import Job
from provider_daemon.job.snapshot import Sighting
from provider_daemon.job.usage import Usage
from provider_daemon.ledger.reconciliation import StoredReport
from provider_daemon.ports import OnChain, Reported, Settled


@dataclass(frozen=True, slots=True)
class SlurmSide:
    """The SLURM jobs of the name; if `complete`, there are no others. `now` is in seconds since the epoch."""

    sightings: tuple[Sighting, ...] = ()
    complete: bool = True
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class LedgerSide:
    job: Job
    reports: tuple[StoredReport, ...] = ()


@dataclass(frozen=True, slots=True)
class ChainSide:
    """The job on chain.

    `missing`: hashes of transactions that the ledger has as confirmed and the chain does not have.
    `corrected`: a dispute about the job was decided, so its amounts may differ from the report.
    """

    job: OnChain | None
    report: Reported | None = None
    settled: Settled | None = None
    missing: frozenset[str] = frozenset()
    corrected: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """The price of a usage by the prices of the job's offering, at most its agreed price; in uvirt."""

    total: int
    provider_reward: int
    platform_fee: int


Price = Callable[[Usage], Due]
