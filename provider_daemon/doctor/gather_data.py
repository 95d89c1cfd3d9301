"""Gathers the facts about the gateway, the data mover and the collector."""

import asyncio
import contextlib
import ipaddress
import os
import shutil
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import aiohttp

from provider_daemon.config.model import ClusterConfig, Config, DataConfig, GatewayConfig
from provider_daemon.doctor import gather_collector
from provider_daemon.doctor.deadline import Deadline
from provider_daemon.doctor.facts import DataFacts, GatewayFacts, MoverFacts
from provider_daemon.doctor.finding import Unknown
from provider_daemon.doctor.gather_certificate import certificate
from provider_daemon.doctor.gather_http import problems, translated
from provider_daemon.doctor.gather_site import Way
from provider_daemon.errors import Refused
from provider_daemon.mover import unpack
from provider_daemon.ports import Clock
from provider_daemon.site_files.files import SiteFiles
from provider_daemon.site_files.values import Kind, NotThere
from provider_daemon.slurm.connect import SiteTransport, logins
from provider_daemon.transfers.file import FILE

T = TypeVar("T")

DIRECTORIES = (".provd-inputs", ".provd-cache")


async def gather(
    config: Config, ways: dict[str, tuple[str, Way]], looker: Deadline, clock: Clock
) -> DataFacts:
    """`ways`: cluster name -> (work_root, the connection to its site)."""
    timeout = aiohttp.ClientTimeout(total=8)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        gateway, mover, collector = await asyncio.gather(
            _gateway(config, config.gateway, session, looker, clock) if config.gateway else _nothing(),
            _mover(config, config.data, ways, session, looker, clock) if config.data else _nothing(),
            gather_collector.gather(config, config.collector, session, looker, clock)
            if config.collector
            else _nothing(),
        )
    return DataFacts(gateway, mover, collector)


async def _nothing() -> None:
    return None


async def _gateway(
    config: Config, section: GatewayConfig, session: aiohttp.ClientSession, looker: Deadline, clock: Clock
) -> GatewayFacts:
    return GatewayFacts(
        url=section.url,
        chain_id=config.chain.id,
        now=clock.now(),
        certificate=await asyncio.to_thread(certificate, section.certificate, section.key),
        info=await looker(lambda: translated(lambda: _info(session, section.url, clock))),
        uploads=_directory(section.uploads),
    )


def _directory(path: str) -> tuple[int, int] | Unknown:
    try:
        space = os.statvfs(path)
        return os.stat(path).st_mode, space.f_bavail * space.f_frsize
    except OSError as error:
        return Unknown(f"{path}: {error.strerror}: the gateway creates it at its first start")


async def _info(session: aiohttp.ClientSession, url: str, clock: Clock) -> tuple[str, float]:
    async with session.get(f"{url.rstrip('/')}/v1/info", allow_redirects=False) as answer:
        after = clock.now()
        if answer.status != 200:
            raise Refused(f"HTTP status {answer.status}")
        found = await answer.json()
        said = parsedate_to_datetime(answer.headers["Date"]).timestamp()
        return str(found["chain_id"]), said - after if abs(said - after) > 1 else 0.0


# --- the data mover ---


async def _mover(
    config: Config,
    data: DataConfig,
    ways: dict[str, tuple[str, Way]],
    session: aiohttp.ClientSession,
    looker: Deadline,
    clock: Clock,
) -> MoverFacts:
    clusters = {cluster.name: cluster for cluster in config.clusters}
    keys = _keys(config)
    urls = [*data.ipfs_gateways, *data.s3_endpoints.values()]
    transfers, failing, sites, remote, private = await asyncio.gather(
        looker(lambda: asyncio.to_thread(_transfers, Path(data.path))),
        looker(lambda: translated(lambda: problems(session, data.metrics_listen))),
        asyncio.gather(
            *(_site(clusters[name], root, way, keys, looker, clock) for name, (root, way) in ways.items())
        ),
        asyncio.gather(*(looker(partial(_reach, session, url)) for url in urls)),
        asyncio.gather(*(looker(partial(_is_private, host)) for host in data.allowed_hosts)),
    )
    return MoverFacts(
        transfers=transfers,
        problems=failing,
        sites=dict(zip(ways, sites, strict=True)),
        remote={
            url: found.why if isinstance(found, Unknown) else ""
            for url, found in zip(urls, remote, strict=True)
        },
        private=tuple(host for host, found in zip(data.allowed_hosts, private, strict=True) if found is True),
        tools={name: shutil.which(name) is not None for name in unpack.programs(config)},
    )


def _transfers(path: Path) -> str:
    (count,) = FILE.read(path, lambda connection: connection.execute("SELECT count(*) FROM jobs").fetchone())
    return f"schema {FILE.version}, {count} jobs"


def _keys(config: Config) -> list[str]:
    """Returns the SSH keys of the data mover and the gateway that this user can read."""
    named = [section.ssh_key_file for section in (config.data, config.gateway) if section]
    return [key for key in dict.fromkeys(named) if key and os.access(key, os.R_OK)]


async def _site(
    cluster: ClusterConfig, work_root: str, way: Way, keys: Sequence[str], looker: Deadline, clock: Clock
) -> int | Unknown:
    """Looks with each key of the two processes, or as the daemon if they have none."""
    if way.logins is None:
        return way.missing or Unknown("the site cannot be reached")
    root = f"{work_root.rstrip('/')}/"
    if cluster.ssh is None or not keys:
        return await _looked(way.logins.main, root, looker)
    found = []
    for key in keys:
        made = logins(cluster, clock, key)
        try:
            space = await _looked(made.main, root, looker)
        finally:
            await made.close()
        if isinstance(space, Unknown):
            return Unknown(f"with the SSH key {key}: {space.why}")
        found.append(space)
    return min(found)


async def _looked(transport: SiteTransport, root: str, looker: Deadline) -> int | Unknown:
    files = SiteFiles(transport, 1)
    try:
        return await looker(lambda: _space(files, root))
    finally:
        await files.close()


async def _space(files: SiteFiles, root: str) -> int:
    for name in DIRECTORIES:
        with contextlib.suppress(NotThere):
            if (await files.stat(root, name)).kind is not Kind.DIRECTORY:
                raise Refused(f"{root}{name} is not a directory: remove it, the mover creates it again")
    return await files.space(root)


async def _reach(session: aiohttp.ClientSession, url: str) -> None:
    """Any answer counts: most endpoints refuse a request for nothing."""

    async def ask() -> None:
        async with session.get(url, allow_redirects=False):
            pass

    await translated(ask)


async def _is_private(host: str) -> bool:
    """Returns False for a name that cannot be resolved now."""
    name, port = host.rpartition(":")[::2] if host.count(":") == 1 else (host, "443")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(name.strip("[]"), int(port))
    except (OSError, ValueError):
        return False
    return any(not ipaddress.ip_address(str(each[4][0]).partition("%")[0]).is_global for each in found)
