"""Coins in messages, whose amounts are unvalidated text."""

import re
from collections.abc import Iterable

from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.devnet.failures import INVALID_COINS, sdk

_AMOUNT = re.compile(r"[0-9]{1,77}")  # the SDK's integers have 256 bits
_DENOM = re.compile(r"[a-zA-Z][a-zA-Z0-9/:._-]{2,127}")


def check(coins: Iterable[Coin]) -> None:
    """Raises ChainError (10) unless amounts are whole and not negative and denoms are valid in the SDK."""
    for coin in coins:
        if not (_AMOUNT.fullmatch(coin.amount) and _DENOM.fullmatch(coin.denom)):
            raise sdk(INVALID_COINS, f"{coin.amount}{coin.denom}")
