"""What the chain answered -> the causes that are labels of provd_transactions_total. Pure."""

from provider_daemon.metrics.catalog import REFUSED
from provider_daemon.refusals import classify
from provider_daemon.result_codes import FIRST_HPC_ERROR, SdkCode


def refusal(code: int, codespace: str, text: str) -> str:
    """Why a transaction was not taken."""
    return REFUSED.get(classify(code, codespace, text), "other")


def failure(code: int) -> str:
    """Why a transaction in a block did nothing; codespaces are told apart by their codes."""
    if code == SdkCode.OUT_OF_GAS:
        return "out_of_gas"
    return "message" if code >= FIRST_HPC_ERROR else "other"
