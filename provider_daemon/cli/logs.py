"""`provd logs`: the output of a job."""

from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.customer import EXIT, CustomerOptions, JobId, Work, carried_out, write_out
from provider_daemon.cli.options import example, with_options

if TYPE_CHECKING:
    from provider_daemon.client.api import Client

EPILOG = EXIT + "\n\n" + example("provd logs -f JOB-1 --from bob")


def _given(
    job: JobId,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Continue as the job writes, until it ends.")
    ] = False,
    error: Annotated[
        bool, typer.Option("--error", "-e", help="Show standard error in place of standard output.")
    ] = False,
) -> "Work[None]":
    """Print the output of a job. With -f, provd reconnects after a lost connection and continues where the
    output stopped. Ctrl-C does not affect the job."""

    async def work(client: "Client") -> None:
        log = await client.log(job, write_out, stream="error" if error else "output")
        await (log.follow() if follow else log.copy())

    return work


logs = with_options(_given, CustomerOptions, carried_out)
