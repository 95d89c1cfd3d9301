"""`provd node`: compute nodes, their agents, and which of them are sold."""

import json
from typing import TYPE_CHECKING, Any

import typer

from provider_daemon.cli import node_access, node_commands
from provider_daemon.cli.node_commands import Cluster, Host
from provider_daemon.cli.options import AsText, Text, example
from provider_daemon.cli.run import DEFAULT, ConfigFile

if TYPE_CHECKING:
    from pathlib import Path

    from provider_daemon.ledger.ledger import Ledger
    from provider_daemon.status.node_status import NodeSources, NodeStatus

app = typer.Typer(help="List compute nodes; drain them; admit their agents.", no_args_is_help=True)


@app.command(
    "list",
    short_help="List compute nodes and their agents.",
    epilog=example("provd node list --cluster HPC-1"),
)
def list_nodes(cluster: Cluster = "", config: ConfigFile = DEFAULT, output: AsText = Text.TEXT) -> None:
    """List compute nodes: their state in SLURM and on chain, their agents, GPUs, and why one is not sold.

    SEEN: seconds since the agent's last heartbeat. GPUS: available of all, as on chain.
    """
    from dataclasses import asdict

    from provider_daemon.cli.tables import aligned

    found, _, _ = _read(config, cluster)
    if output is Text.JSON:
        typer.echo(json.dumps([asdict(node) for node in found], indent=1))
        return
    heading = ("NODE", "SLURM", "CHAIN", "AGENT", "SEEN", "VERSION", "GPUS", "NOTE")
    typer.echo("\n".join(aligned([heading, *map(_row, found)])))


@app.command("show", short_help="Show one node.", epilog=example("provd node show n1"))
def show(host: Host, cluster: Cluster = "", config: ConfigFile = DEFAULT, output: AsText = Text.TEXT) -> None:
    """Show one node: what SLURM, the chain and its agent report, and the last commands to its agent."""
    from provider_daemon.cli.tables import fields
    from provider_daemon.errors import Refused

    found, sources, ledger = _read(config, cluster)
    mine = [node for node in found if node.host == host]
    if len(mine) != 1:
        why = (
            "is a node of several clusters: add --cluster" if mine else "is not known; see `provd node list`"
        )
        raise Refused(f"{host} {why}")
    shown = _details(ledger, mine[0], sources)
    if output is Text.JSON:
        typer.echo(json.dumps(shown, indent=1))
    else:
        typer.echo("\n".join(fields(shown)))


def _read(config: "Path", cluster: str) -> "tuple[list[NodeStatus], list[NodeSources], Ledger]":
    import time

    from provider_daemon.cli.opened import opened
    from provider_daemon.status.node_sources import read
    from provider_daemon.status.node_status import node_statuses
    from provider_daemon.text import printable

    now = time.time()
    settings, ledger = opened(config)
    sources = read(settings, ledger, cluster, now)
    for why in dict.fromkeys(each.unreadable for each in sources if each.unreadable):
        typer.echo(f"agents are not shown: {printable(why)}", err=True)
    return [node for each in sources for node in node_statuses(each, now)], sources, ledger


def _details(ledger: "Ledger", node: "NodeStatus", sources: "list[NodeSources]") -> dict[str, Any]:
    """Returns the node as JSON values, with the last report of its agent and the commands to it."""
    from dataclasses import asdict

    from provider_daemon.ledger.nodes import commands
    from provider_daemon.nodes.ids import first_id

    source = next(each for each in sources if each.cluster_id == node.cluster_id)
    node_id = first_id(source.name, node.host)
    report = source.agents.get(node_id)
    found = {
        **asdict(node),
        "report": asdict(report) if report else None,
        "commands": [asdict(each) for each in commands(ledger, node_id)],
    }
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


def _row(node: "NodeStatus") -> tuple[str, ...]:
    from provider_daemon.text import printable

    seen = "-" if node.seen_seconds is None else f"{node.seen_seconds:.0f} s"
    failed = f", {node.gpus_failed} failed" if node.gpus_failed else ""
    gpus = f"{node.gpus_available}/{node.gpus}{failed}" if node.gpus or failed else "-"
    notes = [f"{hold.source}: {hold.reason}" for hold in node.holds]
    notes += [f"commands not answered: {node.open_commands}"] if node.open_commands else []
    cells = (
        node.host,
        node.slurm_state or "-",
        node.chain_state or "-",
        node.agent,
        seen,
        node.agent_version or "-",
        gpus,
        "; ".join(notes),
    )
    return tuple(map(printable, cells))


app.command(
    "token",
    short_help="Issue the tokens with which agents register.",
    epilog=example("provd node token n1 n2 --valid-hours 4"),
)(node_access.token)
app.command(
    "allow",
    short_help="Allow an agent of the published form.",
    epilog=example("provd node allow n1 --agent-key A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="),
)(node_access.allow)
app.command(
    "revoke",
    short_help="Refuse the agents of nodes from now on.",
    epilog=example('provd node revoke n1 --reason "stolen"'),
)(node_access.revoke)
app.command(
    "drain", short_help="Stop selling nodes.", epilog=example('provd node drain n1 --reason "new fan"')
)(node_commands.drain)
app.command("resume", short_help="Sell drained nodes again.", epilog=example("provd node resume n1"))(
    node_commands.resume
)
app.command(
    "diagnose",
    short_help="Have a node's agent run its diagnosis.",
    epilog=example("provd node diagnose n1"),
)(node_commands.diagnose)
app.command(
    "shutdown",
    short_help="Have a node's agent shut the node down.",
    epilog=example('provd node shutdown n1 --reason "power maintenance"'),
)(node_commands.shutdown)
app.command(
    "update-agent",
    short_help="Have a node's agent update itself.",
    epilog=example("provd node update-agent n1"),
)(node_commands.update_agent)
