"""An operator admits a node's agent, commands it, takes its node out of sale and back, and revokes it."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from provider_daemon.demo.processes import Process
from provider_daemon.lab.site import layout
from tests.e2e.shell import Shell, same
from tests.waiting import until

PATIENCE_SECONDS = 90


def play(shell: Shell, children: list[Process]) -> None:
    """Raises Wrong. All nodes are for sale before and after."""
    hosts = sorted(listed(shell))
    same("states on chain", {each["chain_state"] for each in listed(shell).values()}, {"active"})
    collector = Process("the collector", ["collector"], shell.directory / "collector.log", shell.env)
    children.append(collector)
    collector.start()
    collector.wait_for("collector_started")
    tokens = issue(shell, hosts)
    host = hosts[-1]
    agent = start_agent(shell, host, tokens[host])
    children.append(agent)
    agents = {name: node["agent"] for name, node in listed(shell).items()}
    same("agents", agents, {name: "active" if name == host else "never" for name in hosts})
    with ThreadPoolExecutor(1) as pool:  # the diagnosis takes three heartbeats
        found = pool.submit(shell.run, f"provd node diagnose {host} --reason 'a customer complained'")
        drain(shell, host)
        same("the diagnosis names slurmd", "slurmd" in found.result(), True)
    revoke(shell, hosts, host)
    agent.stop()


def issue(shell: Shell, hosts: list[str]) -> dict[str, str]:
    """A token for every node, of which the ledger and the audit log keep nothing."""
    shell.run("provd node token somewhere-else", expect=1)
    tokens = dict(line.split() for line in shell.run("provd node token --for-all").splitlines())
    same("hosts with tokens", sorted(tokens), hosts)
    kept = contents(shell.directory / "audit", "*") + contents(shell.directory, "ledger.sqlite*")
    same("tokens that are kept", [host for host, token in tokens.items() if token.encode() in kept], [])
    return tokens


def start_agent(shell: Shell, host: str, token: str) -> Process:
    """Starts an agent that reports for the host, and waits for its first heartbeat."""
    site = layout.load(shell.directory / "slurm")
    assert site is not None
    settings = {
        "hostname": host,
        "state_directory": str(shell.directory / "agent"),
        "token_file": str(shell.file("token", token)),
        "slurmd_spool": str(site.run / "spool" / host),
        "slurmd_port": site.plan.node_ports[site.plan.nodes.index(host)],
        "munge_socket": str(site.munge_socket),
    }
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
    config = shell.file("agent.toml", lines)
    agent = Process(f"the agent of {host}", ["agent", "-c", str(config)], shell.directory / "agent.log")
    agent.start()
    agent.wait_for("first_heartbeat_accepted")
    return agent


def drain(shell: Shell, host: str) -> None:
    """The chain shows the node as offline and draining, until it is resumed."""
    shell.run(f'provd node drain {host} --reason "new fan"')
    until_node(shell, host, "NODE_STATE_OFFLINE", draining=True)
    (hold,) = listed(shell)[host]["holds"]
    same("the hold", (hold["source"], hold["reason"]), ("operator", "new fan"))
    shell.run(f"provd node resume {host} --reason done")
    until_node(shell, host, "NODE_STATE_ACTIVE", draining=False)


def revoke(shell: Shell, hosts: list[str], host: str) -> None:
    """The agent is refused from then on, and the node stays for sale by what SLURM says of it."""
    shell.run(f"provd node revoke {' '.join(hosts)} --reason stolen")
    same("agents", {each["agent"] for each in listed(shell).values()}, {"revoked"})
    shell.run(f"provd node diagnose {host}", expect=1)
    same("its node", listed(shell)[host]["chain_state"], "active")


def until_node(shell: Shell, host: str, state: str, *, draining: bool) -> None:
    """A busy machine may be degraded: only whether its health is draining is compared."""

    def shown() -> bool:
        found = shell.json(f"provd query hpc node-metadata e2e.{host}")["node"]
        return found["state"] == state and (found["health_status"] == "HEALTH_STATUS_DRAINING") is draining

    asyncio.run(until(f"{host} is {state} on chain", shown, PATIENCE_SECONDS, 1))


def listed(shell: Shell) -> dict[str, dict[str, Any]]:
    return {each["host"]: each for each in shell.json("provd node list")}


def contents(directory: Path, pattern: str) -> bytes:
    return b"".join(file.read_bytes() for file in directory.glob(pattern) if file.is_file())
