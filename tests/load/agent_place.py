"""A place for the figures of node agents: a site of many nodes, a chain, the daemon and the collector."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from provider_daemon.demo.environment import write_config
from provider_daemon.demo.market import CLUSTER, Market, opened
from provider_daemon.demo.processes import Process
from provider_daemon.errors import Unreadable
from tests.expect import Wrong
from tests.load.agent_site import ChildSite
from tests.unit.daemons import free_port
from tests.unit.sources.far_end import authority
from tests.waiting import until

COUNTERS = ("provd_collector_rejected_total", "provd_collector_connections_closed_total")
READY_SECONDS = 300
# A heartbeat with an agent's facts costs some 3,000 uve: the defaults are for a site of 600 nodes.
FEES = "max_fee_per_hour = 100000000000\nmax_fee_per_day = 100000000000"


@dataclass(frozen=True, slots=True)
class Place:
    """`ca`: the file of the authority that signed the collector's certificate."""

    directory: Path
    market: Market
    daemon: Process
    collector: Process
    config: Path
    url: str
    metrics_url: str
    ca: Path

    async def command(self, *arguments: str) -> str:
        """Returns what a command of the operator prints. Raises Wrong if it fails."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "provider_daemon", *arguments, "-c", str(self.config)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        if process.returncode:
            raise Wrong(f"provd {' '.join(arguments)}: {errors.decode()[-500:]}")
        return output.decode()

    async def tokens(self, count: int) -> list[str]:
        """Returns the node tokens of all nodes, when the daemon knows so many."""

        async def known() -> bool:
            return len(json.loads(await self.command("node", "list", "-o", "json"))) == count

        await until(f"{count} nodes", known, READY_SECONDS, pause=2)
        rows = json.loads(await self.command("node", "token", "--for-all", "-o", "json"))
        return [row["token"] for row in rows]

    async def counters(self) -> dict[str, float]:
        """Returns the collector's counters of refused requests and closed connections by reason."""
        async with aiohttp.ClientSession() as session, session.get(self.metrics_url) as response:
            families = text_string_to_metric_families(await response.text())
            return {
                sample.labels["reason"]: sample.value
                for family in families
                for sample in family.samples
                if sample.name in COUNTERS
            }


@asynccontextmanager
async def place(directory: Path, nodes: int) -> AsyncIterator[Place]:
    """Starts everything in an empty directory."""
    async with AsyncExitStack() as stack:
        site = await asyncio.to_thread(ChildSite, directory, nodes)
        stack.push_async_callback(site.down)
        market = await opened(directory, "all")
        stack.push_async_callback(market.close)
        certificates = authority(directory, "127.0.0.1")
        listen, metrics = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        more = _collector(directory, listen, metrics, certificates.chain)
        config = write_config(directory, site, market.secret, market.port, more)
        config.write_text(_for_many_nodes(config.read_text()))
        processes = {
            name: Process(f"the {name}", [command, "-c", str(config)], directory / f"{name}.log")
            for name, command in (("daemon", "run"), ("collector", "collector"))
        }
        for process, started in zip(processes.values(), ("provd_started", "collector_started"), strict=True):
            process.start()
            stack.push_async_callback(asyncio.to_thread, process.stop)
            await asyncio.to_thread(process.wait_for, started)
        yield Place(
            directory,
            market,
            processes["daemon"],
            processes["collector"],
            config,
            f"https://{listen}",
            f"http://{metrics}/metrics",
            certificates.ca,
        )


def _collector(directory: Path, listen: str, metrics: str, certificate: Path) -> str:
    values = {
        "url": f"https://{listen}",
        "listen": listen,
        "certificate": str(certificate),
        "key": str(certificate),
        "path": str(directory / "agents.sqlite"),
        "metrics_listen": metrics,
    }
    return "\n[collector]\n" + "".join(f"{name} = {json.dumps(each)}\n" for name, each in values.items())


def _for_many_nodes(config: str) -> str:
    """Returns the demo's configuration with the default interval and fees for a large site."""
    found = re.sub(r"^heartbeat_seconds = 15$", "heartbeat_seconds = 30", config, count=1, flags=re.MULTILINE)
    return found.replace("[chain]\n", f"[chain]\n{FEES}\n", 1)


def processor_seconds(pid: int) -> float:
    """Returns the processor time that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def nodes_on_chain(market: Market) -> dict[str, tuple[str, str, bool]]:
    """Returns node id -> agent's key, hardware fingerprint and whether it is active."""
    return {
        node.node_id: (node.agent_pubkey, node.hardware_fingerprint, node.active)
        async for node in market.chain.query.nodes(CLUSTER)
        if not isinstance(node, Unreadable)
    }
