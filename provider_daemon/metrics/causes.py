"""Free text and codes -> the fixed words that are labels. Pure."""

from provider_daemon.result_codes import FIRST_HPC_ERROR, SDK, SdkCode

_REFUSALS: dict[int, str] = {
    SdkCode.INSUFFICIENT_FUNDS: "insufficient_funds",
    SdkCode.UNKNOWN_ADDRESS: "insufficient_funds",
    SdkCode.INSUFFICIENT_FEE: "insufficient_fee",
}
# What a chain says that gives such a refusal no code of its own.
_WORDS = {
    "account sequence mismatch": "sequence_mismatch",
    "insufficient fee": "insufficient_fee",
    "insufficient funds": "insufficient_funds",
    "rate limit": "rate_limited",
}


def refusal(code: int, codespace: str, text: str) -> str:
    """Why a transaction was not taken."""
    if code == SdkCode.WRONG_SEQUENCE:
        return "sequence_mismatch"
    if codespace in ("", SDK) and code in _REFUSALS:
        return _REFUSALS[code]
    return next((cause for words, cause in _WORDS.items() if words in text), "other")


def failure(code: int) -> str:
    """Why a transaction in a block did nothing; codespaces are told apart by their codes."""
    if code == SdkCode.OUT_OF_GAS:
        return "out_of_gas"
    return "message" if code >= FIRST_HPC_ERROR else "other"
