"""Maps the chain's answers to the causes in the labels of provd_transactions_total. Pure."""

from provider_daemon.metrics.catalog import REFUSED
from provider_daemon.refusals import classify
from provider_daemon.result_codes import FIRST_HPC_ERROR, SdkCode


def refusal(code: int, codespace: str, text: str) -> str:
    """Returns why no node accepted a transaction."""
    return REFUSED.get(classify(code, codespace, text), "other")


def failure(code: int) -> str:
    """Returns why a transaction in a block failed. The code alone identifies the codespace."""
    if code == SdkCode.OUT_OF_GAS:
        return "out_of_gas"
    return "message" if code >= FIRST_HPC_ERROR else "other"
