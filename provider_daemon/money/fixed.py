"""18-digit fixed point, as the SDK's decimals: an integer counts 10^-18. Nothing is negative, and every
division truncates."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

ONE = 10**18
PLACES = 18
BASIS_POINTS = 10_000  # a whole


def ratio(numerator: int, denominator: int) -> int:
    """The quotient in fixed point."""
    return numerator * ONE // denominator


def cost(quantity: int, rate: int) -> int:
    """`quantity` in fixed point times a rate in uvirt: whole uvirt."""
    return quantity * rate // ONE


def share(amount: int, basis_points: int) -> int:
    """So many ten-thousandths of it."""
    return amount * basis_points // BASIS_POINTS


def whole(quantity: int) -> int:
    """Without its fraction, as the wire holds it."""
    return quantity // ONE


def text(quantity: int) -> str:
    """1500000000000000000 -> "1.5"."""
    fraction = f".{quantity % ONE:0{PLACES}d}".rstrip("0").rstrip(".")
    return f"{whole(quantity)}{fraction}"


def parse(value: Any) -> int:
    """Of a number or its text; raises ValueError for what is no decimal from 0 on with at most 18 places."""
    try:
        scaled = Decimal(str(value)).scaleb(PLACES)
        if scaled >= 0 and scaled == int(scaled):
            return int(scaled)
    except (InvalidOperation, OverflowError, ValueError):
        pass
    raise ValueError(f"{value!r} is no decimal number from 0 on with at most {PLACES} places")


Amount = Annotated[int, Field(ge=0)]
BasisPoints = Annotated[int, Field(ge=0, le=BASIS_POINTS)]
Decimal18 = Annotated[int, BeforeValidator(parse)]
