"""Queries of the encryption module."""

from typing import Annotated

import typer

from provider_daemon.cli.query.accounts import Ask, answered


@answered
def keys(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Address of the account.")],
) -> Ask:
    """List the recipient keys of an account, the newest first."""
    from provider_daemon.client import recipient_keys

    return lambda chain: recipient_keys.listed(chain, address)
