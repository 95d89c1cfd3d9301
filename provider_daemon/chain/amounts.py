"""Amounts of coins in the chain's records."""

import re
from collections.abc import Iterable, Iterator

from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.errors import Unreadable

_AMOUNT = re.compile(r"[0-9]{1,40}")


def amounts(held: Iterable[Coin], record: str, field: str) -> Iterator[tuple[str, int]]:
    """Yields denom and amount of each coin.

    Raises Unreadable for an amount that is no number; `record` and `field` say where it stands.
    """
    for coin in held:
        if not _AMOUNT.fullmatch(coin.amount):
            raise Unreadable(f"{record}: invalid amount in {field}: {coin.amount[:40]!r}")
        yield coin.denom, int(coin.amount)


def amount(held: Iterable[Coin], denom: str, record: str, field: str) -> int:
    """Returns the sum in one denomination. Raises as `amounts`."""
    return sum(number for name, number in amounts(held, record, field) if name == denom)
