"""The common options of the customers' commands, and the client that they use."""

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from provider_daemon.cli.options import KeyOptions

if TYPE_CHECKING:
    from provider_daemon.client.api import Client

T = TypeVar("T")
Work = Callable[["Client"], Awaitable[T]]
INTERRUPTED = 130
POLL_SECONDS = 2.0  # between two queries of the chain

JobId = Annotated[str, typer.Argument(metavar="JOB", help="Job id on chain, such as JOB-1.")]
EXIT = "Exit status: 0 success, 1 failure (reason on stderr), 2 usage error."


@dataclass(frozen=True)
class CustomerOptions(KeyOptions):
    gateway: Annotated[
        str,
        typer.Option(
            "--gateway",
            envvar="PROVD_GATEWAY",
            metavar="URL",
            help="Address of the provider's gateway; default: the one in the description of its cluster.",
        ),
    ] = ""


def client_of(options: CustomerOptions) -> "Client":
    """Decrypts the key. Raises ConfigError."""
    from provider_daemon.cli.progress import meter
    from provider_daemon.client.api import Client

    return Client(
        options.who.signer(),
        nodes=options.node,
        chain_id=options.chain_id,
        gateway=options.gateway,
        meter=meter(),
        poll_seconds=POLL_SECONDS,
    )


def carried_out(work: "Work[T]", options: CustomerOptions) -> T:
    """Runs `work` with a client. Ctrl-C ends the command with exit status 130."""
    import asyncio

    async def run() -> T:
        async with client_of(options) as client:
            return await work(client)

    try:
        return asyncio.run(run())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def write_out(content: bytes) -> None:
    """Writes a job's output to standard output as it is."""
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
