"""`provd devnet`: the embedded chain, for tests and evaluation."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Run a local test chain with the same checks as the real one.")

HOME = Path("~/.provd-devnet")
Home = Annotated[
    Path, typer.Option(metavar="DIR", help="Data directory; created if missing, resumed if it exists.")
]


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
        str,
        typer.Option(
            metavar="HOST:PORT", help="Listen address of the gRPC server; port 0 chooses a free port."
        ),
    ] = "127.0.0.1:9090",
    rest: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Listen address of the REST server, such as 127.0.0.1:1317; no REST server if empty.",
        ),
    ] = "",
    chain_id: Annotated[str, typer.Option(metavar="ID", help="Chain id.")] = "virtengine-localnet-1",
    block_seconds: Annotated[
        float, typer.Option(min=0.01, metavar="SECONDS", help="Seconds between blocks.")
    ] = 1.0,
    compat: Annotated[
        Behaviour,
        typer.Option(
            metavar="report|published",
            help=(
                "Module behaviour: report (as in its test report) or published (as in its published source)."
            ),
        ),
    ] = Behaviour.REPORT,
    settlement: Annotated[
        Behaviour | None,
        typer.Option(
            metavar="report|published",
            help=(
                "report: escrow, billing, reward and fee; published: no settlement. Default: the value "
                "of --compat."
            ),
        ),
    ] = None,
    queries: Annotated[
        Queries | None,
        typer.Option(
            metavar="none|published|all",
            help=(
                "Which RPCs of the module's Query service are served. Default: all, or published with "
                "--compat published."
            ),
        ),
    ] = None,
    indexer: Annotated[
        Indexer,
        typer.Option(
            metavar="kv|null",
            help="null: the node does not index transactions, and rejects GetTx and searches.",
        ),
    ] = Indexer.KV,
    finalize_seconds: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Seconds from a job's end until its accounting is final; 3600 on the real chain.",
        ),
    ] = 0,
    settle_seconds: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Seconds from a job's end until its settlement; 86400 on the real chain.",
        ),
    ] = 0,
    billing: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Billing rules in place of the defaults: a file as for `provd bill estimate --rules`.",
        ),
    ] = None,
    max_gas: Annotated[int, typer.Option(metavar="GAS", help="Maximum gas per block; -1 for no limit.")] = -1,
    authority: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help=(
                "Address of the governance authority, which resolves disputes and sets parameters; none "
                "if empty."
            ),
        ),
    ] = "",
    identity: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS=SCORE",
            help=(
                "Identity score of an address, 0 to 100, for offerings with an identity threshold "
                "(default 0); repeatable."
            ),
        ),
    ] = None,
    fund: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS=COINS",
            help=(
                "Initial balance of an address on a new chain, such as ADDRESS=1000uve,1000uvirt; repeatable."
            ),
        ),
    ] = None,
) -> None:
    """Run the chain until Ctrl-C or SIGTERM. Prints one line when it is ready; SIGUSR1 halts it, SIGUSR2
    resumes it."""
    import asyncio

    from provider_daemon.cli import documents
    from provider_daemon.devnet.context import ChainRules
    from provider_daemon.devnet.genesis import parse_authority, parse_funds, parse_identities
    from provider_daemon.devnet.home import chain_file
    from provider_daemon.devnet.server import Devnet, serve
    from provider_daemon.money.documents import read_rules
    from provider_daemon.money.rules import DEFAULT

    settled, served = as_compat(compat, settlement, queries)
    rules = ChainRules(
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
    chain = Devnet(
        str(chain_file(home.expanduser())), listen, rules, served, indexed, block_seconds, funds, rest
    )
    asyncio.run(serve(chain, typer.echo))


def as_compat(
    compat: Behaviour, settlement: Behaviour | None, queries: Queries | None
) -> tuple[Behaviour, Queries]:
    """Returns the settlement and queries behaviours; --compat applies to those that are not given."""
    return settlement or compat, queries or (Queries.ALL if compat is Behaviour.REPORT else Queries.PUBLISHED)


@app.command()
def export(home: Home = HOME) -> None:
    """Print the state of the last block as a genesis file. The devnet may be running; equal states give
    identical files."""
    from provider_daemon.devnet.home import export as state_of

    typer.echo(state_of(home.expanduser()), nl=False)


@app.command("import")
def import_(
    genesis: Annotated[typer.FileText, typer.Argument(metavar="FILE", help="Genesis file; - for stdin.")],
    home: Home = HOME,
) -> None:
    """Replace the chain with that of a genesis file. The old data is kept in the same directory; the devnet
    must be stopped."""
    from provider_daemon.devnet.home import replace

    typer.echo(replace(home.expanduser(), genesis.read()), file=sys.stderr)
