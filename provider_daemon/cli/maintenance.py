"""`provd maintenance`: windows in which a cluster runs no jobs, beside the running daemon or without it."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.options import AsText, Text, example
from provider_daemon.cli.run import DEFAULT, ConfigFile

if TYPE_CHECKING:
    from provider_daemon.control.maintenance import PlannedWindow

app = typer.Typer(help="Plan the maintenance of a cluster.", no_args_is_help=True)

Cluster = Annotated[str, typer.Argument(metavar="CLUSTER", help="Cluster id or name.")]
TIME_HELP = "such as 2026-12-01T08:00 in UTC, or with an offset: 2026-12-01T09:00+01:00."


@app.command(
    "add",
    epilog=example(
        'provd maintenance add HPC-1 --from 2026-12-01T08:00 --to 2026-12-01T12:00 --reason "new switches"'
    ),
)
def add(
    cluster: Cluster,
    start: Annotated[str, typer.Option("--from", metavar="TIME", help=f"Start, {TIME_HELP}")],
    end: Annotated[str, typer.Option("--to", metavar="TIME", help=f"End, {TIME_HELP}")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; customers read it.")] = "",
    config: ConfigFile = DEFAULT,
    output: AsText = Text.TEXT,
) -> None:
    """Plan a window in which the cluster runs no jobs.

    New jobs that would run into it are refused; accepted ones are held until its end. Customers learn of it
    at once. Running jobs are not ended.
    """
    from provider_daemon.client.control import operate
    from provider_daemon.config.model import load
    from provider_daemon.control.maintenance import ADD

    times = {"starts_at": _seconds("--from", start), "ends_at": _seconds("--to", end)}
    window = operate(load(config), ADD, cluster=cluster, reason=reason, **times)
    if output is Text.JSON:
        typer.echo(window.model_dump_json(indent=2))
        return
    typer.echo(_line(window))
    if not window.reserved:
        typer.echo(
            "SLURM has reserved no nodes for it: jobs in SLURM's queue may still start. Have the site's "
            "administrator run:\n  scontrol create reservation "
            f"starttime=uts{window.starts_at} endtime=uts{window.ends_at} flags=maint,ignore_jobs users=root "
            "nodes=ALL",
            err=True,
        )


@app.command("list", epilog=example("provd maintenance list HPC-1"))
def list_windows(
    cluster: Annotated[
        str, typer.Argument(metavar="CLUSTER", help="Cluster id or name; without it all clusters.")
    ] = "",
    config: ConfigFile = DEFAULT,
    output: AsText = Text.TEXT,
) -> None:
    """List planned windows and SLURM's reservations.

    Windows that are over are left out; reservations need the flag MAINT.
    """
    from provider_daemon.client.control import operate
    from provider_daemon.config.model import load
    from provider_daemon.control.maintenance import LIST

    found = operate(load(config), LIST, cluster=cluster).windows
    if output is Text.JSON:
        typer.echo(json.dumps([window.model_dump(mode="json") for window in found], indent=2))
    else:
        typer.echo("\n".join(map(_line, found)) or "no maintenance is planned")


@app.command("remove", epilog=example("provd maintenance remove HPC-1 3"))
def remove(
    cluster: Cluster,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Number in `provd maintenance list`.")],
    config: ConfigFile = DEFAULT,
) -> None:
    """Remove a planned window. Jobs that it holds are submitted."""
    from provider_daemon.client.control import operate
    from provider_daemon.config.model import load
    from provider_daemon.control.maintenance import REMOVE

    typer.echo(f"removed: {_line(operate(load(config), REMOVE, cluster=cluster, number=number))}")


def _line(window: "PlannedWindow") -> str:
    from provider_daemon.job.maintenance import Window
    from provider_daemon.text import printable

    what = Window(window.source, window.starts_at, window.ends_at, window.nodes_left, window.reason)
    left = f", {window.nodes_left} nodes run jobs meanwhile" if window.nodes_left else ""
    place = "SLURM's reservation" if window.source == "slurm" else f"window {window.number}"
    return printable(f"{window.cluster_id} ({window.name}), {place}: {what}{left}")


def _seconds(option: str, text: str) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"invalid time: {text!r}; must be {TIME_HELP}", param_hint=option) from None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())
