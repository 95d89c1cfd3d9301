"""`provd config`: check and show the configuration."""

import typer

from provider_daemon.cli.run import DEFAULT, ConfigFile

app = typer.Typer(help="Check and show provd.toml, or print one to start from.", no_args_is_help=True)


@app.command()
def validate(config: ConfigFile = DEFAULT) -> None:
    """Name every mistake in the file, with line and key. Exit 2 when there is one."""
    from provider_daemon.config import load

    loaded = load(config)
    typer.echo(f"{config}: {len(loaded.clusters)} cluster(s) on {loaded.chain.id}, no mistakes found")


@app.command("print-default")
def print_default() -> None:
    """Print the commented file that a site starts from."""
    from provider_daemon.config import default_toml

    typer.echo(default_toml(), nl=False)


@app.command()
def show(config: ConfigFile = DEFAULT) -> None:
    """Print the configuration in effect, defaults included. As JSON; keys are named by their place and not read: it holds no secret."""
    from provider_daemon.config import load

    typer.echo(load(config).model_dump_json(indent=2))


@app.command()
def schema() -> None:
    """Print the JSON schema of provd.toml. Editors check and complete by it."""
    from provider_daemon.config import json_schema

    typer.echo(json_schema(), nl=False)
