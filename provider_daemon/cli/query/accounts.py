"""Queries about accounts and transactions."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provider_daemon.cli.options import with_options
from provider_daemon.cli.query.options import QueryOptions, show

if TYPE_CHECKING:
    from provider_daemon.chain.client import GrpcChain

Ask = Callable[["GrpcChain"], Awaitable[dict[str, Any]]]


def answered(function: Callable[..., Ask]) -> Callable[..., None]:
    """Decorator: turns a function that returns a query into a command that prints the answer."""
    return with_options(function, QueryOptions, _answer)


def _answer(ask: Ask, options: QueryOptions) -> None:
    import asyncio

    show(asyncio.run(_asked(ask, options)), options.output)


async def _asked(ask: Ask, options: QueryOptions) -> dict[str, Any]:
    from provider_daemon.client.session import chain_at

    async with chain_at(options.node, options.chain_id) as chain:
        return await ask(chain)


@answered
def balances(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Address of the account.")],
) -> Ask:
    """List the balances of an account."""
    from provider_daemon.client import accounts

    return lambda chain: accounts.balances(chain, address)


@answered
def transaction(
    tx_hash: Annotated[
        str, typer.Argument(metavar="HASH", help="Transaction hash, as printed by `provd tx`.")
    ],
) -> Ask:
    """Show a transaction: block, result code and messages. Exit status 1 while it is not in a block."""
    from provider_daemon.client import accounts

    return lambda chain: accounts.transaction(chain, tx_hash)
