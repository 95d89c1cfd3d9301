"""Implements ports.PoolSite: leases of Unix users at a site, and what a user left there."""

from collections.abc import Mapping

from provider_daemon.job.leases import Remains
from provider_daemon.job.site_root import site_root
from provider_daemon.slurm import lease_files
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.slurm.run import ask
from provider_daemon.slurm.transport import Transport


class SlurmPoolSite:
    def __init__(self, logins: SiteLogins[Transport], work_root: str) -> None:
        self._logins = logins
        self._work_root = work_root

    async def leases(self) -> dict[str, str]:
        command = lease_files.read(self._work_root)
        return lease_files.parse_leases(await ask(self._logins.main, "the lease files", command))

    async def claim(self, wanted: Mapping[str, str]) -> dict[str, str]:
        command = lease_files.claim(self._work_root, wanted)
        return lease_files.parse_leases(await ask(self._logins.main, "the lease files", command, query=False))

    async def end(self, user: str, holder: str, seconds: int) -> bool:
        command = lease_files.end(self._work_root, user, holder, seconds)
        return lease_files.parse_ended(await ask(self._logins.main, "the lease files", command, query=False))

    async def remains(self, user: str) -> Remains:
        command = lease_files.remains(site_root(self._work_root, user))
        return lease_files.parse_remains(
            await ask(self._logins.as_user(user), f"the rest of {user}", command)
        )

    async def clean(self, user: str) -> None:
        command = lease_files.clean(site_root(self._work_root, user))
        await ask(self._logins.as_user(user), f"the removal of {user}'s files", command, query=False)
