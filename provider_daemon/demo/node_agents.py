"""The demo's node agents: two of its nodes are reported with one, the others from SLURM alone.

They need a real site: on the simulated one no slurmd runs, and an agent would report a sick node.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from provider_daemon.chain.proto.virtengine.hpc.v1.types_pb2 import NodeMetadata
from provider_daemon.demo.certificate import certificate
from provider_daemon.demo.market import CLUSTER, Market
from provider_daemon.demo.processes import Process
from provider_daemon.errors import Transient, Unreadable
from provider_daemon.lab.site.site import Site

ADDRESS = "127.0.0.1"
WITH_AGENT = ("n1", "n2")
# The demo's heartbeats are 15 s apart.
PATIENCE_SECONDS = 20.0


@dataclass(slots=True)
class NodeAgents:
    """Collector and agents. `started` has the agent of each node."""

    directory: Path
    site: Site
    collector: Process
    started: dict[str, Process] = field(default_factory=dict)

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in (*self.started.values(), self.collector)]

    @property
    def certificate(self) -> Path:
        return self.directory / "collector.pem"

    def start(self, config: Path) -> None:
        """Starts an agent on each of the nodes, with a node token from the running daemon.

        The daemon issues tokens for nodes that it knows from SLURM.
        """
        for node, token in _tokens(config).items():
            self.started[node] = self._prepare(node, token)
            self.started[node].start()
        for process in self.started.values():
            process.wait_for("first_heartbeat_accepted")

    def stop(self) -> None:
        for process in (*self.started.values(), self.collector):
            process.stop()

    def _prepare(self, node: str, token: str) -> Process:
        place = self.directory / f"agent-{node}"
        place.mkdir()
        place.chmod(0o700)
        layout = self.site.layout
        settings = {
            "state_directory": str(place / "state"),
            "token_file": str(place / "token"),
            "ca_file": str(self.certificate),
            "hostname": node,
            "slurmd_spool": str(layout.run / "spool" / node),
            "slurmd_port": layout.plan.node_ports[layout.plan.nodes.index(node)],
            "munge_socket": str(layout.munge_socket),
            "region": "local",
        }
        (place / "agent.toml").write_text("".join(f"{n} = {json.dumps(v)}\n" for n, v in settings.items()))
        (place / "token").touch(0o600)
        (place / "token").write_text(token)
        log = self.directory / f"agent-{node}.log"
        return Process(f"the agent of {node}", ["agent", "-c", str(place / "agent.toml")], log)


def prepare(directory: Path, site: Site, port: int, metrics_port: int) -> tuple[NodeAgents, str]:
    """Writes the certificate. Returns what starts the processes, and the collector's table."""
    public, private = certificate(ADDRESS)
    made = NodeAgents(
        directory,
        site,
        Process(
            "the collector", ["collector", "-c", str(directory / "provd.toml")], directory / "collector.log"
        ),
    )
    made.certificate.write_text(public)
    key = directory / "collector.key"
    key.touch(0o600)
    key.write_text(private)
    values = {
        "url": f"https://{ADDRESS}:{port}",
        "listen": f"{ADDRESS}:{port}",
        "certificate": str(made.certificate),
        "key": str(key),
        "path": str(directory / "agents.sqlite"),
        "heartbeat_seconds": 10,
        "metrics_listen": f"{ADDRESS}:{metrics_port}",
    }
    return made, "\n[collector]\n" + "".join(f"{n} = {json.dumps(v)}\n" for n, v in values.items())


def _tokens(config: Path) -> dict[str, str]:
    """Asks until the daemon knows the nodes."""
    arguments = ["node", "token", *WITH_AGENT, "-c", str(config), "-o", "json"]
    command = [sys.executable, "-m", "provider_daemon", *arguments]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if not done.returncode:
            return {row["host"]: row["token"] for row in json.loads(done.stdout)}
        if time.monotonic() > deadline:
            why = " ".join(done.stderr.split())[:300]
            raise Transient(f"provd node token failed ({done.returncode}): {why}")


async def node_problems(market: Market, agents: NodeAgents, say: Callable[[str], None]) -> list[str]:
    """Compares the nodes on chain with what the agents are there for, when the chain has all of them."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while problems := problems_of(found := await _on_chain(market), agents.started):
        if time.monotonic() > deadline:
            return problems
        await asyncio.sleep(0.5)
    for node in found:
        say(_line(node))
    return []


async def _on_chain(market: Market) -> list[NodeMetadata]:
    nodes = [each async for each in market.chain.query.nodes(CLUSTER) if not isinstance(each, Unreadable)]
    return sorted(nodes, key=lambda node: node.node_id)


def problems_of(nodes: Sequence[NodeMetadata], agents: Collection[str]) -> list[str]:
    """Compares the nodes on chain with the hosts that have an agent."""
    found = {node.node_id.partition(".")[2]: node for node in nodes}
    problems = [f"{host}: not on chain" for host in agents if host not in found]
    for host, node in found.items():
        has = {
            "an agent's key": node.agent_pubkey,
            "a hardware fingerprint": node.hardware_fingerprint,
            "its hardware": node.hardware.cpu_model,
        }
        for what, value in has.items():
            if bool(value) != (host in agents):
                problems.append(f"{host}: {'has' if value else 'lacks'} {what} on chain")
        if not node.active:
            problems.append(f"{host}: not active on chain")
    return problems


def _line(node: NodeMetadata) -> str:
    if not node.agent_pubkey:
        return f"node {node.node_id} on chain: reported from SLURM, without an agent"
    return (
        f"node {node.node_id} on chain: agent {node.agent_version}, key {node.agent_pubkey[:12]}, "
        f"fingerprint {node.hardware_fingerprint[:12]}, {node.hardware.cpu_model}, "
        f"CPU {node.health.cpu_utilization_percent} %"
    )
