"""What a job printed, read at the border."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.site_audit.answers import MAX_DETAIL, MAX_OUTPUT, Answer, Outcome, read

NUMBER = "ab" * 16
QUESTIONS = ("file.read", "net.internet")


def line(probe: object, outcome: object = "refused", detail: object = "EACCES", count: object = 0) -> bytes:
    value = {"probe": probe, "outcome": outcome, "detail": detail, "count": count}
    return f"provd-audit {NUMBER} {json.dumps(value)}\n".encode()


def test_answers_among_other_output() -> None:
    """Lines of the launcher do not disturb them, nor those of another job's number."""
    output = (
        b"image debian\n\n"
        + line("file.read")
        + b"provd-audit 00 {}\n"
        + line("net.internet", "reached", "x")
    )
    found = read(output, NUMBER, QUESTIONS)
    assert found.found == {
        "file.read": Answer(Outcome.REFUSED, "EACCES"),
        "net.internet": Answer(Outcome.REACHED, "x"),
    }
    assert (found.odd, found.foreign) == ({}, 0)


@pytest.mark.parametrize(
    "odd",
    [
        line("file.read", "closed"),
        line("file.read", detail="x" * (MAX_DETAIL + 1)),
        line("file.read", count=True),
        line("file.read", count=-1),
        line("file.read", count="0"),
        line("file.read", detail=None),
        line("file.read") + line("file.read"),
        line("file.read") + line("file.read", "closed"),
        line("file.read").replace(b'"count"', b'"more": 1, "count"'),
    ],
)
def test_an_odd_or_second_answer_does_not_count(odd: bytes) -> None:
    """The question stays unanswered, with the reason, and the others keep their answers."""
    found = read(odd + line("net.internet"), NUMBER, QUESTIONS)
    assert "file.read" not in found.found
    assert found.odd["file.read"]
    assert "net.internet" in found.found


def test_lines_that_name_no_question_are_counted() -> None:
    """They are not dropped silently."""
    output = line("file.other") + line(None) + f"provd-audit {NUMBER} [\n".encode()
    found = read(output, NUMBER, QUESTIONS)
    assert (found.found, found.foreign) == ({}, 3)


def test_too_much_output_answers_nothing() -> None:
    """A flood could hide the end of the answers."""
    found = read(line("file.read") + b"x" * MAX_OUTPUT, NUMBER, QUESTIONS)
    assert not found.found
    assert set(found.odd) == set(QUESTIONS)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_no_added_text_makes_an_answer_milder(before: bytes, after: bytes) -> None:
    """Whoever can only add to the file can take an answer away, and not turn it into a denial."""
    found = read(before + b"\n" + line("file.read", "reached") + after, NUMBER, QUESTIONS).found
    assert found.get("file.read", Answer(Outcome.REACHED)).outcome is Outcome.REACHED


@given(st.lists(st.sampled_from([line("file.read", each) for each in (*Outcome, "odd")]), max_size=4))
def test_only_a_single_valid_answer_counts(lines: list[bytes]) -> None:
    """Any number of answers but one is none."""
    found = read(b"".join(lines), NUMBER, QUESTIONS).found
    assert ("file.read" in found) == (len(lines) == 1 and b"odd" not in lines[0])
