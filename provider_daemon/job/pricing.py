"""An offering's prices, as its record on chain has them."""

import re
from dataclasses import dataclass

DENOM = "uvirt"  # of prices in an offering that names no currency

# decimal text from 0 on: an exponent could make a short text an enormous number
_DECIMAL = re.compile(r"[0-9]{1,24}(\.[0-9]{1,18})?")


@dataclass(frozen=True, slots=True)
class Pricing:
    """Prices of one unit, in decimal text; "" is the chain's default rate. `currency` is a denom."""

    cpu_core_hour: str = ""
    memory_gb_hour: str = ""
    gpu_hour: str = ""
    storage_gb_hour: str = ""
    network_gb: str = ""
    node_hour: str = ""
    minimum_charge: str = ""
    currency: str = ""

    @property
    def denom(self) -> str:
        return self.currency or DENOM


DEFAULT_PRICES = Pricing()


def is_price(text: str) -> bool:
    """Returns whether the text is a decimal number from 0 on, with at most 18 decimal places."""
    return bool(_DECIMAL.fullmatch(text))
