"""Parses coins such as `5000uve`, and gas prices such as `0.025uve`."""

import re
from dataclasses import dataclass
from decimal import Decimal

DENOM = r"[a-zA-Z][a-zA-Z0-9/:._-]{2,127}"  # the Cosmos SDK's pattern
_COIN = re.compile(rf"(\d+(?:\.\d+)?)({DENOM})")


@dataclass(frozen=True, slots=True)
class Coin:
    amount: int
    denom: str

    def __str__(self) -> str:
        return f"{self.amount}{self.denom}"


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one unit of gas."""

    amount: Decimal
    denom: str


def price(text: str) -> Price:
    """Raises ValueError with the expected form."""
    found = _COIN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"invalid price: {text!r} must be an amount with its denom, such as 0.025uve")
    return Price(Decimal(found[1]), found[2])


def coin(text: str) -> Coin:
    """Raises ValueError with the expected form."""
    found = _COIN.fullmatch(text.strip())
    if found is None or "." in found[1]:
        raise ValueError(f"invalid coin: {text!r} must be an integer amount with its denom, such as 5000uve")
    return Coin(int(found[1]), found[2])


def coins(text: str) -> list[Coin]:
    """Parses coins separated by commas."""
    return [coin(part) for part in text.split(",") if part.strip()]
