"""Judges the rows of the audit. Pure.

A row is open if one of its questions was answered with "reached", or if provd itself saw the effect. It is
closed only if every question was tried and denied, the program's control worked, and provd saw nothing that
speaks against it. Everything else is not tried, with the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from provider_daemon.site_audit.answers import Answer, Answers, Outcome
from provider_daemon.site_audit.rows import CONTROL, CREDENTIALS, PLANTED, ROWS, SLURMCTLD, Row

DENIED = (Outcome.REFUSED, Outcome.ABSENT)
# In a native job of the same Unix user these cannot be closed, whatever the job's output says.
SAME_USER = frozenset({"other-files", "other-processes"})


class Verdict(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True)
class Observation:
    """What provd saw in SLURM and in the files. `open` is None if it could not see that."""

    open: bool | None
    text: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A judged row. `seen`: what happened. `todo`: what to do, "" for a closed row."""

    name: str
    tried: str
    verdict: Verdict
    seen: str
    todo: str


def judge(
    answers: Answers, observed: Mapping[str, Observation], *, uncontained: bool, failure: str = ""
) -> tuple[Judged, ...]:
    """`observed`: row -> what provd saw. `uncontained`: both jobs run natively as one Unix user.

    `failure`: why the audit ended early; "" if it did not.
    """
    return tuple(_judged(row, answers, observed.get(row.name), uncontained, failure) for row in ROWS)


def _judged(
    row: Row, answers: Answers, observed: Observation | None, uncontained: bool, failure: str
) -> Judged:
    verdict, seen = _verdict(row, answers, observed, failure)
    if verdict is Verdict.CLOSED and uncontained and row.name in SAME_USER:
        verdict, seen = Verdict.NOT_TRIED, "the job denies what one Unix user cannot be denied"
    todo = {Verdict.CLOSED: "", Verdict.OPEN: row.todo, Verdict.NOT_TRIED: "repair this, and audit again"}
    return Judged(row.name, row.tried, verdict, seen, todo[verdict])


def _verdict(row: Row, answers: Answers, observed: Observation | None, failure: str) -> tuple[Verdict, str]:
    found = {question: answers.found.get(question) for question in row.questions}
    reached = [each.detail for each in found.values() if each and each.outcome is Outcome.REACHED]
    if observed is not None and observed.open:
        return Verdict.OPEN, observed.text
    if reached:
        return Verdict.OPEN, "; ".join(reached)
    needed = {CONTROL, PLANTED} if row.planted else {CONTROL}
    for question in needed:
        if why := _unfit(answers.found.get(question)):
            return Verdict.NOT_TRIED, answers.odd.get(question) or failure or why
    for question, answer in found.items():
        if why := _unanswered(question, answer, answers, failure):
            return Verdict.NOT_TRIED, why
    if observed is not None and observed.open is None:
        return Verdict.NOT_TRIED, observed.text
    unasked = [each.detail for each in found.values() if each and each.outcome is Outcome.ABSENT]
    if row.through_slurm and unasked and not _unreachable(answers):
        why = "munge and slurmctld are in reach, and SLURM did not deny it"
        return Verdict.NOT_TRIED, f"{why}: {'; '.join(unasked)}"
    return Verdict.CLOSED, "; ".join(dict.fromkeys(each.detail for each in found.values() if each))


def _unanswered(question: str, answer: Answer | None, answers: Answers, failure: str) -> str:
    """Returns why the question was not answered, or ""."""
    if answer is None:
        return answers.odd.get(question) or failure or "the job ended without an answer"
    if answer.outcome is Outcome.SKIPPED:
        return answer.detail or "the program could not try it"
    return ""


def _unfit(answer: Answer | None) -> str:
    """Returns why the program did not do in the job what it must be able to do, or ""."""
    if answer is not None and answer.outcome is Outcome.REACHED:
        return ""
    return f"the probe program does not work in the job: {answer.detail if answer else 'no answer'}"


def _unreachable(answers: Answers) -> bool:
    """Whether the job can get no credential, or cannot connect to slurmctld."""
    credentials = [answers.found.get(question) for question in CREDENTIALS]
    connection = answers.found.get(SLURMCTLD)
    return all(each is not None and each.outcome in DENIED for each in credentials) or (
        connection is not None and connection.outcome in DENIED
    )
