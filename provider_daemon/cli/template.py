"""`provd template`: what can be run without a program of one's own, who vouches for it, and the very script that it becomes."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.options import example

if TYPE_CHECKING:
    from provider_daemon.template.model import Template

app = typer.Typer(help="List, check, sign and render workload templates.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(metavar="TEMPLATE", help="The id of a shipped template, or a YAML or JSON file.")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter or a resource; repeatable.")]


@app.command("list")
def list_() -> None:
    """List the templates that come with provd."""
    from provider_daemon.template.library import shipped

    typer.echo(f"{'TEMPLATE':<16} {'VERSION':<9} {'TYPE':<12} NAME")
    for template in shipped().values():
        typer.echo(f"{template.template_id:<16} {template.version:<9} {template.type:<12} {template.name}")


@app.command()
def show(which: Which) -> None:
    """Print a template as YAML."""
    from provider_daemon.template.document import write

    typer.echo(write(found(which)), nl=False)


@app.command()
def validate(which: Which) -> None:
    """Check form and contents of a template. A line for each mistake; exit 2 when there is one."""
    template = found(which)
    typer.echo(f"{template.template_id} {template.version}: valid")


@app.command()
def verify(
    which: Which,
    signer: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="A public key (hex) that is trusted; the shipped templates' own by default.")
    ] = None,
) -> None:
    """Check that the content is what a trusted publisher signed. Exit 2 when it is not."""
    from provider_daemon.template.library import PUBLISHER
    from provider_daemon.template.signature import verify as check

    template = found(which)
    key = check(template, signer or [PUBLISHER])
    typer.echo(f"{template.template_id} {template.version}: signed by {key}, content unchanged")


@app.command()
def keygen(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The new file for the private key: 64 hex digits, readable by you only.")],
) -> None:
    """Make a publisher's key, and print its public half."""
    import secrets

    from provider_daemon.chain import keys
    from provider_daemon.template.signature import public_key

    seed = secrets.token_bytes(32)
    with keys.mending(f"key {path}"):
        keys.write_private(str(path), seed.hex() + "\n")
    typer.echo(public_key(seed))


@app.command()
def sign(
    which: Which, key_file: Annotated[Path, typer.Option(metavar="FILE", help="The publisher's private key, as keygen made it.")]
) -> None:
    """Print the template with a new signature."""
    from datetime import UTC, datetime

    from provider_daemon.chain import keys
    from provider_daemon.template import signature
    from provider_daemon.template.document import write

    template = found(which)
    with keys.mending(f"key {key_file}"):
        signed = signature.sign(template, keys.parse(keys.read_private(str(key_file))), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    typer.echo(write(signed), nl=False)


@app.command(epilog=example("provd template render batch-array --set program=./run.sh --set count=8"))
def render(
    which: Which,
    settings: Settings = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="The site's provd.toml; the example's site without it.")
    ] = None,
) -> None:
    """Print the batch script that a job of the template becomes. The exact one, on the first cluster of a site."""
    from provider_daemon.config import default_toml, load, parse
    from provider_daemon.preview import preview

    site = load(config) if config else parse(default_toml(), "the example")
    typer.echo(preview(found(which), settings_of(settings or []), site.clusters[0], site.chain.id), nl=False)


@app.command()
def schema() -> None:
    """Print the JSON schema of template documents."""
    from provider_daemon.template.document import json_schema

    typer.echo(json_schema(), nl=False)


def settings_of(texts: list[str]) -> Mapping[str, str]:
    """NAME=VALUE each; raises BadParameter."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or name in found:
            raise typer.BadParameter(f"{text!r} is no NAME=VALUE, or {name} is set twice", param_hint="--set")
        found[name] = value
    return found


def found(which: str) -> "Template":
    from provider_daemon.template.document import TemplateError, read
    from provider_daemon.template.library import shipped

    if "/" not in which and not which.endswith((".yaml", ".yml", ".json")) and which != "-":
        known = shipped()
        if which not in known:
            raise TemplateError([f"{which}: no such template; there are {', '.join(known)}, or name a .yaml or .json file"])
        return known[which]
    try:
        return read(sys.stdin.read() if which == "-" else Path(which).read_text())
    except OSError as error:
        raise TemplateError([f"{which} cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise TemplateError([f"{which} cannot be read: not a text file in UTF-8"]) from None
