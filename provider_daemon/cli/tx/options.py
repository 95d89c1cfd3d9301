"""The common options of all transactions, and how they are sent."""

import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provider_daemon.cli.options import AsText, KeyOptions, Text, with_options
from provider_daemon.cli.run import DEFAULT
from provider_daemon.text import printable

if TYPE_CHECKING:
    from provider_daemon.client.identity import Who
    from provider_daemon.client.recipient import Guided
    from provider_daemon.client.sending import Request, Sent, Talk
    from provider_daemon.client.transaction import Prepared, TxTerms

Guide = Callable[["Guided"], Awaitable["Sent"]]
_FEE, _SENDING = "Fee", "Signing and sending"  # headings of the options


@dataclass(frozen=True)
class SigningOptions(KeyOptions):
    """The options of Cosmos clients."""

    fees: Annotated[
        str, typer.Option("--fees", metavar="COIN", help="Total fee, such as 5000uve.", rich_help_panel=_FEE)
    ] = ""
    gas_prices: Annotated[
        str,
        typer.Option(
            "--gas-prices",
            metavar="COIN",
            help="Price per unit of gas, such as 0.025uve; default: the chain's gas price.",
            rich_help_panel=_FEE,
        ),
    ] = ""
    gas: Annotated[
        str,
        typer.Option(
            "--gas",
            metavar="auto|N",
            help="Gas limit; auto: estimate it by simulation.",
            rich_help_panel=_FEE,
        ),
    ] = "auto"
    gas_adjustment: Annotated[
        float,
        typer.Option(
            "--gas-adjustment",
            min=1.0,
            metavar="FACTOR",
            help="Multiplier of the simulated gas.",
            rich_help_panel=_FEE,
        ),
    ] = 1.3
    note: Annotated[
        str,
        typer.Option(
            "--note",
            metavar="TEXT",
            help="Memo; public and permanent. With the key of a running daemon: reason in its audit log.",
            rich_help_panel=_SENDING,
        ),
    ] = ""
    timeout_height: Annotated[
        int,
        typer.Option(
            "--timeout-height",
            min=0,
            metavar="HEIGHT",
            help="Last block height at which the transaction is valid; 0: the current height + 20.",
            rich_help_panel=_SENDING,
        ),
    ] = 0
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Simulate and print gas and fee; sign and send nothing.",
            rich_help_panel=_SENDING,
        ),
    ] = False
    generate_only: Annotated[
        bool,
        typer.Option(
            "--generate-only",
            help="Print the unsigned transaction as JSON.",
            rich_help_panel=_SENDING,
        ),
    ] = False
    yes: Annotated[
        bool,
        typer.Option("--yes", "-y", help="Do not prompt for confirmation.", rich_help_panel=_SENDING),
    ] = False
    wait: Annotated[
        bool,
        typer.Option(
            "--wait/--no-wait",
            help="Wait until the transaction is in a block, and print the ids that it created.",
            rich_help_panel=_SENDING,
        ),
    ] = True
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Allow the key of a daemon that runs on this machine.",
            rich_help_panel=_SENDING,
        ),
    ] = False
    config: Annotated[
        Path,
        typer.Option(
            "--config",
            "-c",
            envvar="PROVD_CONFIG",
            metavar="FILE",
            help="Configuration of the daemon on this machine, if any.",
            rich_help_panel=_SENDING,
        ),
    ] = DEFAULT
    output: AsText = Text.TEXT


@dataclass(frozen=True)
class TxOptions(SigningOptions):
    """Those, for a command whose message can be read from a file."""

    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            metavar="FILE",
            help="File with the message's fields in JSON or YAML; - for stdin. Options override it.",
        ),
    ] = None


def sends(message: str) -> Callable[[Callable[..., dict[str, Any]]], Callable[..., None]]:
    """Decorator: turns a function that returns fields (dotted path -> value) into a command that sends them.

    The command sends the fields as the named message.
    """

    def decorate(function: Callable[..., dict[str, Any]]) -> Callable[..., None]:
        return with_options(function, TxOptions, lambda typed, options: _transact(message, typed, options))

    return decorate


def guided(function: Callable[..., Guide]) -> Callable[..., None]:
    """Decorator: turns a function that returns a guide into a command.

    A guide prepares a message from what it finds on the chain, sends it, and checks its effect.
    """
    return with_options(function, SigningOptions, _guide)


def _guide(guide: Guide, options: SigningOptions) -> None:
    import asyncio

    _show(asyncio.run(_guided(guide, options)), options)


async def _guided(guide: Guide, options: SigningOptions) -> "Sent":
    from provider_daemon.client.recipient import Guided
    from provider_daemon.client.sending import carry_out
    from provider_daemon.client.session import chain_at

    key = options.who
    async with chain_at(options.node, options.chain_id) as chain:

        async def send(message: str, typed: dict[str, Any]) -> "Sent":
            return await carry_out(_order(message, typed, options, key), chain, _talk(options))

        return await guide(Guided(chain, key, send, options.dry_run))


def _transact(message: str, typed: dict[str, Any], options: TxOptions) -> None:
    import asyncio

    _show(asyncio.run(_carried_out(_order(message, typed, options, options.who), options)), options)


async def _carried_out(order: "Request", options: TxOptions) -> "Sent":
    """Errors in the message name its options, unless the field is in the file."""
    from provider_daemon.client.flags import FLAGS, named
    from provider_daemon.client.sending import carry_out
    from provider_daemon.client.session import chain_at
    from provider_daemon.errors import ConfigError

    async with chain_at(options.node, options.chain_id) as chain:
        try:
            return await carry_out(order, chain, _talk(options))
        except ConfigError as error:
            raise ConfigError(named(error.problems, FLAGS.get(order.message, {}), order.document)) from error


def _order(message: str, typed: dict[str, Any], options: SigningOptions, key: "Who") -> "Request":
    from provider_daemon.cli import documents
    from provider_daemon.client.sending import DRY_RUN, GENERATE, SEND, SEND_AND_WAIT, Request

    file = options.file if isinstance(options, TxOptions) else None
    unsent = GENERATE if options.generate_only else DRY_RUN if options.dry_run else ""
    return Request(
        message=message,
        document=documents.read(file) if file else {},
        typed=typed,
        who=key,
        terms=_terms(options),
        mode=unsent or (SEND_AND_WAIT if options.wait else SEND),
        config=_daemons(options.config),
        force=options.force,
    )


def _daemons(config: Path) -> Path:
    if config != DEFAULT and not config.exists():
        typer.echo(
            f"{config} does not exist: cannot check whether a daemon on this machine uses this key", err=True
        )
    return config


def _terms(options: SigningOptions) -> "TxTerms":
    from provider_daemon.client.coins import coin, price
    from provider_daemon.client.transaction import TxTerms

    gas = 0 if options.gas == "auto" else _parsed("--gas", _gas, options.gas)
    return TxTerms(
        gas=gas or 0,
        adjustment=options.gas_adjustment,
        fee=_parsed("--fees", coin, options.fees),
        price=_parsed("--gas-prices", price, options.gas_prices),
        memo=options.note,
        timeout_height=options.timeout_height,
    )


def _gas(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"invalid gas limit: {text!r} must be auto or an integer")
    return int(text)


def _parsed(name: str, parse: Callable[[str], Any], text: str) -> Any:
    from provider_daemon.errors import ConfigError

    try:
        return parse(text) if text else None
    except ValueError as error:
        raise ConfigError([f"{name}: {error}"]) from None


def _talk(options: SigningOptions) -> "Talk":
    from provider_daemon.client.sending import Talk

    return Talk(
        say=lambda text: typer.echo(printable(text), err=True),
        confirm=(lambda prepared: None) if options.yes else _confirm,
        now=time.monotonic,
    )


def _confirm(prepared: "Prepared") -> None:
    import json

    from provider_daemon.client.tx_json import unsigned

    typer.echo(json.dumps(unsigned(prepared)["body"]["messages"][0], indent=2), err=True)
    typer.confirm(f"Sign and send this transaction with a fee of {prepared.fee}?", abort=True, err=True)


def _show(sent: "Sent", options: SigningOptions) -> None:
    import json

    as_json = options.output is Text.JSON or not sent.lines
    typer.echo(json.dumps(sent.document, indent=2) if as_json else "\n".join(map(printable, sent.lines)))
    if sent.problem:
        typer.echo(f"provd: the transaction failed: {printable(sent.problem)}", err=True)
        sys.exit(1)
