"""Words of the form `name=value` in the description of a cluster on chain. Pure.

Any other text may stand around them. The chain's records have no fields for what these words say.
"""

import re


def find(description: str, name: str) -> str:
    """Returns the value of the last word of that name, "" without one."""
    found = _word(name).findall(description)
    return str(found[-1]) if found else ""


def put(description: str, name: str, value: str) -> str:
    """Returns the description with that word and without older ones; without any if the value is ""."""
    rest = re.sub(r"[ \t]{2,}", " ", _word(name).sub("", description)).strip()
    if not value:
        return rest
    return f"{rest} {name}={value}" if rest else f"{name}={value}"


def _word(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\S){re.escape(name)}=(\S*)")
