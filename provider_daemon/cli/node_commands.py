"""`provd node drain`, `resume`, `diagnose` and the commands to agents, beside the running daemon."""

from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.options import AsText, Text
from provider_daemon.cli.run import DEFAULT, ConfigFile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from provider_daemon.config.model import Config
    from provider_daemon.control.node_commands import CommandFate, HeldNode

POLL_SECONDS = 1.0
LATE_SECONDS = 300  # an agent that started a command at its deadline has answered by then

Hosts = Annotated[list[str], typer.Argument(metavar="HOST", help="Names of the nodes in SLURM.")]
Host = Annotated[str, typer.Argument(metavar="HOST", help="Name of the node in SLURM.")]
Cluster = Annotated[
    str, typer.Option("--cluster", metavar="CLUSTER", help="Cluster id or name, if several are served.")
]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; for the audit log.")]


def drain(
    hosts: Hosts,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; for the audit log and `provd node list`.")
    ],
    cluster: Cluster = "",
    config: ConfigFile = DEFAULT,
) -> None:
    """Stop selling nodes, and drain them in SLURM if provd's login may do that. Jobs on them continue.

    An agent there gets the signed command to drain.
    """
    from provider_daemon.client.control import operate
    from provider_daemon.config.model import load
    from provider_daemon.control.node_commands import DRAIN

    loaded = load(config)
    for some in in_parts(hosts):
        for node in operate(loaded, DRAIN, cluster=cluster, hosts=some, reason=reason).nodes:
            typer.echo(f"{node.host}: {'' if node.changed else 'already '}drained, not sold{_sent(node)}")


def resume(hosts: Hosts, reason: Why = "", cluster: Cluster = "", config: ConfigFile = DEFAULT) -> None:
    """Sell drained nodes again, as far as SLURM and their health allow it."""
    from provider_daemon.client.control import operate
    from provider_daemon.config.model import load
    from provider_daemon.control.node_commands import RESUME
    from provider_daemon.text import printable

    loaded = load(config)
    for some in in_parts(hosts):
        for node in operate(loaded, RESUME, cluster=cluster, hosts=some, reason=reason).nodes:
            what = "resumed" if node.changed else "was not drained by an operator"
            held = f"; still not sold: {printable(node.held)}" if node.held else ""
            typer.echo(f"{node.host}: {what}{held}{_sent(node)}")


def diagnose(
    host: Host,
    reason: Why = "",
    cluster: Cluster = "",
    config: ConfigFile = DEFAULT,
    output: AsText = Text.TEXT,
) -> None:
    """Have a node's agent run its diagnosis, wait for it, and print it.

    Exit status: 0 if the agent did it, 1 otherwise.
    """
    _send(config, "run_diagnostic", host, reason, cluster, output)


def shutdown(
    host: Host,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; for the audit log.")],
    cluster: Cluster = "",
    config: ConfigFile = DEFAULT,
    output: AsText = Text.TEXT,
) -> None:
    """Have a node's agent shut the node down, where agent.toml allows it. Drain the node first."""
    _send(config, "shutdown", host, reason, cluster, output)


def update_agent(
    host: Host,
    reason: Why = "",
    cluster: Cluster = "",
    config: ConfigFile = DEFAULT,
    output: AsText = Text.TEXT,
) -> None:
    """Have a node's agent update itself, where agent.toml allows it."""
    _send(config, "update_agent", host, reason, cluster, output)


def in_parts(hosts: "Iterable[str]") -> "Iterable[tuple[str, ...]]":
    """Yields the hosts without repetitions, as many at once as one request may name."""
    from provider_daemon.control.node_hosts import MAX_HOSTS

    left = tuple(dict.fromkeys(hosts))
    for start in range(0, len(left), MAX_HOSTS):
        yield left[start : start + MAX_HOSTS]


def _send(config: "Path", kind: str, host: str, reason: str, cluster: str, output: Text) -> None:
    from provider_daemon.client.control import operate
    from provider_daemon.config.model import load
    from provider_daemon.control.node_commands import COMMAND
    from provider_daemon.text import printable

    loaded = load(config)
    sent = operate(loaded, COMMAND, cluster=cluster, host=host, kind=kind, reason=reason)
    typer.echo(
        f"command {sent.command_id} waits for the agent's next heartbeat; Ctrl-C ends only the wait", err=True
    )
    fate = _awaited(loaded, sent)
    if output is Text.JSON:
        typer.echo(fate.model_dump_json(indent=2))
    else:
        for line in fate.output.splitlines():
            typer.echo(printable(line))
        typer.echo(f"{host}: {kind} {fate.result or 'not answered'}", err=True)
    if fate.result != "done":
        raise typer.Exit(1)


def _awaited(loaded: "Config", sent: "CommandFate") -> "CommandFate":
    """Returns the command with its result; without one if the agent has not answered in time."""
    import time

    from provider_daemon.client.control import operate
    from provider_daemon.control.node_commands import FIND

    fate = sent
    while not fate.result and time.time() < sent.deadline + LATE_SECONDS:
        time.sleep(POLL_SECONDS)
        fate = operate(loaded, FIND, command_id=sent.command_id)
    return fate


def _sent(node: "HeldNode") -> str:
    return f"; its agent gets command {node.command_id}" if node.command_id else ""
