"""Transactions of the bank module."""

from typing import Annotated, Any

import typer

from provider_daemon.cli.tx.options import sends


@sends("MsgSend")
def send(
    to: Annotated[str, typer.Argument(metavar="ADDRESS", help="Address of the account that receives it.")],
    amount: Annotated[
        str,
        typer.Argument(metavar="COINS", help="Coins, such as 5000uve; several are separated by commas."),
    ],
) -> dict[str, Any]:
    """Send coins to another account. This withdraws earnings, or tops up the account that pays the fees."""
    return {"to_address": to, "amount": amount}
