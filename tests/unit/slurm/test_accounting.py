"""sacct's records -> sightings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.snapshot import Phase, Run, Sighting
from provider_daemon.job.state import State
from provider_daemon.slurm import accounting
from provider_daemon.slurm.accounting import AccountingRow
from provider_daemon.slurm.parse import Queued
from provider_daemon.slurm.states import JOB_STATES
from provider_daemon.slurm.tables import Reading
from tests.unit.slurm import framed

NAMES = frozenset({"ve-1"})


TRES = "billing=4,cpu=4,gres/gpu:a100=2,gres/gpu=2,mem=8192M,node=2"


def row(
    *,
    job: str = "7",
    state: str = "COMPLETED",
    code: str = "0:0",
    submit: str = "1000",
    start: str = "1010",
    end: str = "1020",
    elapsed: str = "10",
    tres: str = TRES,
    reason: str = "None",
    name: str = "ve-1",
) -> str:
    return "|".join((job, state, code, submit, start, end, elapsed, "2", tres, reason, name))


def sightings(*lines: str, since: int = 0) -> list[Sighting]:
    return accounting.by_job(reading(*lines).rows, NAMES, since)


def reading(*lines: str) -> Reading[AccountingRow]:
    return accounting.rows(framed.sacct("".join(f"{line}|\n" for line in lines)), "|")


def test_closed_record() -> None:
    """A terminal state with an end is the last word, and its allocation a run."""
    (seen,) = sightings(row())
    assert (seen.phase, seen.outcome, seen.final, seen.elapsed) == (Phase.ENDED, State.COMPLETED, True, 10)
    assert seen.runs == (Run(10, 4, 8192, 2, (("a100", 2),), 1010, 1020, 1000),)


@pytest.mark.parametrize(
    ("state", "end"), [("COMPLETED", "Unknown"), ("RUNNING", "Unknown"), ("COMPLETING", "1020")]
)
def test_open_record_is_no_end(state: str, end: str) -> None:
    """A record that is not closed is ending, however it reads: squeue no longer has that job."""
    (seen,) = sightings(row(state=state, end=end))
    assert (seen.phase, seen.final) == (Phase.ENDING, False)


def test_pending_record_waits() -> None:
    """A job that sacct knows and squeue missed by a moment is waiting, not over."""
    (seen,) = sightings(row(state="PENDING", start="Unknown", end="Unknown", elapsed="0", tres=""))
    assert (seen.phase, seen.final) == (Phase.WAITING, False)


def test_requeued_job_is_summed() -> None:
    """Every record of one submission is a run; the last one decides."""
    (seen,) = sightings(row(state="NODE_FAIL", elapsed="3"), row(state="FAILED", code="3:0", elapsed="5"))
    assert [run.elapsed for run in seen.runs] == [3, 5]
    assert (seen.outcome, seen.exit_code) == (State.FAILED, 3)


def test_requeued_job_that_waits_again_is_not_over() -> None:
    """A terminal record before a pending one ends nothing."""
    (seen,) = sightings(row(state="NODE_FAIL"), row(state="PENDING", start="Unknown", end="Unknown", tres=""))
    assert (seen.phase, seen.final) == (Phase.WAITING, False)


def test_reused_id_is_somebody_elses() -> None:
    """The same id under another name, or from before our time, is not our job."""
    assert sightings(row(name="other"), row(submit="10"), since=500) == []


def test_array_and_het_ids() -> None:
    """Tasks, components and steps are no jobs of ours; an allocation beside them is still found."""
    assert [
        seen.slurm_id
        for seen in sightings(
            row(job="9_1"), row(job="9_[0-3]"), row(job="5+0"), row(job="5.batch"), row(job="5")
        )
    ] == ["5"]


def test_never_started() -> None:
    """A job cancelled while it waited used nothing."""
    (seen,) = sightings(row(state="CANCELLED by 1000", start="None", elapsed="0", tres=""))
    assert (seen.final, seen.outcome, seen.started_at) == (True, State.CANCELLED, 0)
    assert seen.runs == (Run(0, 0, 0, 0, end=1020, submitted=1000),)


def test_reason_may_hold_blanks_and_name_stands_last() -> None:
    """Free text in a reason does not move the other fields."""
    (seen,) = sightings(row(reason="ReqNodeNotAvail, UnavailableNodes:n4"))
    assert seen.reason == "ReqNodeNotAvail, UnavailableNodes:n4"


@pytest.mark.parametrize(
    "line",
    [
        "7",
        "7|COMPLETED|0:0",
        row(job="5+0"),
        row(state="NOTICE: x"),
        row(code="three"),
        row(submit="2026-11-24T06:46:56"),
        row(tres="cpu=4,mem="),
    ],
)
def test_damaged_row_is_unread(line: str) -> None:
    """A row that cannot be read is set aside, and those beside it are read."""
    found = reading(row(job="6"), line, row(job="8"))
    assert ([row.slurm_id for row in found.rows], len(found.unread)) == (["6", "8"], 1)


@given(
    st.sampled_from(sorted(JOB_STATES)),
    st.sampled_from(["Unknown", "None", "1020"]),
    st.integers(0, 255),
    st.integers(0, 64),
)
def test_final_needs_both_state_and_end(state: str, end: str, code: int, signal: int) -> None:
    """For every state: final means terminal and closed, and then there is an outcome."""
    (seen,) = sightings(row(state=state, end=end, code=f"{code}:{signal}"))
    assert seen.final == (JOB_STATES[state][1] is Phase.ENDED and end == "1020")
    assert not seen.final or seen.outcome is not None
    assert seen.exit_code == (code or (128 + signal if signal else 0))


# --- both views ---


def queued(state: str, submitted: int, slurm_id: str = "7", name: str = "ve-1") -> Sighting:
    return accounting.live(Queued(slurm_id, state, submitted, 0, 0, 0, "", "None", name))


def test_a_closed_record_wins_over_squeue() -> None:
    """squeue still calls the job completing; sacct has its last word."""
    (seen,) = accounting.merge([queued("COMPLETING", 1000)], sightings(row()))["ve-1"]
    assert (seen.final, seen.outcome) == (True, State.COMPLETED)


def test_a_requeued_job_is_not_over_while_its_nodes_are_cleaned_up() -> None:
    """squeue calls it completing under its new submission time, and the closed record is the stretch that its
    node's failure ended."""
    (seen,) = accounting.merge([queued("COMPLETING", 1031)], sightings(row(state="NODE_FAIL")))["ve-1"]
    assert (seen.final, seen.phase) == (False, Phase.ENDING)


def test_a_requeued_job_is_over_when_its_last_record_closes() -> None:
    """The newest stretch's submission time is squeue's."""
    records = sightings(row(state="NODE_FAIL"), row(submit="1031", start="1040", end="1050"))
    (seen,) = accounting.merge([queued("COMPLETED", 1031)], records)["ve-1"]
    assert (seen.final, seen.outcome, len(seen.runs)) == (True, State.COMPLETED, 2)


@pytest.mark.parametrize("elapsed", ["", "-5", "INVALID", "1.5", "00:00:10", "9" * 13])
def test_no_elapsed_time_is_not_zero(elapsed: str) -> None:
    """A record without a number of seconds is not read, rather than billed as nothing."""
    found = reading(row(elapsed=elapsed))
    assert (found.rows, len(found.unread)) == ((), 1)


def test_a_resized_job_has_the_times_of_its_records() -> None:
    """Of a job that shrank: the second record was submitted at the resize, and starts when the whole job
    did."""
    (seen,) = sightings(
        row(state="RESIZING", elapsed="10"), row(submit="1020", end="1040", elapsed="30", tres="cpu=2,node=1")
    )
    assert [(run.submitted, run.start, run.end, run.elapsed) for run in seen.runs] == [
        (1000, 1010, 1020, 10),
        (1020, 1010, 1040, 30),
    ]
    assert (seen.final, seen.first_submitted_at) == (True, 1000)
