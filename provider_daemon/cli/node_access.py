"""`provd node token`, `allow` and `revoke`: whose agents may report, beside the running daemon."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.node_commands import Cluster, Host, Hosts, Why, in_parts
from provider_daemon.cli.options import AsText, Text
from provider_daemon.cli.run import DEFAULT, ConfigFile

if TYPE_CHECKING:
    from provider_daemon.config.model import Config


def token(
    hosts: Annotated[
        list[str] | None,
        typer.Argument(metavar="HOST", help="Names of the nodes in SLURM.", show_default=False),
    ] = None,
    for_all: Annotated[
        bool, typer.Option("--for-all", help="Issue a token for every node that SLURM has.")
    ] = False,
    valid_hours: Annotated[
        float, typer.Option("--valid-hours", metavar="HOURS", help="How long agents may register with it.")
    ] = 24,
    cluster: Cluster = "",
    config: ConfigFile = DEFAULT,
    output: AsText = Text.TEXT,
) -> None:
    """Issue one-time tokens with which agents register, and print each with its host, one a line.

    A new token replaces the node's older one. An agent that has registered continues. Whoever reads a token
    can register in the node's place: keep the output from others.
    """
    from provider_daemon.client.control import operate
    from provider_daemon.config.model import load
    from provider_daemon.control.node_access import TOKEN

    if bool(hosts) == for_all:
        raise typer.BadParameter("give hosts, or --for-all", param_hint="HOST")
    loaded, found = load(config), []
    for some in in_parts(hosts or _all_hosts(loaded, cluster)):
        issued = operate(loaded, TOKEN, cluster=cluster, hosts=some, valid_hours=valid_hours)
        found += [each.model_dump() for each in issued.tokens]
    if output is Text.JSON:
        typer.echo(json.dumps(found, indent=1))
        return
    for each in found:
        typer.echo(f"{each['host']} {each['token']}")


def allow(
    host: Host,
    agent_key: Annotated[
        str, typer.Option("--agent-key", metavar="KEY", help="The agent's public key, in base64.")
    ],
    cluster: Cluster = "",
    config: ConfigFile = DEFAULT,
) -> None:
    """Allow a node's agent of the published form, which has no token. It needs collector.published_agents."""
    from provider_daemon.client.control import operate
    from provider_daemon.config.model import load
    from provider_daemon.control.node_access import ALLOW

    operate(load(config), ALLOW, cluster=cluster, host=host, agent_key=agent_key)
    typer.echo(f"{host}: its agent may report with this key alone")


def revoke(hosts: Hosts, reason: Why = "", cluster: Cluster = "", config: ConfigFile = DEFAULT) -> None:
    """Refuse the agents of nodes from now on. A new token lets a node register again, with a new key."""
    from provider_daemon.client.control import operate
    from provider_daemon.config.model import load
    from provider_daemon.control.node_access import REVOKE

    loaded = load(config)
    for some in in_parts(hosts):
        changed = operate(loaded, REVOKE, cluster=cluster, hosts=some, reason=reason).hosts
        for host in some:
            typer.echo(f"{host}: {'revoked' if host in changed else 'was revoked already'}")


def _all_hosts(config: "Config", wanted: str) -> list[str]:
    """Returns the hosts of SLURM's last answer, from the ledger. Raises Refused if it has none."""
    import time
    from contextlib import closing
    from pathlib import Path

    from provider_daemon.errors import Refused
    from provider_daemon.ledger.ledger import Ledger
    from provider_daemon.status.reported_nodes import reported

    with closing(Ledger.open(Path(config.ledger.path), readonly=True, lock=False)) as ledger:
        hosts = [
            host
            for cluster in config.clusters
            if wanted in ("", cluster.id, cluster.name)
            for host in reported(ledger, cluster.id, cluster.name, time.time())
        ]
    if not hosts:
        raise Refused("no node is known: wait until the daemon has sent heartbeats, or name the hosts")
    return hosts
