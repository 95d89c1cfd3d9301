"""What an operator may decide about a job, in each state that it can be in."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.hold import Hold
from provider_daemon.job.job import Job
from provider_daemon.job.operator import NotPossible, end, refuse
from provider_daemon.job.parking import Parked, ParkReason
from provider_daemon.job.state import TERMINAL, State
from provider_daemon.job.usage import Usage
from tests.unit.job.jobs import JOB

JOBS = st.builds(
    replace,
    st.just(JOB),
    state=st.sampled_from(State),
    reported=st.sampled_from(State),
    slurm_id=st.sampled_from(["", "7"]),
    intent_at=st.sampled_from([None, 1.0]),
    parked=st.sampled_from([None, Parked(ParkReason.MISSING, "")]),
    hold=st.sampled_from([None, Hold.NOT_ON_CHAIN]),
    usage=st.sampled_from([None, Usage()]),
    closed_at=st.sampled_from([None, 9.0]),
    end_reason=st.sampled_from(["", "before"]),
)


@given(job=JOBS)
def test_at_most_one_of_both_is_possible(job: Job) -> None:
    """A job is ended if it is in SLURM, refused if it waits or is parked, and neither if it is over."""
    possible = []
    for decide in (end, refuse):
        with suppress(NotPossible):
            possible.append(decide(job, "why"))
    assert len(possible) <= 1
    if job.closed_at is not None or job.reported in TERMINAL or job.hold:
        assert not possible
    for decided in possible:
        assert decided.end_reason == "why"
        assert decided.written_off is bool(job.parked)
        if job.parked:
            assert (decided.parked, decided.usage, decided.state) == (None, None, State.FAILED)
        else:
            assert replace(decided, end_reason=job.end_reason) == job


@pytest.mark.parametrize("state", [State.PENDING, State.QUEUED, State.RUNNING])
def test_a_parked_job_can_always_be_refused(state: State) -> None:
    """Also one that could not be ended before it was parked."""
    parked = replace(
        JOB, state=state, slurm_id="7", end_reason="x", parked=Parked(ParkReason.MISSING, "gone")
    )
    assert refuse(parked, "why").written_off
