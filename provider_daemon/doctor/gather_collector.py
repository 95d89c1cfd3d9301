"""Gathers the facts about the collector and the node agents."""

import asyncio
import os
from pathlib import Path

import aiohttp

from provider_daemon.config.collector import CollectorConfig
from provider_daemon.config.model import Config
from provider_daemon.doctor.deadline import Deadline
from provider_daemon.doctor.facts import CollectorFacts
from provider_daemon.doctor.finding import Unknown
from provider_daemon.doctor.gather_certificate import certificate
from provider_daemon.doctor.gather_http import problems, translated
from provider_daemon.errors import Refused
from provider_daemon.ledger.guest import LedgerGuest
from provider_daemon.node_store.store import NodeStore
from provider_daemon.nodes.condition import is_silent
from provider_daemon.ports import Clock


async def gather(
    config: Config,
    section: CollectorConfig,
    session: aiohttp.ClientSession,
    looker: Deadline,
    clock: Clock,
) -> CollectorFacts:
    now = clock.now()
    answer, found, agents = await asyncio.gather(
        looker(lambda: translated(lambda: _answers(session, section.url))),
        looker(lambda: translated(lambda: problems(session, section.metrics_listen))),
        looker(lambda: asyncio.to_thread(_agents, config, section, now)),
    )
    return CollectorFacts(
        url=section.url,
        now=now,
        certificate=await asyncio.to_thread(certificate, section.certificate, section.key),
        answer=answer,
        problems=found,
        agents=agents,
        directory=_directory(Path(section.path).parent),
    )


async def _answers(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(f"{url.rstrip('/')}/health", allow_redirects=False) as answer:
        if answer.status != 200:
            raise Refused(f"HTTP status {answer.status}")


def _agents(config: Config, section: CollectorConfig, now: float) -> tuple[int, tuple[str, ...]]:
    """Agents of nodes that were revoked do not count."""
    store, ledger = NodeStore(Path(section.path)), LedgerGuest(Path(config.ledger.path))
    found = [agent for cluster in config.clusters for agent in store.facts(cluster.id).values()]
    directory = ledger.node_directory(now)
    trusted = [agent for agent in found if directory.trusts(agent.node_id, agent.registered_at)]
    return len(trusted), tuple(sorted(agent.node_id for agent in trusted if is_silent(agent, now)))


def _directory(path: Path) -> tuple[int, int] | Unknown:
    try:
        space = os.statvfs(path)
        return path.stat().st_mode, space.f_bavail * space.f_frsize
    except OSError as error:
        return Unknown(f"{path}: {error.strerror}: the collector creates it at its first start")
