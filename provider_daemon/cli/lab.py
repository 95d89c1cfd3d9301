"""`provd lab`: a private SLURM site in one directory."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.options import example
from provider_daemon.errors import Refused

if TYPE_CHECKING:
    from provider_daemon.lab.site.site import Site

app = typer.Typer(help="Run a private SLURM site in one directory, as any user.", no_args_is_help=True)

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="Directory of the site.")]
Words = Annotated[list[str], typer.Argument(metavar="COMMAND", help="Command with its arguments.")]
PASSED_ON = {"allow_interspersed_args": False, "ignore_unknown_options": True}


def _site(directory: Path) -> "Site":
    from provider_daemon.lab.site.site import Site

    return Site.existing(directory)


def _show(site: "Site") -> None:
    import json

    typer.echo(json.dumps(site.status(), indent=1))


@app.command()
def up(
    directory: Directory,
    nodes: Annotated[
        int, typer.Option(metavar="N", help="Number of compute nodes of a new site.", min=1, max=64)
    ] = 4,
    pool: Annotated[
        int,
        typer.Option(
            metavar="N", help="Number of customers' Unix users of a new site; needs root.", min=0, max=999
        ),
    ] = 0,
) -> None:
    """Start the site; create it on first use. Returns when every node accepts jobs."""
    from provider_daemon.lab.site.site import Site

    site = Site.open(directory, nodes=nodes, pool=pool)
    site.up()
    _show(site)


@app.command()
def down(
    directory: Directory,
    purge: Annotated[bool, typer.Option("--purge", help="Also delete the directory.")] = False,
) -> None:
    """Stop all processes of the site."""
    _site(directory).down(purge=purge)


@app.command()
def status(directory: Directory) -> None:
    """Print ports, paths and the state of each daemon. Exit status: 0 all daemons are running, 1
    otherwise."""
    site = _site(directory)
    _show(site)
    raise typer.Exit(0 if all(site.pid(daemon) for daemon in site.daemons) else 1)


@app.command()
def config(directory: Directory) -> None:
    """Print a [[clusters]] table for provd.toml. It describes this site as cluster HPC-1, with the key
    `main`."""
    from provider_daemon.lab.site.cluster_table import cluster_table

    typer.echo(cluster_table(_site(directory)), nl=False)


@app.command("exec", context_settings=PASSED_ON, epilog=example("provd lab exec ./site sinfo"))
def exec_(directory: Directory, command: Words) -> None:
    """Run a command with the site's SLURM configuration ($SLURM_CONF)."""
    import os

    environment = {**os.environ, "SLURM_CONF": str(_site(directory).layout.slurm_conf)}
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        raise Refused(f"cannot run {command[0]}: {error.strerror}") from None


@app.command("ssh", context_settings=PASSED_ON)
def ssh(
    directory: Directory,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="Command to run; an interactive shell if omitted."),
    ] = None,
) -> None:
    """Run a command or a shell over SSH, through the site's own sshd."""
    import os

    way = _site(directory).ssh
    options = [
        "-F",
        "none",
        "-o",
        f"UserKnownHostsFile={way['known_hosts']}",
        "-o",
        "BatchMode=yes",
        "-o",
        "IdentitiesOnly=yes",
    ]
    where = f"{way['user']}@{way['host']}"
    os.execvp(
        "ssh", ["ssh", "-p", str(way["port"]), "-i", str(way["key_file"]), *options, where, *(command or [])]
    )
