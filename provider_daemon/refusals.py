"""Classifies refused transactions by the SDK's codes, or by the text where the chain has no code. Pure."""

import re
from enum import StrEnum

from provider_daemon.result_codes import RATE_LIMIT, SDK, SdkCode


class Refusal(StrEnum):
    """Why CheckTx or a simulation refused. IN_MEMPOOL is not a failure: the node has the same bytes."""

    IN_MEMPOOL = "in_mempool"
    FUNDS = "funds"
    OUT_OF_GAS = "out_of_gas"
    FEE = "fee"
    MEMPOOL_FULL = "mempool_full"
    TIMEOUT_HEIGHT = "timeout_height"
    SEQUENCE = "sequence"
    RATE_LIMIT = "rate_limit"
    OTHER = "other"


_SDK_CODES: dict[int, Refusal] = {
    SdkCode.INSUFFICIENT_FUNDS: Refusal.FUNDS,
    SdkCode.UNKNOWN_ADDRESS: Refusal.FUNDS,
    SdkCode.OUT_OF_GAS: Refusal.OUT_OF_GAS,
    SdkCode.INSUFFICIENT_FEE: Refusal.FEE,
    SdkCode.IN_MEMPOOL: Refusal.IN_MEMPOOL,
    SdkCode.MEMPOOL_FULL: Refusal.MEMPOOL_FULL,
    SdkCode.TIMEOUT_HEIGHT: Refusal.TIMEOUT_HEIGHT,
    SdkCode.WRONG_SEQUENCE: Refusal.SEQUENCE,
}
# A failed simulation has only a text, and the chain's fee check has codespace "undefined", code 1.
_TEXTS = {
    "insufficient fee": Refusal.FEE,
    "provided fee < minimum global fee": Refusal.FEE,
    "account sequence mismatch": Refusal.SEQUENCE,
    "incorrect account sequence": Refusal.SEQUENCE,
    "insufficient funds": Refusal.FUNDS,
    "mempool is full": Refusal.MEMPOOL_FULL,
    "tx timeout height": Refusal.TIMEOUT_HEIGHT,
    "rate limit": Refusal.RATE_LIMIT,
}
_REQUIRED = re.compile(r"required:? ([0-9A-Za-z/,._-]{1,400})")
_MINIMUM = re.compile(r"\([0-9A-Za-z/,._-]{0,400} < ([0-9A-Za-z/,._-]{1,400})\)")
_EXPECTED = re.compile(r"expected (\d{1,18})\b", re.ASCII)


def classify(code: int, codespace: str, text: str) -> Refusal:
    """Classifies an answer with a code other than 0; `codespace` is '' if the code comes from a text."""
    if codespace == RATE_LIMIT:
        return Refusal.RATE_LIMIT
    if codespace in ("", SDK) and code in _SDK_CODES:
        return _SDK_CODES[code]
    return next((refusal for words, refusal in _TEXTS.items() if words in text), Refusal.OTHER)


def required_fee(text: str, denom: str) -> int | None:
    """Returns the fee in `denom` that a refusal requires; None if it names none."""
    match = _REQUIRED.search(text) or _MINIMUM.search(text)
    coins = match[1].split(",") if match else []
    amounts = (re.fullmatch(rf"(\d{{1,30}})(?:\.\d+)?{re.escape(denom)}", coin, re.ASCII) for coin in coins)
    return next((int(found[1]) for found in amounts if found), None)


def expected_sequence(text: str) -> int | None:
    """Returns the account's sequence that a refusal names, or None."""
    match = _EXPECTED.search(text)
    return int(match[1]) if match else None
