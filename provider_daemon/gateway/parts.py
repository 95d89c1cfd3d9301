"""What the gateway's routes work with. server.py creates it; tests create it over a local site."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from provider_daemon.audit_log.recorder import Recorder
from provider_daemon.gateway.limits import (
    ARCHIVES_PER_ACCOUNT,
    FOLLOWERS,
    LOGIN_FAILURES_PER_MINUTE,
    STREAMS,
    Rates,
    Slots,
)
from provider_daemon.gateway.logins import Logins
from provider_daemon.gateway.measures import Measures
from provider_daemon.gateway.uploads import Uploads
from provider_daemon.ledger.guest import LedgerGuest
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Clock
from provider_daemon.site_files.files import SiteFiles
from provider_daemon.slurm.connect import SiteTransport
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.transfers.store import TransferStore


@dataclass(frozen=True, slots=True)
class Site:
    """One cluster, as its job user sees its files."""

    name: str
    results_days: float
    files: SiteFiles
    logins: SiteLogins[SiteTransport]
    work_root: str = ""

    async def close(self) -> None:
        await self.files.close()
        await self.logins.close()


@dataclass(frozen=True, slots=True)
class Gateway:
    """`url`: the address that customers use. `sites` by cluster id. `secure`: TLS ends in this process.

    `proxied`: a reverse proxy on this host names the customer's address. `transfers` is None at a site
    without a data mover.
    """

    url: str
    chain_id: str
    sites: Mapping[str, Site]
    ledger: LedgerGuest
    transfers: TransferStore | None
    uploads: Uploads
    logins: Logins
    measures: Measures
    clock: Clock
    requests_per_minute: int
    secure: bool = False
    proxied: bool = False
    ongoing: OngoingProblems = field(default_factory=OngoingProblems)
    recorder: Recorder | None = None
    streams: Slots = field(default_factory=Slots)
    followers: Slots = field(default_factory=lambda: Slots(FOLLOWERS, FOLLOWERS // 8))
    archives: Slots = field(default_factory=lambda: Slots(STREAMS, ARCHIVES_PER_ACCOUNT))
    failures: Rates = field(default_factory=lambda: Rates(LOGIN_FAILURES_PER_MINUTE))
    by_address: Rates = field(init=False)
    by_account: Rates = field(init=False)

    def __post_init__(self) -> None:
        for name in ("by_address", "by_account"):
            object.__setattr__(self, name, Rates(self.requests_per_minute))
