"""The demo's environment, all below one directory.

It consists of a SLURM site, a chain with a registered cluster and offering, and the real daemon, data mover
and gateway as child processes; with node agents on request.
"""

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from provider_daemon.chain import armor
from provider_daemon.demo.data import STORE, DemoData
from provider_daemon.demo.far_ends import FarEnds
from provider_daemon.demo.jobs import IMAGE, QUEUES
from provider_daemon.demo.market import CHAIN_ID, CLUSTER, OFFERING, TEMPLATE, Market, opened
from provider_daemon.demo.node_agents import NodeAgents, prepare
from provider_daemon.demo.processes import Process
from provider_daemon.demo.sites import DemoSite, RealSite
from provider_daemon.encryption import identity
from provider_daemon.template.library import PUBLISHER

PASSPHRASE = "demo passphrase"  # of the provider's key and the customers'
PASSPHRASE_FILE = "passphrase"


@dataclass(slots=True)
class Environment:
    """The environment, made by `build`. `close` stops all that it started, in any state, and the site."""

    directory: Path
    site: DemoSite
    market: Market
    daemon: Process
    mover: Process
    gateway: Process
    config: Path
    data: DemoData
    url: str
    agents: NodeAgents | None = None

    async def close(self) -> None:
        await self.close_processes()
        await self.site.down()

    async def close_processes(self) -> None:
        if self.agents:
            await asyncio.to_thread(self.agents.stop)
        for process in (self.gateway, self.mover, self.daemon):
            await asyncio.to_thread(process.stop)
        await self.market.close()
        await self.data.far_ends.stop()


async def build(
    directory: Path, site: DemoSite, queries: str, say: Callable[[str], None], *, agents: bool = False
) -> Environment:
    """Starts everything. `agents`: with a collector and node agents, which only a real site has."""
    listen = f"127.0.0.1:{_free_port()}"
    market = await opened(directory, queries, customers=2, gateway=f"http://{listen}")
    say(f"chain {CHAIN_ID} on 127.0.0.1:{market.port}, Query calls answered: {queries}")
    say(f"cluster {CLUSTER} registered and active, offering {OFFERING} with queues {' and '.join(QUEUES)}")
    data = DemoData(FarEnds(), identity.generate())
    await data.far_ends.start()
    more = data_tables(directory, listen, data.far_ends.url)
    node_agents = None
    if agents and isinstance(site, RealSite):
        node_agents, table = prepare(directory, site.slurm, _free_port(), _free_port())
        more += table
    config = write_config(directory, site, market.secret, market.port, more)
    for number, secret in enumerate(market.customer_secrets, 1):
        _private(directory / f"customer-{number}.armor", armor.encrypt(secret, PASSPHRASE))
    daemon, mover, gateway = (
        Process(f"the {name}", [command, "-c", str(config)], directory / log)
        for name, command, log in (
            ("daemon", "run", "provd.log"),
            ("mover", "mover", "mover.log"),
            ("gateway", "gateway", "gateway.log"),
        )
    )
    stage = Environment(
        directory, site, market, daemon, mover, gateway, config, data, f"http://{listen}", node_agents
    )
    others = [(mover, "mover_started"), (gateway, "gateway_started")]
    if node_agents:
        others.append((node_agents.collector, "collector_started"))
    try:
        daemon.start()
        await asyncio.to_thread(daemon.wait_for, "provd_started")
        for process, _ in others:
            process.start()
        for process, started in others:
            await asyncio.to_thread(process.wait_for, started)
        if node_agents:
            await asyncio.to_thread(node_agents.start, config)
    except BaseException:
        await stage.close_processes()
        raise
    say(f"provd runs as process {daemon.pid}, its configuration is {config}")
    say(f"the data mover runs as process {mover.pid}, the gateway for customers is {stage.url}")
    if node_agents:
        say(f"node agents run on {' and '.join(node_agents.started)}, not on the other nodes")
    return stage


def data_tables(directory: Path, listen: str, far_ends: str) -> str:
    """Returns the tables of gateway and data mover. Inputs may come from this machine, as nowhere else."""
    return f"""
[gateway]
url = "http://{listen}"
listen = "{listen}"
uploads = {json.dumps(str(directory / "uploads"))}
metrics_listen = "127.0.0.1:{_free_port()}"

[data]
path = {json.dumps(str(directory / "transfers.sqlite"))}
spool = {json.dumps(str(directory / "spool"))}
allowed_hosts = ["127.0.0.1"]
ipfs_gateways = ["{far_ends}"]
s3_endpoints = {{ {STORE} = "{far_ends}" }}
results_seconds = 60
metrics_listen = "127.0.0.1:{_free_port()}"
"""


def write_config(directory: Path, site: DemoSite, secret: bytes, port: int, more: str = "") -> Path:
    """Writes the configuration as a site would.

    The key is armored; its passphrase is in a file that only its owner may read. `more`: further tables.
    """
    key, passphrase = directory / "provider.armor", directory / PASSPHRASE_FILE
    _private(passphrase, PASSPHRASE)
    _private(key, armor.encrypt(secret, PASSPHRASE))
    config = directory / "provd.toml"
    config.write_text(_toml(directory, site, key, passphrase, port) + more)
    return config


def _toml(directory: Path, site: DemoSite, key: Path, passphrase: Path, port: int) -> str:
    def quoted(value: object) -> str:
        return json.dumps(value)

    ssh = "\n".join(f"{name} = {quoted(value)}" for name, value in site.ssh.items())
    accounts = 'accounts = "pool"\n' if site.pool else ""
    pool = f"\n[clusters.pool]\nusers = {quoted(site.pool)}\n" if site.pool else ""
    return f"""[chain]
id = {quoted(CHAIN_ID)}
endpoints = ["127.0.0.1:{port}"]
poll_seconds = 1

[ledger]
path = {quoted(str(directory / "ledger.sqlite"))}

[keys.main]
kind = "armor"
path = {quoted(str(key))}
passphrase_file = {quoted(str(passphrase))}

[[clusters]]
id = "{CLUSTER}"
name = "demo"
key = "main"
region = "local"
{accounts}account = "provd"
work_root = {quoted(str(site.work_root))}
poll_seconds = 1
heartbeat_seconds = 15

[clusters.ssh]
{ssh}
{pool}
[clusters.gpu_types]
nvidia-a100 = "a100"

[clusters.templates]
allowed = ["{TEMPLATE}"]
trusted_signers = ["{PUBLISHER}"]

[[clusters.images]]
pattern = {quoted(IMAGE)}
native = true

[[clusters.images]]
pattern = "docker.io/*"
{_container()}

# Stands for a container runtime: prints the image that it was given, and runs the program.
[[clusters.images]]
pattern = "evil/*"
run = ["/bin/sh", "-c", "printf 'image %s\\\\n' \\"$0\\"; exec \\"$@\\"", "{{image}}"]

[metrics]
listen = "127.0.0.1:{_free_port()}"

[log]
level = "info"
"""


def _container() -> str:
    """Returns how other images run: in bubblewrap with this host's programs, without it natively."""
    if not shutil.which("bwrap"):
        return "native = true"
    where = ["--ro-bind", "/", "/", "--dev", "/dev", "--bind", "{directory}", "{directory}"]
    return f"run = {json.dumps(['bwrap', '--unshare-user', '--die-with-parent', *where])}"


def _free_port() -> int:
    from provider_daemon.lab.site.layout import free_ports

    return free_ports(1)[0]


def _private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
