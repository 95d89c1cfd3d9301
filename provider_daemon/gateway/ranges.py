"""Conditional and partial downloads: entity tags, `Range` and `If-Range` (RFC 9110). Pure."""

import re
from dataclasses import dataclass
from email.utils import formatdate

from provider_daemon.gateway.errors import ApiError, Code

_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})", re.ASCII)
_LATEST = 253_402_300_799  # the end of the year 9999: HTTP dates have four digits
_ONE_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"')


@dataclass(frozen=True, slots=True)
class Slice:
    """The bytes from `start`, `length` of them, of a file of `size` bytes."""

    start: int
    length: int
    size: int

    @property
    def header(self) -> str:
        """Returns the value of Content-Range."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{self.size}"


def entity_tag(*facts: int) -> str:
    """Returns a strong entity tag of a file's size and times in nanoseconds."""
    return '"' + "-".join(format(fact, "x") for fact in facts) + '"'


def http_date(seconds: int) -> str | None:
    """Returns a file's time as an HTTP date; None for one that has none. A job sets any time it likes."""
    return formatdate(seconds, usegmt=True) if 0 <= seconds <= _LATEST else None


def is_same(header: str, tag: str) -> bool:
    """Reports whether an If-None-Match header names the tag. Weak and strong tags are equal there."""
    return header.strip() == "*" or tag in [found.removeprefix("W/") for found in _ONE_TAG.findall(header)]


def requested(header: str | None, if_range: str | None, tag: str, size: int) -> Slice | None:
    """Returns the requested part; None for the whole file.

    An If-Range that does not name the current file means the whole file. Raises ApiError for more than one
    range, for a part that does not exist, and for a header that is not a byte range.
    """
    if header is None or (if_range is not None and if_range.strip() != tag):
        return None
    found = _RANGE.fullmatch(header.replace(" ", ""))
    if found is None or found[1] == found[2] == "":
        raise _refused("Range must be one range of bytes, such as bytes=0-99.", size)
    first, last = found[1], found[2]
    if not first:
        length = min(int(last), size)
        return _checked(Slice(size - length, length, size))
    start, end = int(first), min(int(last), size - 1) if last else size - 1
    return _checked(Slice(start, end - start + 1, size))


def _checked(part: Slice) -> Slice:
    if part.length <= 0 or part.start >= part.size:
        raise _refused(f"The file has {part.size} bytes.", part.size)
    return part


def _refused(message: str, size: int) -> ApiError:
    return ApiError(Code.RANGE, message, headers={"Content-Range": f"bytes */{size}"})
