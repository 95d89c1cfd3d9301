"""`provd lab`: a private SLURM site in one directory."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="A private SLURM site in one directory, as root or as any plain user.", no_args_is_help=True)

Directory = Annotated[Path, typer.Argument(help="The site's directory.")]


@app.command()
def up(directory: Directory, nodes: Annotated[int, typer.Option(help="Compute nodes of a new site.", min=1, max=64)] = 4) -> None:
    """Start the site, made on first use; waits until every node takes jobs."""
    from provider_daemon.lab.site.site import Site

    site = Site.open(directory, nodes=nodes)
    site.up()
    typer.echo(json.dumps(site.status(), indent=1))


@app.command()
def down(directory: Directory, purge: Annotated[bool, typer.Option(help="Delete the directory too.")] = False) -> None:
    """Stop everything that runs for the directory."""
    from provider_daemon.lab.site.site import Site

    Site.open(directory).down(purge=purge)


@app.command()
def status(directory: Directory) -> None:
    """Print ports, paths and which daemons are up."""
    from provider_daemon.lab.site.site import Site

    typer.echo(json.dumps(Site.open(directory).status(), indent=1))


@app.command("exec", context_settings={"ignore_unknown_options": True})
def exec_(directory: Directory, command: Annotated[list[str], typer.Argument(help="A command and its arguments.")]) -> None:
    """Run a SLURM command on the site."""
    import os

    from provider_daemon.lab.site.site import Site

    os.execvpe(command[0], command, {**os.environ, **Site.open(directory).env})


@app.command("ssh", context_settings={"ignore_unknown_options": True})
def ssh(directory: Directory, command: Annotated[list[str], typer.Argument(help="A command and its arguments.")]) -> None:
    """Run a command through the site's own sshd."""
    import os

    from provider_daemon.lab.site.site import Site

    way = Site.open(directory).ssh
    options = ["-o", f"UserKnownHostsFile={way['known_hosts']}", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"]
    os.execvp("ssh", ["ssh", "-p", str(way["port"]), "-i", str(way["key_file"]), *options, f"{way['user']}@{way['host']}", *command])
