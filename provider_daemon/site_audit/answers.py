"""Reads what a probe job printed. Pure.

The output file belongs to the user that the job runs as, so that a job of the same user can write to it. A
line counts only with the number of this job; a line that is not exactly as the program writes it, and a
second answer to one question, make the question unanswered. No text in the file can make a row closed by
being absent, odd or repeated.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

PREFIX = "provd-audit"
MAX_OUTPUT = 256 * 1024  # bytes; more is not the program's
MAX_DETAIL = 300  # characters
MAX_COUNT = 2**31


class Outcome(StrEnum):
    """REFUSED: it was tried and denied. ABSENT: there is nothing to try it on. SKIPPED: it was not tried."""

    REACHED = "reached"
    REFUSED = "refused"
    ABSENT = "absent"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Answer:
    """`count`: a number that belongs to the answer, such as a port; 0 if there is none."""

    outcome: Outcome
    detail: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True)
class Answers:
    """`odd`: question -> why its answer does not count. `foreign`: odd lines that name no question."""

    found: Mapping[str, Answer] = field(default_factory=dict)
    odd: Mapping[str, str] = field(default_factory=dict)
    foreign: int = 0

    def joined(self, other: "Answers") -> "Answers":
        """Returns the answers of two jobs, which answer different questions."""
        return Answers({**self.found, **other.found}, {**self.odd, **other.odd}, self.foreign + other.foreign)


def read(output: bytes, number: str, questions: Collection[str]) -> Answers:
    """Reads the answers to `questions` from the output of the job with this number."""
    if len(output) > MAX_OUTPUT:
        return Answers(odd=dict.fromkeys(questions, f"the job printed more than {MAX_OUTPUT} bytes"))
    start = f"{PREFIX} {number} "
    found, odd, foreign = dict[str, Answer](), dict[str, str](), 0
    for line in output.decode("utf-8", "replace").splitlines():
        if not line.startswith(start):
            continue
        question, answer = _line(line.removeprefix(start))
        if question not in questions:
            foreign += 1
        elif answer is None:
            odd[question] = "its answer is not as the program writes it"
        elif question in found:
            odd[question] = "it was answered twice"
        else:
            found[question] = answer
    return Answers({name: each for name, each in found.items() if name not in odd}, odd, foreign)


def _line(text: str) -> tuple[str, Answer | None]:
    """Returns (the question, or "", its answer, or None)."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return "", None
    match value:
        case {"probe": str(question)}:
            return question, _answer({name: each for name, each in value.items() if name != "probe"})
    return "", None


def _answer(value: dict[str, Any]) -> Answer | None:
    match value:
        case {"outcome": str(outcome), "detail": str(detail), "count": int(count)} if (
            len(value) == 3
            and outcome in tuple(Outcome)
            and len(detail) <= MAX_DETAIL
            and not isinstance(count, bool)
            and 0 <= count < MAX_COUNT
        ):
            return Answer(Outcome(outcome), detail, count)
    return None
