"""The word of a final status message that names the manifest of the results.

`results=sha256:<root>:<files>:<bytes>`. The chain has no field for it. The evidence signs the same values, so
anybody can check them from the chain's data.
"""

import re

from provider_daemon.job.transfer import Results

_WORD = re.compile(r"(?:^|\s)results=sha256:([0-9a-f]{64}):(\d{1,15}):(\d{1,19})$")

_FOR_PROGRAMS = re.compile(r"(?:^|\s+)(?:output=https?://\S+|results=sha256:\S+)(?=\s|$)")


def results_word(results: Results) -> str:
    return f"results=sha256:{results.root}:{results.files}:{results.bytes}"


def parse(status_message: str) -> Results | None:
    """Returns the results that the message names; None if it names none. It is always the last word."""
    found = _WORD.search(status_message)
    return Results(found[1], int(found[2]), int(found[3])) if found else None


def without_words(status_message: str) -> str:
    """Returns the message without the words for programs: the address and the digest of the results."""
    return _FOR_PROGRAMS.sub("", status_message).strip()
