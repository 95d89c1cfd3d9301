"""The catalogue and the maintenance of a cluster, as words of its description. Pure.

The chain's cluster record has no field for them. `catalogue=<SHA-256>` is the hash of the provider's newest
catalogue; `maintenance=<start>/<end>`, in seconds since the epoch, is the next time in which the cluster runs
no jobs. The daemon writes both.
"""

import re

from provider_daemon.chain import description

_SHA256 = re.compile(r"[0-9a-f]{64}")
_TIMES = re.compile(r"([0-9]{1,11})/([0-9]{1,11})")
CATALOGUE, MAINTENANCE = "catalogue", "maintenance"


def find(text: str) -> str:
    """Returns the hash of the catalogue, "" if the description names none."""
    value = description.find(text, CATALOGUE)
    return value if _SHA256.fullmatch(value) else ""


def find_maintenance(text: str) -> tuple[int, int] | None:
    """Returns start and end, None if the description names no maintenance."""
    found = _TIMES.fullmatch(description.find(text, MAINTENANCE))
    return (int(found[1]), int(found[2])) if found else None


def put(text: str, sha256: str, maintenance: tuple[int, int] | None) -> str:
    """Returns the description with these words and without older ones; "" and None remove them."""
    planned = "{}/{}".format(*maintenance) if maintenance else ""
    return description.put(description.put(text, CATALOGUE, sha256), MAINTENANCE, planned)
