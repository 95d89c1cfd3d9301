"""Gathers all facts, independent ones at the same time."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from provider_daemon.clock import SystemClock
from provider_daemon.config import ClusterConfig, Config
from provider_daemon.doctor import look_chain, look_host, look_keys, look_ledger, look_site
from provider_daemon.doctor.facts import Scene, Site
from provider_daemon.doctor.finding import NotKnownError, Outcome, Unknown, known
from provider_daemon.doctor.look_chain import ChainLook
from provider_daemon.doctor.look_site import Way
from provider_daemon.doctor.looker import Looker
from provider_daemon.doctor.place_checks import targets
from provider_daemon.doctor.table import CHECKS, judged
from provider_daemon.errors import ConfigError
from provider_daemon.ports import Clock, Cluster
from provider_daemon.template.trusted import trusted

LOOK_SECONDS = 9.0
BEFORE_TRIALS = ("slurm-account", "slurm-account-user", "slurm-qos", "slurm-nodes")


async def look(config: Config, config_file: Path) -> Scene:
    """Takes at most a little more than LOOK_SECONDS, whatever does not answer. Changes nothing anywhere."""
    clock, looker = SystemClock(), Looker(LOOK_SECONDS)
    async with AsyncExitStack() as open_:
        names = sorted({cluster.key for cluster in config.clusters})
        host, ledger, found, ways, addresses = await asyncio.gather(
            asyncio.to_thread(look_host.look, config, config_file),
            asyncio.to_thread(look_ledger.look, Path(config.ledger.path), config.chain.id),
            look_chain.look(config.chain, looker, clock),
            asyncio.gather(*(look_site.way(cluster, looker, clock) for cluster in config.clusters)),
            asyncio.gather(*(look_keys.address(config.keys[name]) for name in names)),
        )
        open_.push_async_callback(found.client.close)
        for reached in ways:
            open_.push_async_callback(reached.close)
        own = dict(zip(names, addresses, strict=True))
        sites = await asyncio.gather(
            *(
                _site(cluster, reached, own[cluster.key], found, looker, clock)
                for cluster, reached in zip(config.clusters, ways, strict=True)
            )
        )
        keys = await asyncio.gather(
            *(
                look_keys.look(config, name, own[name], _records(sites, name), found, look_ledger.closed(ledger), looker, clock.now())
                for name in names
            )
        )
        return Scene(host, ledger, found.facts, tuple(keys), tuple(sites))


def _records(sites: list[Site], key: str) -> list[Cluster]:
    return [site.record for site in sites if site.config.key == key and isinstance(site.record, Cluster)]


async def _site(cluster: ClusterConfig, reached: Way, own: str | Unknown, chain: ChainLook, looker: Looker, clock: Clock) -> Site:
    slurm, templates, record, offered, parameters = await asyncio.gather(
        look_site.slurm(cluster, reached, looker, clock),
        asyncio.to_thread(_templates, cluster),
        looker(lambda: chain.client.cluster(cluster.id), chain.missing),
        looker(lambda: look_chain.offered(chain.client, cluster.id), chain.missing),
        looker(lambda: look_chain.parameters(chain.client), chain.missing),
    )
    address = Unknown(own.why, own.blame or "account-key") if isinstance(own, Unknown) else own
    site = Site(cluster, reached.ssh, slurm, templates, address, record, offered, parameters)
    return replace(site, slurm=replace(slurm, trials=await _trials(site, reached, looker)))


async def _trials(site: Site, reached: Way, looker: Looker) -> dict[str, tuple[bool, str]] | Unknown:
    """Not asked where it is known already why SLURM would refuse."""
    for check in CHECKS:
        if check.name in BEFORE_TRIALS and judged(check, site).outcome is Outcome.FAIL:
            return Unknown("SLURM rejects every job", check.name)
    try:
        usable = {each.name for each in known(site.slurm.partitions) if each.state == "UP"}
        wanted = {queue: listed for queue, listed in targets(site).items() if usable.issuperset(listed.split(","))}
    except NotKnownError as missing:
        return missing.unknown
    return await look_site.trials(site.config, reached, wanted, looker)


def _templates(cluster: ClusterConfig) -> frozenset[str] | Unknown:
    wanted = cluster.templates
    try:
        return frozenset(trusted(wanted.allowed, wanted.directory, wanted.trusted_signers))
    except ConfigError as error:
        return Unknown("; ".join(error.problems))
