"""18-digit fixed point, as the SDK's decimals: integers of 10^-18, never negative, truncated by division."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

ONE = 10**18
PLACES = 18
BASIS_POINTS = 10_000  # 100%


def ratio(numerator: int, denominator: int) -> int:
    """Returns the quotient in fixed point."""
    return numerator * ONE // denominator


def cost(quantity: int, rate: int, multiplier: int = ONE) -> int:
    """Returns quantity times rate times multiplier, all in fixed point, as whole uvirt: truncated once."""
    return quantity * rate * multiplier // ONE**3


def share(amount: int, basis_points: int) -> int:
    """Returns that many ten-thousandths of the amount."""
    return amount * basis_points // BASIS_POINTS


def whole(quantity: int) -> int:
    """Returns the quantity without its fraction, as it is reported."""
    return quantity // ONE


def text(quantity: int) -> str:
    """Formats 1500000000000000000 as "1.5"."""
    fraction = f".{quantity % ONE:0{PLACES}d}".rstrip("0").rstrip(".")
    return f"{whole(quantity)}{fraction}"


def parse(value: Any) -> int:
    """Parses a number or its text; raises ValueError unless it is a decimal from 0 with at most 18 places."""
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
