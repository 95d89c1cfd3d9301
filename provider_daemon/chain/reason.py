"""The reason in a chain's error text. Pure.

Source paths, gas figures and the wrapping of remote calls are removed.
"""

import re

_SOURCE = re.compile(r"\s*\[[^\[\]\s]{1,300}\.go:\d{1,7}\]")
_GAS = re.compile(
    r"\s*[Ww]ith gas (?:wanted: '\d{1,20}' and gas )?used: '\d{1,20}'\s*(?::\s*unknown request)?\s*$"
)
_REMOTE = re.compile(r"rpc error: code = \w{1,40} desc = ")


def reason(text: str) -> str:
    """Returns the text for an operator or a customer.

    `message index: N` stays: it names the failing message of a transaction.
    """
    return _REMOTE.sub("", _GAS.sub("", _SOURCE.sub("", text))).strip()
