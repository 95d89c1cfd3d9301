"""The subset of CometBFT's event queries in use: conditions `key OP value` joined by AND."""

import operator
import re
from collections.abc import Callable

from provider_daemon.devnet.archive import IncludedTx

_CONDITION = re.compile(r"\s*([\w.]+)\s*(>=|<=|=|>|<)\s*(?:'([^']*)'|(\d+))\s*")
_OPERATORS: dict[str, Callable[[int, int], bool]] = {
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}

Matcher = Callable[[IncludedTx], bool]


def parse_query(query: str) -> Matcher:
    """Parses a query. Raises ValueError for an invalid query."""
    conditions = [_condition(text) for text in re.split(r"\s+AND\s+", query)]
    return lambda tx: all(condition(tx) for condition in conditions)


def _condition(text: str) -> Matcher:
    match = _CONDITION.fullmatch(text)
    if not match:
        raise ValueError(f"query cannot be parsed: {text!r}")
    key, operation, word, number = match.groups()
    if key == "tx.height":
        wanted = int(number if number is not None else word)
        return lambda tx: _OPERATORS[operation](tx.height, wanted)
    if operation != "=":
        raise ValueError(f"{key} can only be compared by =")
    if key == "tx.hash":
        return lambda tx: tx.tx_hash == (word or "").upper()
    kind, _, attribute = key.rpartition(".")
    return lambda tx: any(
        name == kind and attributes.get(attribute) == word for name, attributes in tx.events
    )
