"""`provd template`: lists, checks, signs and renders workload templates."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.options import example

if TYPE_CHECKING:
    from provider_daemon.template.model import Template

app = typer.Typer(help="List, check, sign and render workload templates.", no_args_is_help=True)

Which = Annotated[
    str, typer.Argument(metavar="TEMPLATE", help="Id of a shipped template, or a YAML or JSON file.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Value of a parameter or resource; repeatable."),
]


@app.command("list")
def list_() -> None:
    """List the templates shipped with provd."""
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
    """Check a template and list every error. Exit status: 0 valid, 2 invalid."""
    template = found(which)
    typer.echo(f"{template.template_id} {template.version}: valid")


@app.command()
def verify(
    which: Which,
    signer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY",
            help="Trusted public key (hex); default: the key of the shipped templates; repeatable.",
        ),
    ] = None,
) -> None:
    """Verify that a trusted publisher signed the template. Exit status: 0 verified, 2 not."""
    from provider_daemon.template.library import PUBLISHER
    from provider_daemon.template.signature import verify as check

    template = found(which)
    key = check(template, signer or [PUBLISHER])
    typer.echo(f"{template.template_id} {template.version}: valid signature by {key}")


@app.command()
def keygen(
    path: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="File to create for the private key (64 hex digits, mode 600)."),
    ],
) -> None:
    """Create a publisher's key pair, and print the public key."""
    import secrets

    from provider_daemon.chain import keys
    from provider_daemon.template.signature import public_key

    seed = secrets.token_bytes(32)
    with keys.mending(f"key {path}"):
        keys.write_private(str(path), seed.hex() + "\n")
    typer.echo(public_key(seed))


@app.command()
def sign(
    which: Which,
    key_file: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="File with the publisher's private key, as created by `provd template keygen`.",
        ),
    ],
) -> None:
    """Print the template with a new signature."""
    from datetime import UTC, datetime

    from provider_daemon.chain import keys
    from provider_daemon.template import signature
    from provider_daemon.template.document import write

    template = found(which)
    with keys.mending(f"key {key_file}"):
        signed = signature.sign(
            template, keys.parse(keys.read_private(str(key_file))), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        )
    typer.echo(write(signed), nl=False)


@app.command(epilog=example("provd template render batch-array --set program=./run.sh --set count=8"))
def render(
    which: Which,
    settings: Settings = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help="The site's provd.toml; default: the example configuration.",
        ),
    ] = None,
) -> None:
    """Print the exact batch script of a job with this template. It is rendered for the first cluster in the
    configuration."""
    from provider_daemon.config.model import default_toml, load, parse
    from provider_daemon.dry_run.preview import preview

    site = load(config) if config else parse(default_toml(), "the example")
    typer.echo(preview(found(which), settings_of(settings or []), site.clusters[0], site.chain.id), nl=False)


@app.command()
def schema() -> None:
    """Print the JSON schema of template documents."""
    from provider_daemon.template.document import json_schema

    typer.echo(json_schema(), nl=False)


def settings_of(texts: list[str]) -> Mapping[str, str]:
    """Parses NAME=VALUE arguments; raises BadParameter."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or name in found:
            raise typer.BadParameter(
                f"invalid setting: {text!r} must be NAME=VALUE, and each name may be set once",
                param_hint="--set",
            )
        found[name] = value
    return found


def found(which: str) -> "Template":
    from provider_daemon.template.document import TemplateError, read
    from provider_daemon.template.library import shipped

    if "/" not in which and not which.endswith((".yaml", ".yml", ".json")) and which != "-":
        known = shipped()
        if which not in known:
            raise TemplateError(
                [
                    (
                        f"unknown template: {which!r}; shipped templates: {', '.join(known)}; or give a "
                        ".yaml or .json file"
                    )
                ]
            )
        return known[which]
    try:
        return read(sys.stdin.read() if which == "-" else Path(which).read_text())
    except OSError as error:
        raise TemplateError([f"{which} cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise TemplateError([f"{which} cannot be read: not UTF-8 text"]) from None
