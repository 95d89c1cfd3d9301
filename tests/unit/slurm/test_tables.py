"""Rows among a site's own words: what is not ours is left out, what may be ours is never taken for absent."""

import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.slurm.tables import Reading, Unread, columns, concerned, read

MARK = "|9f3a|"
FIELDS = ("State", "Name")
NOTICE = "NOTICE: maintenance on Friday, see the news page"


def make(field: Mapping[str, str]) -> tuple[str, str]:
    if field["State"] not in ("RUNNING", "PENDING"):
        raise Unreadable("not a state")
    return field["JobID"], field["Name"]


def row(*fields: str) -> str:
    key, *others = fields
    return "".join(f"{field}{MARK}" for field in (key, key, *others, key)) + "\n"


HEADER = "".join(f"{name.upper()}{MARK}" for name in columns("JobID", FIELDS)) + "\n"
ONE, TWO = row("10", "RUNNING", "ve-1"), row("11", "PENDING", "ve-2")
ROWS = (("10", "ve-1"), ("11", "ve-2"))


def reading(text: str) -> Reading[tuple[str, str]]:
    return read("squeue", text, MARK, FIELDS, "JobID", ("Name",), make)


@pytest.mark.parametrize("break_", ["\n", ""], ids=["line", "glued"])
@pytest.mark.parametrize("notice", [NOTICE, "4711", "1", "squeue: a\nb c", "ve-1|RUNNING|10|", "10"])
def test_notices_around_and_between_rows(notice: str, break_: str) -> None:
    """A wrapper's words before, between and after the rows, with a line break of their own or without, change
    no field of any row."""
    words = notice + break_
    for text in (words + HEADER + ONE + TWO, HEADER + words + ONE + TWO, HEADER + ONE + words + TWO):
        assert (reading(text).rows, reading(text).unread) == (ROWS, ())
        assert reading(text).foreign
    assert reading(HEADER + ONE + TWO + words).rows == ROWS


def test_a_notice_never_becomes_an_id() -> None:
    """The id stands between two marks: digits that are printed right before a row do not make another one of
    it."""
    assert reading(f"{HEADER}77{ONE}").rows == (("10", "ve-1"),)


@pytest.mark.parametrize("text", ["", "\n", NOTICE, ONE, f"{NOTICE}\n{ONE}{TWO}"])
def test_without_a_header_there_is_no_answer(text: str) -> None:
    """A program that failed prints none, whatever its exit code: that is never an empty queue."""
    with pytest.raises(Transient, match="no header"):
        reading(text)
    assert reading(HEADER).rows == ()


@pytest.mark.parametrize("bad", ["0", "4294967294", "99999999999", "12_3", "5+0", "5.batch", "x", "١٢"])
def test_only_a_slurm_id_is_one(bad: str) -> None:
    """What is not a job id of SLURM's makes a record that is unread, by its name."""
    found = reading(HEADER + row(bad, "RUNNING", "ve-9") + ONE)
    assert (found.rows, [record.name for record in found.unread]) == ((("10", "ve-1"),), ["ve-9"])


def test_an_odd_row_leaves_the_others_alone() -> None:
    """A row with a field too few, one with a field too many, one that cannot be read: each is named, the rest
    is read."""
    short, long = ONE.replace(f"RUNNING{MARK}", ""), ONE.replace("RUNNING", f"RUNNING{MARK}x")
    for odd in (short, long, row("12", "NOTICE", "ve-3")):
        for text in (
            HEADER + odd + TWO,
            HEADER + TWO + odd,
            HEADER + TWO + odd + row("13", "RUNNING", "ve-4"),
        ):
            found = reading(text)
            assert ("11", "ve-2") in found.rows
            assert len(found.unread) == 1
            assert "10" not in dict(found.rows)


@given(st.integers(1, len(TWO) - 2))
def test_a_cut_row_is_unread_or_nothing_of_it_was_printed(cut: int) -> None:
    """Cut at any byte, the last row never reads as another one, and is not lost without a word once its id is
    there."""
    found = reading(HEADER + ONE + TWO[:cut])
    assert found.rows[:1] == (("10", "ve-1"),)
    assert found.unread or found.rows == ROWS


@given(
    st.lists(
        st.sampled_from([ONE, TWO, NOTICE, "\n", MARK, "10", "RUNNING", HEADER, row("12", "?", "ve-3")]),
        max_size=8,
    )
)
def test_whatever_is_printed_only_real_rows_are_read(parts: list[str]) -> None:
    """Any mixture: a row that is read was printed whole."""
    try:
        found = reading(HEADER + "".join(parts))
    except Transient:
        return
    assert all(each in ROWS for each in found.rows)
    assert len(found.rows) <= len(re.findall(r"RUNNING|PENDING", "".join(parts)))


def test_whom_an_unread_record_concerns() -> None:
    """Its name or its id says whose it is; one that shows neither may be anybody's, one that is whole only
    its own."""
    names, ids = ("ve-1", "ve-2"), {"ve-1": "10"}
    assert concerned(
        [Unread("10 ? other", "", whole=True, slurm_id="10", name="other")], names, ids
    ) == frozenset({"ve-1"})
    assert concerned(
        [Unread("12 ? ve-2", "", whole=True, slurm_id="12", name="NOTICEve-2")], names, ids
    ) == frozenset({"ve-2"})
    assert (
        concerned([Unread("12 ? theirs", "", whole=True, slurm_id="12", name="theirs")], names, ids)
        == frozenset()
    )
    assert concerned([Unread("10 10 RUNN", "it is not a whole row")], names, ids) == frozenset({"ve-1"})
    assert concerned([Unread("13 13 RUNN", "it is not a whole row")], names, ids) is None
    assert concerned([], names, ids) == frozenset()
