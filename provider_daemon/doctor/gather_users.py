"""Gathers the facts about a pool of Unix users, with few commands however many users there are."""

import asyncio

from provider_daemon.config.model import ClusterConfig
from provider_daemon.config.pool_users import pool_users
from provider_daemon.doctor.deadline import Deadline, because
from provider_daemon.doctor.facts import PoolFacts, Slurm
from provider_daemon.doctor.gather_site import Way
from provider_daemon.errors import ProvdError
from provider_daemon.slurm.connect import SiteTransport
from provider_daemon.slurm.inspect import Inspection
from provider_daemon.slurm.logins import SiteLogins


async def gather(cluster: ClusterConfig, reached: Way, slurm: Slurm, looker: Deadline) -> PoolFacts | None:
    """Logs in as the first and the last user of the pool. `slurm` says whether slurmdbd answers."""
    if cluster.pool is None:
        return None
    users = pool_users(cluster.pool.users)
    site, logins = reached.inspection, reached.logins
    if site is None or logins is None:
        assert reached.missing is not None
        return PoolFacts(users, reached.missing, reached.missing, reached.missing, reached.missing)
    database = because(slurm.associations, "slurmdbd does not answer", "slurm-database")
    places, associations, coordinators, tried = await asyncio.gather(
        looker(lambda: site.pool_places(cluster.work_root, users)),
        looker(lambda: site.pool_associations(users), database),
        looker(lambda: site.coordinators(cluster.account), database),
        looker(lambda: _tried(logins, tuple(dict.fromkeys((users[0], users[-1]))))),
    )
    return PoolFacts(users, places, associations, coordinators, tried)


async def _tried(logins: SiteLogins[SiteTransport], users: tuple[str, ...]) -> dict[str, str]:
    return {user: await _problem(logins.as_user(user), user) for user in users}


async def _problem(transport: SiteTransport, user: str) -> str:
    try:
        found = await Inspection(transport).name()
    except ProvdError as error:
        return str(error)
    return "" if found == user else f"the login as {user} runs commands as {found}"
