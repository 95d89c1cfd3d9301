"""The address of a provider's gateway, as a word of its cluster's description. Pure.

The chain's cluster record has no field for it. The word is `gateway=<URL>`; any other text may stand around
it. A description without the word, or with an invalid address in it, names no gateway.
"""

import re

from provider_daemon.chain import description as words

_URL = r"https?://[A-Za-z0-9.\[\]:_-]+(?:/[A-Za-z0-9._~/-]*)?"
_WORD = re.compile(rf"(?<!\S)gateway=({_URL})(?!\S)", re.ASCII)
MAX_URL = 200  # characters


def find(description: str) -> str:
    """Returns the URL without a final slash; "" if the description names no gateway. The last word counts."""
    found = [url for url in _WORD.findall(description) if len(url) <= MAX_URL]
    return found[-1].rstrip("/") if found else ""


def put(description: str, url: str) -> str:
    """Returns the description with the word for this URL and without older ones; without any if it is "".

    Raises ValueError for an invalid URL.
    """
    if url and (not _WORD.fullmatch(f"gateway={url}") or len(url) > MAX_URL):
        raise ValueError(f"invalid gateway: {url!r} must be http:// or https:// with a host, without query")
    return words.put(description, "gateway", url)
