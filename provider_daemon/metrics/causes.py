"""Free text and codes -> the fixed words that are labels. Pure."""

from provider_daemon.job.lifecycle import INVALID_ID, UNKNOWN_STATE
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
_PARKED = {
    UNKNOWN_STATE: "unknown_state",
    INVALID_ID: "invalid_slurm_id",
    "several SLURM jobs are named": "several",
    "submissions left no trace": "no_trace",
    "is in neither squeue nor sacct": "missing",
    "its accounting record does not name": "no_gpu_record",
    "the chain refuses its report": "report_refused",
    "one report would need": "report_too_large",
}


def refusal(code: int, codespace: str, text: str) -> str:
    """Why a transaction was not taken."""
    if code == SdkCode.WRONG_SEQUENCE:
        return "sequence_mismatch"
    if codespace in ("", SDK) and code in _REFUSALS:
        return _REFUSALS[code]
    return _first(_WORDS, text, "other")


def failure(code: int) -> str:
    """Why a transaction in a block did nothing; codespaces are told apart by their codes."""
    if code == SdkCode.OUT_OF_GAS:
        return "out_of_gas"
    return "message" if code >= FIRST_HPC_ERROR else "other"


def parked(text: str) -> str:
    return _first(_PARKED, text, "other")


def _first(words: dict[str, str], text: str, otherwise: str) -> str:
    return next((cause for part, cause in words.items() if part in text), otherwise)
