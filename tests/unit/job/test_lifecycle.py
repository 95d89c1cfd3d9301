"""observe and decide: what one look at SLURM does to a job."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.lifecycle import (
    HOPELESS_PATIENCE,
    MAX_ATTEMPTS,
    MISSING_PATIENCE,
    WAITING_WINDOW,
    Cancel,
    Submit,
    confirm,
    decide,
    intend,
    observe,
    restart_waits,
)
from provider_daemon.job.parking import ParkReason
from provider_daemon.job.snapshot import Phase, Run, Sighting
from provider_daemon.job.state import TERMINAL, State
from tests.unit.job.jobs import EMPTY, JOB, NOW, SPEC, ended, look, park_reason, seen


def test_first_submission_needs_a_complete_look() -> None:
    """A new job is submitted only when squeue and sacct both prove that its name does not exist."""
    assert decide(JOB, EMPTY) == Submit()
    assert decide(JOB, replace(EMPTY, complete=False)) is None
    assert decide(JOB, replace(EMPTY, taken_at=NOW - 1)) is None


def test_no_second_submission_within_the_waiting_window() -> None:
    """After an intent, absence counts only in a look taken when a late sbatch can no longer succeed."""
    job = intend(JOB, NOW)
    assert decide(job, replace(EMPTY, taken_at=NOW + WAITING_WINDOW - 1)) is None
    assert decide(job, replace(EMPTY, taken_at=NOW + WAITING_WINDOW)) == Submit()


def test_adopts_by_name() -> None:
    """A job whose sbatch answer was lost is found by its name and not submitted again."""
    job = observe(intend(JOB, NOW), look(seen(Phase.WAITING)), NOW)
    assert (job.slurm_id, job.state, decide(job, look(seen(Phase.WAITING)))) == ("7", State.QUEUED, None)


def test_failed_submissions_end_with_the_operator() -> None:
    """Submissions that leave no trace are not repeated for ever."""
    job = replace(intend(JOB, NOW), attempt=MAX_ATTEMPTS)
    later = replace(EMPTY, taken_at=NOW + WAITING_WINDOW)
    assert park_reason(observe(job, later, NOW)) is ParkReason.NO_TRACE


def test_two_live_jobs_of_one_name_are_parked() -> None:
    """Which of two is ours is the operator's to say."""
    snapshot = look(seen(Phase.RUNNING), seen(Phase.RUNNING, slurm_id="8"))
    job = observe(intend(JOB, NOW), snapshot, NOW)
    assert job.parked is not None
    assert job.parked.reason is ParkReason.SEVERAL
    assert "7, 8" in job.parked.detail
    assert decide(job, snapshot) is None


def test_a_job_of_another_id_is_not_ours() -> None:
    """Once the SLURM job id is known, another job of the same name changes nothing."""
    job = replace(JOB, slurm_id="7", state=State.RUNNING, intent_at=NOW)
    assert observe(job, look(seen(Phase.WAITING, slurm_id="9")), NOW).state is State.RUNNING


def test_runs_and_completes() -> None:
    """The terminal state waits for the closed accounting record and carries its usage and exit code."""
    job = observe(intend(JOB, NOW), look(seen(Phase.RUNNING)), NOW)
    assert job.state is State.RUNNING
    job = observe(job, look(seen(Phase.ENDING)), NOW)
    assert job.state is State.RUNNING
    job = observe(job, look(ended(State.COMPLETED)), NOW)
    assert job.state is State.COMPLETED
    assert job.usage is not None
    assert job.usage.cpu_core_seconds == 20


def test_exit_code() -> None:
    """A failing program is reported with its own exit code."""
    job = observe(intend(JOB, NOW), look(ended(State.FAILED, exit_code=3)), NOW)
    assert (job.state, job.exit_code) == (State.FAILED, 3)


def test_requeued_job_stays_running() -> None:
    """The chain knows no way back: a job that waits again after running is still running to it."""
    job = replace(JOB, slurm_id="7", state=State.RUNNING)
    assert observe(job, look(seen(Phase.WAITING)), NOW).state is State.RUNNING


def test_hopeless_waiting_is_cancelled_and_failed() -> None:
    """A job that can never start is, after some patience, taken out of SLURM and reported failed, with
    SLURM's reason."""
    snapshot = look(seen(Phase.WAITING, hopeless="no such QOS"))
    job = observe(intend(JOB, NOW), snapshot, NOW)
    assert decide(job, snapshot) is None
    assert observe(job, look(seen(Phase.WAITING)), NOW + 60).hopeless_since is None
    job = observe(job, snapshot, NOW + HOPELESS_PATIENCE)
    assert decide(job, snapshot) == Cancel("7")
    job = observe(job, look(ended(State.CANCELLED, runs=(Run(0, 0, 0, 0),), elapsed=0)), NOW)
    assert (job.state, job.message) == (State.FAILED, "no such QOS")


def test_what_seemed_hopeless_and_starts_is_no_longer_refused() -> None:
    """The reason to wait went away before our cancel arrived: the job runs on, and is reported as what it
    becomes."""
    waiting = look(seen(Phase.WAITING, hopeless="no such QOS"))
    job = observe(observe(intend(JOB, NOW), waiting, NOW), waiting, NOW + HOPELESS_PATIENCE)
    assert job.refused
    running = look(seen(Phase.RUNNING))
    assert decide(observe(job, running, NOW), running) is None
    assert observe(job, look(ended(State.COMPLETED)), NOW).state is State.COMPLETED


def test_cancelled_on_chain() -> None:
    """The SLURM job is cancelled; the job closes when its usage is known."""
    job = replace(JOB, slurm_id="7", state=State.RUNNING, reported=State.CANCELLED)
    snapshot = look(seen(Phase.RUNNING))
    assert decide(observe(job, snapshot, NOW), snapshot) == Cancel("7")
    job = observe(job, look(ended(State.CANCELLED)), NOW)
    assert job.closed_at == NOW
    assert job.usage is not None


def test_cancelled_on_chain_before_submission() -> None:
    """Nothing is submitted any more, and the job closes once SLURM is known to hold nothing of it."""
    job = replace(JOB, reported=State.CANCELLED)
    assert decide(job, EMPTY) is None
    assert observe(job, replace(EMPTY, complete=False), NOW).closed_at is None
    assert observe(job, EMPTY, NOW).closed_at == NOW


def test_cancelled_on_chain_while_sbatch_is_unanswered() -> None:
    """An intent keeps the job open until the waiting window is over: the late SLURM job must still be found
    and cancelled."""
    job = replace(intend(JOB, NOW), reported=State.CANCELLED)
    assert observe(job, EMPTY, NOW).closed_at is None
    late = look(seen(Phase.RUNNING), at=NOW + 5)
    assert decide(observe(job, late, NOW), late) == Cancel("7")
    assert observe(job, replace(EMPTY, taken_at=NOW + WAITING_WINDOW), NOW).closed_at == NOW


def test_unknown_state_is_held() -> None:
    """A state that we do not know parks the job, and a known one later takes it up again."""
    job = observe(replace(JOB, slurm_id="7"), look(seen(Phase.UNKNOWN, slurm_state="WOBBLY")), NOW)
    assert job.parked is not None
    assert job.parked.reason is ParkReason.UNKNOWN_STATE
    assert "WOBBLY" in job.parked.detail
    assert job.state not in TERMINAL
    assert observe(job, look(seen(Phase.RUNNING)), NOW).parked is None


def test_missing_is_never_an_outcome() -> None:
    """A job that SLURM forgot is left alone, and after a while shown to the operator; an incomplete look
    counts for nothing."""
    job = replace(JOB, slurm_id="7", state=State.RUNNING)
    assert observe(job, replace(EMPTY, complete=False), NOW) == job
    job = observe(job, EMPTY, NOW)
    assert (job.state, job.parked) == (State.RUNNING, None)
    assert park_reason(observe(job, EMPTY, NOW + MISSING_PATIENCE)) is ParkReason.MISSING
    assert decide(job, EMPTY) is None


def test_record_that_is_never_closed_parks() -> None:
    """sacct keeps a job open that squeue has not got: after enough complete looks an operator is asked; a
    record that comes is taken."""
    job = replace(JOB, slurm_id="7", intent_at=NOW, state=State.RUNNING, reported=State.RUNNING)
    open_record = seen(Phase.ENDING, overdue=True)
    assert observe(job, look(open_record, complete=False), NOW) == job
    job = observe(job, look(open_record), NOW)
    assert (job.state, job.missing_since, job.parked) == (State.RUNNING, NOW, None)
    assert observe(job, look(open_record), NOW + MISSING_PATIENCE - 1) == job
    assert park_reason(observe(job, look(open_record), NOW + MISSING_PATIENCE)) is ParkReason.NEVER_CLOSED
    assert observe(job, look(ended(State.COMPLETED)), NOW + MISSING_PATIENCE).state is State.COMPLETED
    assert observe(job, look(seen(Phase.RUNNING)), NOW + 1).missing_since is None


def test_an_older_answer_takes_nothing_back() -> None:
    """An old transaction that is found late, or an endpoint that is behind: the chain's newer word stays."""
    running = replace(
        JOB, state=State.RUNNING, reported=State.RUNNING, promised=State.RUNNING, chain_started_at=5
    )
    assert confirm(running, State.QUEUED) == running
    assert confirm(running, State.PENDING) == running
    assert confirm(running, State.COMPLETED).reported is State.COMPLETED


def test_lost_ledger_never_resubmits_what_the_chain_knows_as_submitted() -> None:
    """A job that comes in as queued was submitted by someone: without a trace it goes to the operator, not to
    sbatch."""
    job = replace(JOB, state=State.QUEUED, reported=State.QUEUED, promised=State.QUEUED)
    assert decide(observe(job, EMPTY, NOW), EMPTY) is None


def test_gpu_gap_parks() -> None:
    """A GPU job without GPU accounting is parked instead of billed 0."""
    spec = replace(SPEC, resources=replace(SPEC.resources, gpus_per_node=1))
    job = replace(JOB, spec=spec, slurm_id="7")
    assert park_reason(observe(job, look(ended(State.COMPLETED)), NOW)) is ParkReason.NO_GPU_RECORD


def test_gpus_forgone() -> None:
    """Once its operator forgoes the GPUs, such a job ends with what its record does name."""
    spec = replace(SPEC, resources=replace(SPEC.resources, gpus_per_node=1))
    job = observe(replace(JOB, spec=spec, slurm_id="7", gpus_forgone=True), look(ended(State.COMPLETED)), NOW)
    assert (job.parked, job.state) == (None, State.COMPLETED)
    assert job.usage is not None
    assert (job.usage.gpu_seconds, job.usage.cpu_core_seconds) == (0, 20)


def test_terminal_word_of_the_chain_is_final() -> None:
    """An older answer of a lagging node never reopens a job."""
    job = confirm(JOB, State.CANCELLED)
    assert confirm(job, State.RUNNING).reported is State.CANCELLED


sightings = st.lists(
    st.builds(
        seen,
        st.sampled_from(list(Phase)),
        slurm_id=st.sampled_from(["7", "8"]),
        final=st.booleans(),
        outcome=st.sampled_from([None, *TERMINAL]),
        elapsed=st.integers(0, 700),
        runs=st.just((Run(5, 4, 8192, 1, start=900, end=905),)),
    ),
    max_size=2,
)


@given(st.lists(st.tuples(sightings, st.booleans()), max_size=8))
def test_a_job_seen_once_is_never_submitted_again(looks: list[tuple[list[Sighting], bool]]) -> None:
    """Whatever SLURM says afterwards, a job with a SLURM id is never submitted, and a final state never
    changes."""
    job = replace(intend(JOB, NOW), slurm_id="7", state=State.QUEUED)
    for number, (some, complete) in enumerate(looks):
        snapshot = look(*some, complete=complete, at=NOW + 1000 * number)
        after = observe(job, snapshot, NOW + 1000 * number)
        assert not isinstance(decide(after, snapshot), Submit)
        if job.measured:
            assert (after.state, after.usage) == (job.state, job.usage)
        job = after


def test_a_slurm_job_held_back_by_slurmdbd_is_not_closed_at_once() -> None:
    """It left squeue and its record is late: the first look without it did not ask for the backlog, so only
    the next may close it."""
    job = replace(JOB, slurm_id="7", intent_at=NOW - 500, state=State.RUNNING, reported=State.CANCELLED)
    first = observe(job, look(at=NOW), NOW + 1)
    assert first.closed_at is None
    assert observe(first, look(at=NOW + 5), NOW + 6).closed_at == NOW + 6
    assert observe(first, look(ended(State.CANCELLED), at=NOW + 5), NOW + 6).usage is not None


@pytest.mark.parametrize(
    ("slurm_id", "intent_at", "wanted"),
    [("", NOW - 5, NOW), ("77", NOW - 5, NOW - 5), ("77", NOW + 86_400, NOW), ("", None, None)],
)
def test_every_wait_begins_anew(slurm_id: str, intent_at: float | None, wanted: float | None) -> None:
    """After a clock that was set back nothing waits for a moment of the old clock, which lies a day ahead."""
    job = restart_waits(
        replace(JOB, slurm_id=slurm_id, intent_at=intent_at, adopted_at=NOW + 9, missing_since=NOW + 9), NOW
    )
    assert (job.intent_at, job.adopted_at, job.missing_since) == (wanted, NOW, None)
