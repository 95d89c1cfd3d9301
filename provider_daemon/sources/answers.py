"""What an HTTP answer means for an input. Pure: status and headers in, a decision out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from provider_daemon.errors import ProvdError, Transient
from provider_daemon.sources.refusals import InputRefusal, InputRefused

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_AGAIN = frozenset({408, 409, 423, 425, 429})
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


@dataclass(frozen=True, slots=True)
class Body:
    """`start`: the offset of the body's first byte in the content. `total`: size of the content if known."""

    start: int
    total: int | None


def read_answer(status: int, headers: Mapping[str, str], offset: int, shown: str) -> Body:
    """Returns what the body of a successful answer is.

    Raises InputRefused or Transient for any other answer. A server that ignores Range starts at 0.
    """
    if status not in (200, 206):
        raise failure(status, shown)
    coding = headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise InputRefused(
            InputRefusal.RESPONSE,
            f"{shown}: the server sent a compressed answer, although provd accepts only uncompressed ones",
        )
    length = _length(headers, shown)
    # Some S3 servers send a part with status 200.
    if status == 200 and not (offset and "Content-Range" in headers):
        return Body(0, length)
    return _partial(headers, offset, length, shown)


def _partial(headers: Mapping[str, str], offset: int, length: int | None, shown: str) -> Body:
    if offset == 0:
        raise InputRefused(
            InputRefusal.RESPONSE,
            f"{shown}: the server sent a part, although the whole content was requested",
        )
    found = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if found is None:
        raise InputRefused(
            InputRefusal.RESPONSE, f"{shown}: the server sent a part without a valid Content-Range"
        )
    first, last, total = int(found[1]), int(found[2]), None if found[3] == "*" else int(found[3])
    whole = total is None or last == total - 1
    if first != offset or last < first or not whole or length not in (None, last - first + 1):
        raise InputRefused(
            InputRefusal.RESPONSE, f"{shown}: the server sent another range than the requested one"
        )
    return Body(first, last + 1 if total is None else total)


def _length(headers: Mapping[str, str], shown: str) -> int | None:
    text = headers.get("Content-Length")
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise InputRefused(InputRefusal.RESPONSE, f"{shown}: the server sends no valid Content-Length")
    return int(text)


def failure(status: int, shown: str) -> ProvdError:
    """Returns the error that a status means: a 4xx is final, unless it asks to try again."""
    if status in (401, 403, 407):
        return InputRefused(
            InputRefusal.DENIED,
            f"{shown}: the server denies access (HTTP {status}); a presigned URL may have expired",
        )
    if status in (404, 410):
        return InputRefused(InputRefusal.NOT_FOUND, f"{shown}: not found (HTTP {status})")
    if status == 416:
        return InputRefused(
            InputRefusal.WRONG_SIZE, f"{shown}: the content has become shorter than the part fetched before"
        )
    if 400 <= status < 500 and status not in _AGAIN:
        return InputRefused(InputRefusal.RESPONSE, f"{shown}: the server refuses the request (HTTP {status})")
    if status >= 500 or status in _AGAIN:
        return Transient(f"{shown}: the server cannot answer now (HTTP {status})")
    return InputRefused(InputRefusal.RESPONSE, f"{shown}: unexpected answer (HTTP {status})")
