"""The result of a check, and the marker for a fact that could not be determined."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")


class CheckOutcome(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check.

    `seen` is the observed value, or why the check was skipped. `todo` is one line or "". `cause` is the check
    that reports the cause.
    """

    outcome: CheckOutcome
    seen: str
    todo: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A fact that could not be determined; `cause` is the check that fails for the same reason, or ""."""

    why: str
    cause: str = ""


class NotKnownError(Exception):
    """A check needs a fact that is unknown."""

    def __init__(self, unknown: Unknown) -> None:
        super().__init__(unknown.why)
        self.unknown = unknown


def known(fact: T | Unknown) -> T:
    if isinstance(fact, Unknown):
        raise NotKnownError(fact)
    return fact


def ok(seen: str) -> Finding:
    return Finding(CheckOutcome.OK, seen)


def warn(seen: str, todo: str) -> Finding:
    return Finding(CheckOutcome.WARN, seen, todo)


def fail(seen: str, todo: str) -> Finding:
    return Finding(CheckOutcome.FAIL, seen, todo)


def skipped(why: str, cause: str = "") -> Finding:
    return Finding(CheckOutcome.SKIPPED, why, cause=cause)


def judge(good: bool, seen: str, todo: str) -> Finding:
    return ok(seen) if good else fail(seen, todo)
