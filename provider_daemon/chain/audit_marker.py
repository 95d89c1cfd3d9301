"""The result of a provider's newest site audit, as a word of its cluster's description. Pure.

The chain's cluster record has no field for it. The word is `site-audit=<date>/<closed>-<open>-<not
tried>/<SHA-256>`. Evidence of jobs names the same hash, so that a customer can compare them.
"""

import re
from dataclasses import dataclass

from provider_daemon.chain import description as words

_VALUE = r"(\d{4}-\d{2}-\d{2})/(\d{1,3})-(\d{1,3})-(\d{1,3})/([0-9a-f]{64})"
_WORD = re.compile(rf"(?<!\S)site-audit={_VALUE}(?!\S)", re.ASCII)


@dataclass(frozen=True, slots=True)
class AuditWord:
    """`date`: of the audit, in UTC. `closed`, `open` and `not_tried` are numbers of rows."""

    date: str
    closed: int
    open: int
    not_tried: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.date}/{self.closed}-{self.open}-{self.not_tried}/{self.sha256}"


def find(description: str) -> AuditWord | None:
    """Returns None if the description has no such word. The last one counts."""
    found = _WORD.findall(description)
    if not found:
        return None
    date, closed, opened, not_tried, sha256 = found[-1]
    return AuditWord(date, int(closed), int(opened), int(not_tried), sha256)


def put(description: str, value: str) -> str:
    """Returns the description with the word for this value and without older ones; without any if it is "".

    Raises ValueError for a value of another form.
    """
    if value and not _WORD.fullmatch(f"site-audit={value}"):
        raise ValueError(f"invalid site audit: {value!r} must be as `provd site audit` prints it")
    return words.put(description, "site-audit", value)
