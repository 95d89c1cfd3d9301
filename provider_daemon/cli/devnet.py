"""`provd devnet`: the embedded chain, for trying things out and for tests."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Run a chain on this machine, as strict as the real one.")

HOME = Path("~/.provd-devnet")
Home = Annotated[Path, typer.Option(metavar="DIR", help="The chain's directory; made when it is not there, gone on with when it is.")]


class Behaviour(StrEnum):
    REPORT = "report"
    PUBLISHED = "published"


class Queries(StrEnum):
    NONE = "none"
    PUBLISHED = "published"
    ALL = "all"


class Indexer(StrEnum):
    KV = "kv"
    NULL = "null"


@app.command()
def start(
    home: Home = HOME,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Address and port of the gRPC server; port 0 takes a free one.")
    ] = "127.0.0.1:9090",
    rest: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Address and port of the REST server, as 127.0.0.1:1317; none when empty.")
    ] = "",
    chain_id: Annotated[str, typer.Option(metavar="ID", help="Chain id.")] = "virtengine-localnet-1",
    block_seconds: Annotated[float, typer.Option(min=0.01, metavar="SECONDS", help="Seconds between blocks.")] = 1.0,
    compat: Annotated[
        Behaviour,
        typer.Option(
            metavar="report|published",
            help="report: as the module's test report describes it; published: with the published source's quirks.",
        ),
    ] = Behaviour.REPORT,
    settlement: Annotated[
        Behaviour | None,
        typer.Option(metavar="report|published", help="report: escrow, bill, reward, fee; published: nothing happens. Else as --compat."),
    ] = None,
    queries: Annotated[
        Queries | None,
        typer.Option(
            metavar="none|published|all", help="Which calls of the module's Query service are there. Else all, or published as --compat."
        ),
    ] = None,
    indexer: Annotated[
        Indexer,
        typer.Option(metavar="kv|null", help="null: the node keeps no index of transactions, so GetTx and searches are refused."),
    ] = Indexer.KV,
    finalize_seconds: Annotated[
        int, typer.Option(min=0, metavar="SECONDS", help="From a job's end to its accounting being final; 3600 on the chain.")
    ] = 0,
    settle_seconds: Annotated[
        int, typer.Option(min=0, metavar="SECONDS", help="From a job's end to its settlement; 86400 on the chain.")
    ] = 0,
    billing: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Rules of billing other than the default ones: a file as `provd bill estimate --rules` takes it."
        ),
    ] = None,
    max_gas: Annotated[int, typer.Option(metavar="GAS", help="Gas a block; -1 is no limit.")] = -1,
    authority: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address that resolves disputes and sets parameters; nobody's when empty.")
    ] = "",
    identity: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS=SCORE", help="ADDRESS=SCORE, 0 to 100, for offerings with an identity threshold; others have 0; repeatable."
        ),
    ] = None,
    fund: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS=COINS", help="ADDRESS=AMOUNTuve,AMOUNTuvirt, given in the first block of a new chain; repeatable."),
    ] = None,
) -> None:
    """Serve the chain until Ctrl-C or SIGTERM. One line is printed once it can be used; SIGUSR1 halts it, SIGUSR2 lets it go on."""
    import asyncio

    from provider_daemon.cli import documents
    from provider_daemon.devnet.context import Rules
    from provider_daemon.devnet.genesis import parse_authority, parse_funds, parse_identities
    from provider_daemon.devnet.home import chain_file
    from provider_daemon.devnet.server import Devnet, serve
    from provider_daemon.money.documents import read_rules
    from provider_daemon.money.rules import DEFAULT

    settled, served = as_compat(compat, settlement, queries)
    rules = Rules(
        chain_id=chain_id,
        settlement=settled,
        compat=compat,
        identities=parse_identities(identity or []),
        max_gas=max_gas,
        authority=parse_authority(authority),
        finalize_seconds=finalize_seconds,
        settle_seconds=settle_seconds,
        billing=read_rules(documents.read(billing)) if billing else DEFAULT,
    )
    funds = parse_funds(fund or [])
    indexed = indexer is Indexer.KV
    chain = Devnet(str(chain_file(home.expanduser())), listen, rules, served, indexed, block_seconds, funds, rest)
    asyncio.run(serve(chain, typer.echo))


def as_compat(compat: Behaviour, settlement: Behaviour | None, queries: Queries | None) -> tuple[Behaviour, Queries]:
    """What each is, where it may have been left to --compat."""
    return settlement or compat, queries or (Queries.ALL if compat is Behaviour.REPORT else Queries.PUBLISHED)


@app.command()
def export(home: Home = HOME) -> None:
    """Print the last block's state as a genesis file. Whether the devnet runs or not; the same state is the same bytes."""
    from provider_daemon.devnet.home import export as state_of

    typer.echo(state_of(home.expanduser()), nl=False)


@app.command("import")
def import_(
    genesis: Annotated[typer.FileText, typer.Argument(metavar="FILE", help="A genesis file; - is standard input.")],
    home: Home = HOME,
) -> None:
    """Put a genesis file's chain in place of what is there. That is kept beside it; the devnet must not run."""
    from provider_daemon.devnet.home import replace

    typer.echo(replace(home.expanduser(), genesis.read()), file=sys.stderr)
