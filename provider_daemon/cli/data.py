"""`provd data`: files that a customer uploads for later jobs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.customer import EXIT, CustomerOptions, Work, carried_out
from provider_daemon.cli.options import AsText, Text, example, with_options

if TYPE_CHECKING:
    from provider_daemon.client.api import Client

app = typer.Typer(
    help="Upload files for later jobs to the provider's gateway.", no_args_is_help=True, epilog=EXIT
)
_HASH = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
_GATEWAY = "--gateway https://gateway.example.org --from bob"


def _put(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="File to upload; repeatable.")],
) -> "Work[None]":
    """Upload files, and print the SHA-256 of each. A job file names them as `upload: HASH`.

    An interrupted upload is resumed, and content that is there already is not sent again."""

    async def work(client: "Client") -> None:
        for path in files:
            sha256 = await client.upload(path)
            typer.echo(f"{sha256}  {path}")

    return work


def _ls(output: AsText = Text.TEXT) -> "Work[None]":
    """List your uploads, and the quota."""

    async def work(client: "Client") -> None:
        import json

        from provider_daemon.cli.tables import aligned

        found = await client.uploads()
        if output is Text.JSON:
            typer.echo(json.dumps(found.model_dump()))
            return
        rows = [["SHA256", "BYTES", "ARRIVED"]]
        rows += [[each.sha256, str(each.length), str(each.offset)] for each in found.uploads]
        typer.echo("\n".join(aligned(rows)))
        typer.echo(f"{found.used_bytes} of {found.quota_bytes} bytes used", err=True)

    return work


def _get(
    sha256: Annotated[str, typer.Argument(metavar="HASH", help="SHA-256 of an upload to fetch.")],
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to write.", show_default="the hash")
    ] = None,
) -> "Work[None]":
    """Fetch an upload, as it was sent, and check its SHA-256.

    An interrupted download is resumed. A file that exists already is not replaced."""

    async def work(client: "Client") -> None:
        place = output or Path(sha256)
        size = await client.download(sha256, place)
        typer.echo(f"{place}: {size} bytes", err=True)

    return work


def _rm(
    sha256: Annotated[
        list[str], typer.Argument(metavar="HASH", help="SHA-256 of an upload to delete; repeatable.")
    ],
) -> "Work[None]":
    """Delete uploads. Jobs that have their inputs already are not affected."""

    async def work(client: "Client") -> None:
        for name in sha256:
            await client.remove_upload(name)
            typer.echo(f"{name} deleted")

    return work


for _name, _function, _arguments in (
    ("put", _put, "data.tar.gz"),
    ("ls", _ls, ""),
    ("get", _get, f"{_HASH} --output data.tar.gz"),
    ("rm", _rm, _HASH),
):
    app.command(_name, epilog=example(f"provd data {_name} {_arguments} {_GATEWAY}"))(
        with_options(_function, CustomerOptions, carried_out)
    )
