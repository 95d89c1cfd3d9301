"""`provd statement` and `provd income`: the provider's books; work while the daemon is stopped too."""

import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.opened import opened
from provider_daemon.cli.options import AsText, Text, example
from provider_daemon.cli.run import DEFAULT, ConfigFile

if TYPE_CHECKING:
    from provider_daemon.books.keeper import Step
    from provider_daemon.books.statement import Books, Statement
    from provider_daemon.config.model import Config
    from provider_daemon.ledger.ledger import Ledger


class Format(StrEnum):
    TEXT = "text"
    CSV = "csv"
    JSON = "json"
    PDF = "pdf"


Month = Annotated[
    str, typer.Option("--month", metavar="MONTH", help="Month in UTC, such as 2026-11; default: this month.")
]
Closed = Annotated[str, typer.Option("--month", metavar="MONTH", help="Month in UTC, such as 2026-11.")]

app = typer.Typer(
    help="Print a month's statement, or close a month.",
    epilog=example("provd statement --month 2026-11 -o csv"),
    invoke_without_command=True,
)


@app.callback()
def statement(
    ctx: typer.Context,
    month: Month = "",
    customer: Annotated[
        str,
        typer.Option("--customer", metavar="ADDRESS", help="Only this customer's jobs, without balances."),
    ] = "",
    config: ConfigFile = DEFAULT,
    output: Annotated[
        Format, typer.Option("--output", "-o", metavar="text|csv|json|pdf", help="Output format.")
    ] = Format.TEXT,
) -> None:
    """Print a month's statement: balances, payments, fees, transfers and unpaid jobs. Exit status: 0 all is
    explained, 1 the balances differ from the entries, or a closed month has changed."""
    if ctx.invoked_subcommand is not None:
        return
    from provider_daemon.books.months import month_of

    loaded, ledger = opened(config)
    wanted = month or month_of(_now())
    found = _statement(loaded, ledger, wanted, customer)
    if output is Format.PDF:
        from provider_daemon.books import render
        from provider_daemon.books.pdf import as_pdf

        sys.stdout.buffer.write(as_pdf(list(render.lines(found))))
    else:
        typer.echo(_rendered(found, output), nl=output is not Format.CSV)
    changed = [] if customer else _changes(ledger, found)
    for line in changed:
        typer.echo(f"changed after the closing of {wanted}: {line}", err=True)
    if not found.agrees:
        typer.echo(
            f"the balances of {wanted} are not explained to the coin: see the entries of kind other", err=True
        )
    raise typer.Exit(int(bool(changed) or not found.agrees))


@app.command(epilog=example("provd statement close --month 2026-11"))
def close(month: Closed, config: ConfigFile = DEFAULT) -> None:
    """Close a month. Stores its statement with a hash that also covers the statement of the month before."""
    from provider_daemon.client.control import operate
    from provider_daemon.config.model import load
    from provider_daemon.control.books import CLOSE

    _bounds(month)
    closed = operate(load(config), CLOSE, month=month)
    typer.echo(f"{closed.month} is closed: SHA-256 {closed.hash}")


@app.command(epilog=example("provd statement check --month 2026-11"))
def check(month: Closed, config: ConfigFile = DEFAULT) -> None:
    """Compare a closed month with the ledger, and print each change. Exit status: 0 unchanged, 1 changed."""
    from provider_daemon.books.closing import changes
    from provider_daemon.errors import Refused
    from provider_daemon.ledger import books

    _, ledger = opened(config)
    _bounds(month)
    closed = books.closing(ledger, month)
    if closed is None:
        raise Refused(f"{month} is not closed")
    found = changes(closed, _stored(ledger, month))
    for line in found:
        typer.echo(line)
    if not found:
        typer.echo(f"{month} was closed on {_when(closed.closed_at)} UTC and is unchanged: {closed.hash}")
    raise typer.Exit(int(bool(found)))


def income(config: ConfigFile = DEFAULT, output: AsText = Text.TEXT) -> None:
    """Print the income of each month: jobs, rewards, platform fees and refunds in uvirt, and the transaction
    fees that this provider paid."""
    from provider_daemon.books import render
    from provider_daemon.books.months import months
    from provider_daemon.books.statement import statement as build
    from provider_daemon.cli.tables import aligned
    from provider_daemon.ledger import books

    loaded, ledger = opened(config)
    since, now = books.opened_at(ledger), _now()
    wanted = months(since, now) if since is not None else []
    step = _present(loaded, ledger, now)
    found = [build(_read(ledger, month, step if month == wanted[-1] else None)) for month in wanted]
    rows = [render.income_row(each) for each in found]
    if output is Text.JSON:
        typer.echo(json.dumps(rows, indent=2))
    else:
        headings = tuple(name.upper().replace("_", " ") for name in render.INCOME)
        typer.echo("\n".join(aligned([headings, *(tuple(map(str, row.values())) for row in rows)])))


# --- the books ---


def _statement(loaded: "Config", ledger: "Ledger", month: str, customer: str) -> "Statement":
    """Returns the statement; that of the current month reaches to the present."""
    from provider_daemon.books.statement import statement as build

    start, end = _bounds(month)
    now = _now()
    step = _present(loaded, ledger, now) if start <= now < end else None
    return build(_read(ledger, month, step), customer)


def _stored(ledger: "Ledger", month: str) -> "Statement":
    from provider_daemon.books.statement import statement as build

    return build(_read(ledger, month, None))


def _read(ledger: "Ledger", month: str, step: "Step | None") -> "Books":
    from provider_daemon.books.reader import read

    return read(ledger, month, step)


def _present(loaded: "Config", ledger: "Ledger", now: float) -> "Step | None":
    """Returns the step from the last note to now; None before the daemon has opened the books."""
    import asyncio

    from provider_daemon.ledger import books

    if books.opened_at(ledger) is None:
        return None
    return asyncio.run(_step(loaded, ledger, now))


async def _step(loaded: "Config", ledger: "Ledger", now: float) -> "Step":
    from provider_daemon.books.keeper import Keeper
    from provider_daemon.chain.accounts import GrpcAccounts
    from provider_daemon.client.session import chain_at
    from provider_daemon.ledger import books

    async with chain_at(loaded.chain.endpoints, loaded.chain.id) as chain:
        keeper = Keeper(
            ledger,
            GrpcAccounts(chain),
            [cluster.id for cluster in loaded.clusters],
            books.addresses(ledger),
            loaded.chain.fee_denom,
        )
        return await keeper.step(now, thorough=True)


def _changes(ledger: "Ledger", found: "Statement") -> list[str]:
    from provider_daemon.books.closing import changes
    from provider_daemon.ledger import books

    closed = books.closing(ledger, found.month)
    return changes(closed, found) if closed else []


# --- text ---


def _rendered(found: "Statement", output: Format) -> str:
    from provider_daemon.books import render

    if output is Format.CSV:
        return render.as_csv(found)
    if output is Format.JSON:
        return json.dumps(render.document(found), indent=2)
    return "\n".join(render.lines(found))


def _bounds(month: str) -> tuple[float, float]:
    from provider_daemon.books.months import bounds

    try:
        return bounds(month)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--month") from None


def _when(at: float) -> str:
    from provider_daemon.books.render import when

    return when(at) or "no note yet"


def _now() -> float:
    from provider_daemon.clock import SystemClock

    return SystemClock().now()
