"""`provd config`: check and show the configuration."""

import typer

from provider_daemon.cli.run import DEFAULT, ConfigFile

app = typer.Typer(help="Check or print provd.toml, or print an example.", no_args_is_help=True)


@app.command()
def validate(config: ConfigFile = DEFAULT) -> None:
    """Check the configuration and list every error. Each error has its line and key. Exit status: 0 valid, 2
    invalid."""
    from provider_daemon.config.model import load

    loaded = load(config)
    typer.echo(f"{config}: valid, {len(loaded.clusters)} cluster(s) on {loaded.chain.id}")


@app.command("print-default")
def print_default() -> None:
    """Print a commented example configuration."""
    from provider_daemon.config.model import default_toml

    typer.echo(default_toml(), nl=False)


@app.command()
def show(config: ConfigFile = DEFAULT) -> None:
    """Print the configuration in effect, as JSON. It includes defaults and contains no secrets: key files are
    not read."""
    from provider_daemon.config.model import load

    typer.echo(load(config).model_dump_json(indent=2))


@app.command()
def schema() -> None:
    """Print the JSON schema of provd.toml. Editors use it for validation and completion."""
    from provider_daemon.config.model import json_schema

    typer.echo(json_schema(), nl=False)
