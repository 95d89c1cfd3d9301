"""Gathers all facts, independent ones concurrently."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from provider_daemon.clock import SystemClock
from provider_daemon.config.model import ClusterConfig, Config
from provider_daemon.doctor import (
    gather_chain,
    gather_control,
    gather_data,
    gather_host,
    gather_keys,
    gather_ledger,
    gather_site,
    gather_users,
)
from provider_daemon.doctor.deadline import Deadline
from provider_daemon.doctor.facts import Scene, SiteFacts
from provider_daemon.doctor.finding import CheckOutcome, NotKnownError, Unknown, known
from provider_daemon.doctor.gather_chain import ChainAnswers
from provider_daemon.doctor.gather_site import Way
from provider_daemon.doctor.place_checks import targets
from provider_daemon.doctor.registry import CHECKS, judged
from provider_daemon.errors import ConfigError
from provider_daemon.ledger.audit_summary import AuditSummary
from provider_daemon.ports import Clock, Cluster
from provider_daemon.template.trusted import trusted

LOOK_SECONDS = 9.0
BEFORE_TRIALS = ("slurm-account", "slurm-account-user", "slurm-qos", "slurm-nodes")


async def gather(config: Config, config_file: Path) -> Scene:
    """Takes little more than LOOK_SECONDS at most, even if nothing answers. Changes nothing."""
    clock, looker = SystemClock(), Deadline(LOOK_SECONDS)
    async with AsyncExitStack() as open_:
        ids = [cluster.id for cluster in config.clusters]
        names = sorted({cluster.key for cluster in config.clusters})
        host, ledger, found, ways, addresses = await asyncio.gather(
            asyncio.to_thread(gather_host.gather, config, config_file),
            asyncio.to_thread(gather_ledger.gather, Path(config.ledger.path), config.chain.id, ids),
            gather_chain.gather(config.chain, looker, clock),
            asyncio.gather(*(gather_site.way(cluster, looker, clock) for cluster in config.clusters)),
            asyncio.gather(*(gather_keys.address(config.keys[name]) for name in names)),
        )
        ledger = replace(
            ledger, control=await asyncio.to_thread(gather_control.gather, config, ledger.holder)
        )
        open_.push_async_callback(found.client.close)
        for reached in ways:
            open_.push_async_callback(reached.close)
        own = dict(zip(names, addresses, strict=True))
        places = {
            cluster.name: (cluster.work_root, reached)
            for cluster, reached in zip(config.clusters, ways, strict=True)
        }
        sites, data = await asyncio.gather(
            asyncio.gather(
                *(
                    _site(cluster, reached, own[cluster.key], found, looker, clock)
                    for cluster, reached in zip(config.clusters, ways, strict=True)
                )
            ),
            gather_data.gather(config, places, looker, clock),
        )
        sites = [_audited(site, ledger.audits, clock.now()) for site in sites]
        keys = await asyncio.gather(
            *(
                gather_keys.gather(
                    config,
                    name,
                    own[name],
                    _records(sites, name),
                    found,
                    gather_ledger.closed(ledger),
                    looker,
                    clock.now(),
                )
                for name in names
            )
        )
        judged_sites = tuple(replace(site, customers=config.customers) for site in sites)
        return Scene(host, ledger, found.facts, tuple(keys), judged_sites, data)


def _records(sites: list[SiteFacts], key: str) -> list[Cluster]:
    return [site.record for site in sites if site.config.key == key and isinstance(site.record, Cluster)]


async def _site(
    cluster: ClusterConfig,
    reached: Way,
    own: str | Unknown,
    chain: ChainAnswers,
    looker: Deadline,
    clock: Clock,
) -> SiteFacts:
    slurm, templates, record, offered, parameters = await asyncio.gather(
        gather_site.slurm(cluster, reached, looker, clock),
        asyncio.to_thread(_templates, cluster),
        looker(lambda: chain.client.cluster(cluster.id), chain.missing),
        looker(lambda: gather_chain.offered(chain.client, cluster.id), chain.missing),
        looker(lambda: gather_chain.parameters(chain.client), chain.missing),
    )
    address = Unknown(own.why, own.cause or "account-key") if isinstance(own, Unknown) else own
    site = SiteFacts(
        cluster,
        reached.ssh,
        slurm,
        templates,
        address,
        record,
        offered,
        parameters,
        pool=await gather_users.gather(cluster, reached, slurm, looker),
    )
    return replace(site, slurm=replace(slurm, trials=await _trials(site, reached, looker)))


def _audited(site: SiteFacts, audits: Mapping[str, AuditSummary | None] | Unknown, now: float) -> SiteFacts:
    if isinstance(audits, Unknown):
        return replace(site, audit=audits)
    audit = audits.get(site.config.id)
    return replace(site, audit=audit, audited_ago=now - audit.at if audit else 0.0)


async def _trials(site: SiteFacts, reached: Way, looker: Deadline) -> dict[str, tuple[bool, str]] | Unknown:
    """Submits no trial if it is already known that SLURM would refuse it."""
    for check in CHECKS:
        if check.name in BEFORE_TRIALS and judged(check, site).outcome is CheckOutcome.FAIL:
            return Unknown("SLURM rejects every job", check.name)
    try:
        usable = {each.name for each in known(site.slurm.partitions) if each.state == "UP"}
        wanted = {
            queue: listed for queue, listed in targets(site).items() if usable.issuperset(listed.split(","))
        }
    except NotKnownError as missing:
        return missing.unknown
    return await gather_site.trials(site.config, reached, wanted, looker)


def _templates(cluster: ClusterConfig) -> frozenset[str] | Unknown:
    wanted = cluster.templates
    try:
        return frozenset(trusted(wanted.allowed, wanted.directory, wanted.trusted_signers))
    except ConfigError as error:
        return Unknown("; ".join(error.problems))
