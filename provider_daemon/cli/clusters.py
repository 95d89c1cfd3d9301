"""`provd pause` and `provd resume`: whether new jobs are taken, beside the running daemon or without it."""

from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.options import example
from provider_daemon.cli.run import DEFAULT, ConfigFile

if TYPE_CHECKING:
    from provider_daemon.control.clusters import PausedCluster

PAUSE = example('provd pause HPC-1 --reason "power maintenance"')

Cluster = Annotated[
    str,
    typer.Argument(
        metavar="CLUSTER", help="Cluster id or name; without it all clusters.", show_default=False
    ),
]


def pause(
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; for the audit log and `provd status`.")],
    cluster: Cluster = "",
    config: ConfigFile = DEFAULT,
) -> None:
    """Stop accepting new jobs on a cluster. Jobs that provd has accepted run to their end.

    The chain shows the cluster as draining and accepts no new jobs for it. Jobs that are pending on chain
    stay there until `provd resume`.
    """
    from provider_daemon.client.control import operate
    from provider_daemon.config.model import load
    from provider_daemon.control.clusters import PAUSE as OPERATION

    answer = operate(load(config), OPERATION, cluster=cluster, reason=reason)
    for each in answer.clusters:
        typer.echo(_paused(each))


def resume(
    cluster: Cluster = "",
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; for the audit log.")] = "",
    config: ConfigFile = DEFAULT,
) -> None:
    """Accept new jobs on a paused cluster again. The chain shows it as active again."""
    from provider_daemon.client.control import operate
    from provider_daemon.config.model import load
    from provider_daemon.control.clusters import RESUME as OPERATION

    answer = operate(load(config), OPERATION, cluster=cluster, reason=reason)
    for each in answer.clusters:
        if each.changed:
            typer.echo(f"{each.cluster_id} ({each.name}) resumed: the daemon makes it active on chain")
        else:
            typer.echo(f"{each.cluster_id} ({each.name}) was not paused")


def _paused(each: "PausedCluster") -> str:
    from provider_daemon.ledger.timeline import when
    from provider_daemon.text import printable

    if not each.changed:
        return f"{each.cluster_id} ({each.name}) is paused since {when(each.since)}: {printable(each.reason)}"
    return (
        f"{each.cluster_id} ({each.name}) paused: the daemon makes it draining on chain; "
        f"{each.open_jobs} open jobs continue"
    )
