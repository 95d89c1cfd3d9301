"""scontrol show reservation -o -> reservations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.errors import Transient
from provider_daemon.job.maintenance import Reservation
from provider_daemon.slurm.reservations import reservations
from tests.unit.slurm.recorded import ROOT, entries

LINE = "ReservationName=maint StartTime=100 EndTime=200 Duration=00:01:40 NodeCnt=1 Flags=MAINT,WEEKLY"


@pytest.mark.parametrize("version", ["22.05.8", "24.11.5", "26.05.5"])
def test_recorded(version: str) -> None:
    """No reservation, then five: of all nodes, of some, without MAINT, weekly, and without an end."""
    none, some = entries(ROOT / version / "reservations.txt")
    assert reservations(none.output).rows == ()
    found = reservations(some.output)
    assert (found.unread, found.foreign) == ((), ())
    assert found.rows == (
        Reservation("maint-all", 1799568000, 1799582400, 4, maintenance=True),
        Reservation("maint_part", 1801461600, 1801548000, 2, maintenance=True),
        Reservation("course", 1802239200, 1802242800, 1, maintenance=False),
        Reservation("weekly", 1803880800, 1803884400, 2, maintenance=True),
        Reservation("forever", 1806559200, 1838095200, 1, maintenance=True),
    )


def test_no_reservation_among_foreign_output() -> None:
    assert reservations("Welcome to lab!\nNo reservations in the system\n\n").rows == ()


@pytest.mark.parametrize("text", ["", "\n", "Welcome to lab!\n"])
def test_nothing_is_not_an_answer(text: str) -> None:
    """An answer with neither a record nor SLURM's line is a failed query, never an empty list."""
    with pytest.raises(Transient):
        reservations(text)


@pytest.mark.parametrize(
    "line",
    [
        LINE.replace("StartTime=100", "StartTime=Unknown"),
        LINE.replace("EndTime=200", "EndTime=100"),
        LINE.replace(" NodeCnt=1", ""),
        LINE.replace("=maint ", "=ma;int "),
    ],
)
def test_unreadable_record_is_set_aside(line: str) -> None:
    found = reservations(f"{line}\n{LINE.replace('maint', 'other')}\n")
    assert [each.name for each in found.rows] == ["other"]
    assert len(found.unread) == 1


def test_word_that_holds_the_flag_is_not_the_flag() -> None:
    (found,) = reservations(LINE.replace("MAINT,", "NO_MAINT_X,")).rows
    assert not found.maintenance


@given(st.text())
def test_any_text(text: str) -> None:
    """Arbitrary text is read as reservations, as unreadable, or as no answer; it raises nothing else."""
    try:
        found = reservations(text)
    except Transient:
        return
    assert all(each.starts_at < each.ends_at for each in found.rows)
