"""`provd devnet`: the embedded chain, for trying things out and for tests."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The embedded chain, as strict as the real one.")


class Settlement(StrEnum):
    REPORT = "report"
    PUBLISHED = "published"


class Queries(StrEnum):
    NONE = "none"
    PUBLISHED = "published"
    ALL = "all"


class Compat(StrEnum):
    REPORT = "report"
    PUBLISHED = "published"


@app.callback()
def devnet() -> None:
    """Keeps `run` a subcommand."""


@app.command()
def run(
    home: Annotated[Path, typer.Option(help="The chain's one file; made when it is not there, gone on with when it is.")],
    listen: Annotated[str, typer.Option(help="Address and port of the gRPC server; port 0 takes a free one.")] = "127.0.0.1:9090",
    chain_id: Annotated[str, typer.Option(help="Chain id.")] = "virtengine-localnet-1",
    block_seconds: Annotated[float, typer.Option(min=0.01, help="Seconds between blocks.")] = 1.0,
    settlement: Annotated[
        Settlement, typer.Option(help="report: escrow, bill, reward, fee; published: nothing happens.")
    ] = Settlement.REPORT,
    queries: Annotated[Queries, typer.Option(help="Which calls of the module's Query service are there.")] = Queries.ALL,
    compat: Annotated[
        Compat, typer.Option(help="published: jobs with an environment are refused, as by the published chain.")
    ] = Compat.REPORT,
    max_gas: Annotated[int, typer.Option(help="Gas a block; -1 is no limit.")] = -1,
    authority: Annotated[str, typer.Option(help="Address that governs the module's parameters; none when empty.")] = "",
    fund: Annotated[
        list[str] | None, typer.Option(help="ADDRESS=AMOUNTuve,AMOUNTuvirt, given in the first block of a new chain; repeatable.")
    ] = None,
) -> None:
    """Serve the chain until Ctrl-C or SIGTERM; SIGUSR1 halts it, SIGUSR2 lets it go on. One line is printed once it can be used."""
    import asyncio

    from provider_daemon.devnet.context import Rules
    from provider_daemon.devnet.genesis import parse_funds
    from provider_daemon.devnet.server import Devnet, serve

    rules = Rules(chain_id=chain_id, settlement=settlement, compat=compat, max_gas=max_gas, authority=authority)
    chain = Devnet(str(home), listen, rules, queries, block_seconds, parse_funds(fund or []))
    asyncio.run(serve(chain, typer.echo))
