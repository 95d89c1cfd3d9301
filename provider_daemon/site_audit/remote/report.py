"""Prints answers, and turns the errors of attempts into outcomes."""

import errno
import json
import os
from typing import Any, Callable, Dict, Iterable, Tuple

REACHED, REFUSED, ABSENT, SKIPPED = "reached", "refused", "absent", "skipped"
DENIED = frozenset((errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSYS, errno.ENOSPC, errno.EUSERS))
MISSING = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO, errno.ESRCH))
MAX_DETAIL = 300

Attempt = Tuple[str, str]
Answer = Tuple[str, str, int]


class Report(object):
    def __init__(self, number: str) -> None:
        self._number = number

    def answer(self, probe: str, outcome: str, detail: str = "", count: int = 0) -> None:
        text = detail.encode("ascii", "backslashreplace").decode("ascii")[:MAX_DETAIL]
        value: Dict[str, Any] = {"probe": probe, "outcome": outcome, "detail": text, "count": count}
        line = "\nprovd-audit %s %s\n" % (self._number, json.dumps(value, sort_keys=True))
        os.write(1, line.encode("ascii"))

    def run(self, probe: str, attempt: Callable[[], Any]) -> None:
        """Prints the result of the attempt, (outcome, detail) or (outcome, detail, count)."""
        try:
            self.answer(probe, *attempt())
        except OSError as error:
            self.answer(probe, *of_error(error, ""))
        except Exception as error:
            self.answer(probe, SKIPPED, "the probe failed: %s: %s" % (type(error).__name__, error))


def of_error(error: OSError, what: str) -> Attempt:
    name = errno.errorcode.get(error.errno or 0, "?")
    detail = "%s: %s" % (what, name) if what else name
    if error.errno in DENIED:
        return REFUSED, detail
    return (ABSENT if error.errno in MISSING else SKIPPED), detail


def together(attempts: Iterable[Attempt], none: str) -> Attempt:
    """Joins attempts at one question: reached if one was; skipped if one was and none reached.

    `none`: the detail if there were no attempts, or if all found nothing.
    """
    found = list(attempts)
    for outcome in (REACHED, SKIPPED, REFUSED):
        details = [detail for each, detail in found if each == outcome]
        if details:
            return outcome, "; ".join(details[:5])
    return ABSENT, none


def opened(path: str, flags: int, what: str) -> Attempt:
    """Opens a file or directory, reads and writes nothing."""
    try:
        handle = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        return of_error(error, path)
    os.close(handle)
    return REACHED, "%s %s" % (what, path)


def can_be_read(path: str) -> Attempt:
    return opened(path, os.O_RDONLY, "can read")


def can_be_written(path: str) -> Attempt:
    """A directory counts as written if files can be made in it."""
    if os.path.isdir(path):
        allowed = os.access(path, os.W_OK | os.X_OK)
        return (REACHED, "can write to %s" % path) if allowed else (REFUSED, "%s: EACCES" % path)
    return opened(path, os.O_WRONLY, "can write")
