"""`provd results`: the files that a job leaves."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.customer import EXIT, CustomerOptions, JobId, Work, carried_out
from provider_daemon.cli.options import AsText, Text, example, with_options

if TYPE_CHECKING:
    from provider_daemon.client.api import Client, Fetched
    from provider_daemon.client.gateway_facts import RemoteFile

app = typer.Typer(help="List or fetch the files of a job.", no_args_is_help=True)


def _ls(job: JobId, output: AsText = Text.TEXT) -> "Work[None]":
    """List the files in a job's directory, also while it runs."""

    async def work(client: "Client") -> None:
        found = await client.files(job)
        if output is Text.JSON:
            import json

            typer.echo(json.dumps([entry.model_dump() for entry in found]))
        else:
            _show(found)

    return work


def _show(found: "Sequence[RemoteFile]") -> None:
    from provider_daemon.cli.tables import aligned, cell
    from provider_daemon.ledger.timeline import when

    rows = [["BYTES", "MODIFIED", "PATH"]]
    rows += [
        [
            str(entry.size) if entry.kind == "file" else entry.kind,
            when(entry.modified_at),
            cell(entry.path),
        ]
        for entry in found
    ]
    typer.echo("\n".join(aligned(rows)))


def _get(
    job: JobId,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Directory for the results.", show_default="the job's id"),
    ] = None,
    unverified: Annotated[
        bool, typer.Option("--unverified", help="Succeed even if no signed report proves the results.")
    ] = False,
) -> "Work[None]":
    """Fetch the results of a job that has ended, and verify them.

    Every file is checked against the manifest, and the manifest against the provider's signed report. Files
    that are complete already are not fetched again."""
    from provider_daemon.errors import Transient

    directory = output or Path(job)

    async def work(client: "Client") -> None:
        try:
            fetched = await client.fetch(job, directory)
        except Transient as error:
            raise Transient(f"{error}; run the same command again to continue") from None
        show_fetched(fetched, directory)
        if fetched.problem and not unverified:
            sys.exit(1)

    return work


def show_fetched(fetched: "Fetched", directory: Path) -> None:
    from provider_daemon.text import printable

    lines = [f"results: {len(fetched.files)} files, {fetched.bytes} bytes in {directory}"]
    if fetched.left_out:
        lines.append(f"not among them: {fetched.left_out}")
    if fetched.problem:
        lines.append(f"NOT VERIFIED: {fetched.problem}")
    else:
        lines.append(
            f"verified: every file, and the manifest {fetched.root} against the provider's signed report"
        )
    typer.echo("\n".join(map(printable, lines)), err=True)


app.command("ls", epilog=EXIT + "\n\n" + example("provd results ls JOB-1 --from bob"))(
    with_options(_ls, CustomerOptions, carried_out)
)
app.command("get", epilog=EXIT + "\n\n" + example("provd results get JOB-1 --output results --from bob"))(
    with_options(_get, CustomerOptions, carried_out)
)
