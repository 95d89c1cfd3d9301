"""`provd lab`: a private SLURM site in one directory."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.options import example
from provider_daemon.errors import Refused

if TYPE_CHECKING:
    from provider_daemon.lab.site.site import Site

app = typer.Typer(help="Run a private SLURM site in one directory, as any user.", no_args_is_help=True)

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The site's directory.")]
Words = Annotated[list[str], typer.Argument(metavar="COMMAND", help="A command and its arguments.")]
PASSED_ON = {"allow_interspersed_args": False, "ignore_unknown_options": True}


def _site(directory: Path) -> "Site":
    from provider_daemon.lab.site.site import Site

    return Site.existing(directory)


def _show(site: "Site") -> None:
    import json

    typer.echo(json.dumps(site.status(), indent=1))


@app.command()
def up(
    directory: Directory, nodes: Annotated[int, typer.Option(metavar="N", help="Compute nodes of a new site.", min=1, max=64)] = 4
) -> None:
    """Start the site, and make it on first use. Returns once every node takes jobs."""
    from provider_daemon.lab.site.site import Site

    site = Site.open(directory, nodes=nodes)
    site.up()
    _show(site)


@app.command()
def down(directory: Directory, purge: Annotated[bool, typer.Option("--purge", help="Delete the directory too.")] = False) -> None:
    """Stop everything that runs for the directory."""
    _site(directory).down(purge=purge)


@app.command()
def status(directory: Directory) -> None:
    """Print ports, paths and which daemons are up. Exit 1 unless all are."""
    site = _site(directory)
    _show(site)
    raise typer.Exit(0 if all(site.pid(daemon) for daemon in site.daemons) else 1)


@app.command()
def config(directory: Directory) -> None:
    """Print the site as a [[clusters]] table for provd.toml. Cluster HPC-1, signed for with the key `main`."""
    from provider_daemon.lab.site.cluster_table import cluster_table

    typer.echo(cluster_table(_site(directory)), nl=False)


@app.command("exec", context_settings=PASSED_ON, epilog=example("provd lab exec ./site sinfo"))
def exec_(directory: Directory, command: Words) -> None:
    """Run a command with the site's SLURM configuration."""
    import os

    environment = {**os.environ, "SLURM_CONF": str(_site(directory).layout.slurm_conf)}
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        raise Refused(f"{command[0]} cannot be run: {error.strerror}") from None


@app.command("ssh", context_settings=PASSED_ON)
def ssh(
    directory: Directory,
    command: Annotated[list[str] | None, typer.Argument(metavar="COMMAND", help="As ssh takes it; none for a shell.")] = None,
) -> None:
    """Run a command through the site's own sshd."""
    import os

    way = _site(directory).ssh
    options = ["-F", "none", "-o", f"UserKnownHostsFile={way['known_hosts']}", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"]
    where = f"{way['user']}@{way['host']}"
    os.execvp("ssh", ["ssh", "-p", str(way["port"]), "-i", str(way["key_file"]), *options, where, *(command or [])])
