"""When a final report is due: not before the results are known or the patience is over, and in time."""

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.data import DataPolicy, settle, whole_usage
from provider_daemon.job.job import Job
from provider_daemon.job.state import State
from provider_daemon.job.transfer import Results, Transfer
from provider_daemon.job.usage import Usage
from tests.unit.job.jobs import SPEC

POLICY = DataPolicy(results_seconds=300)
RESULTS = st.builds(
    Results,
    root=st.text("0123456789abcdef", min_size=64, max_size=64),
    files=st.integers(0, 10**9),
    bytes=st.integers(0, 2**60),
)
JOB = Job(
    spec=SPEC,
    program=None,
    wall_seconds=570,
    adopted_at=0,
    state=State.COMPLETED,
    reported=State.RUNNING,
    promised=State.RUNNING,
    slurm_id="7",
    usage=Usage(wall_clock_seconds=10, nodes_used=1),
)


@given(
    st.integers(0, 10_000), st.integers(0, 5_000), st.sampled_from((None, Transfer())), st.integers(-60, 60)
)
def test_no_wait_outlasts_either_limit(
    started: int, waited: int, transfer: Transfer | None, ahead: int
) -> None:
    """Without results a job is settled exactly when its patience is over or the chain is about to end it."""
    measured_at = 1_000_000.0
    job = replace(JOB, measured_at=measured_at, chain_started_at=int(measured_at) - 570 + started)
    now = measured_at + waited
    settled = settle(job, transfer, now, now + ahead, POLICY)
    ends = job.chain_started_at + 600
    remains = (ends - measured_at) / 2  # of which one half is left for the report
    late = now + ahead >= min(max(ends - 30, ends - remains), ends - 10)
    assert settled.settled is (waited >= 300 or late)


def test_a_job_that_reached_its_limit() -> None:
    """Its results are waited for while half of the time until the chain ends it remains.

    At least a third of the margin is left, however late the record was read.
    """
    job = replace(JOB, chain_started_at=1_000_000)
    for measured, until in ((1_000_576, 1_000_588), (1_000_584, 1_000_590), (1_000_599, 1_000_599)):
        seen = replace(job, measured_at=float(measured))
        for now in range(measured, until):
            assert not settle(seen, Transfer(), now, now, POLICY).settled, now
        assert settle(seen, Transfer(), until, until, POLICY).settled


@given(st.integers(-100_000, 100_000), st.integers(570, 700))
def test_a_wrong_clock_of_ours(off: int, measured: int) -> None:
    """The report is never later than a third of the margin before the chain ends the job."""
    true = 1_000_000.0 + measured
    job = replace(JOB, chain_started_at=1_000_000, measured_at=true + off)
    latest = max(true, 1_000_590.0)
    assert settle(job, Transfer(), latest + off, latest, POLICY).settled


@given(RESULTS, st.integers(0, 2**60), st.integers(0, 2**60), st.integers(0, 2**80))
def test_settled_with_what_was_moved(results: Results, taken: int, given_out: int, stored: int) -> None:
    """The first facts that say settled give the final usage; later ones change nothing."""
    moved = Transfer(
        bytes_in=taken, bytes_out=given_out, settled=True, results=results, storage_byte_seconds=stored
    )
    job = settle(JOB, moved, 5.0, 5.0, POLICY)
    assert (job.settled_at, job.results) == (5.0, results)
    assert job.usage == replace(
        JOB.usage or Usage(),
        network_bytes_in=taken,
        network_bytes_out=given_out,
        storage_gb_hours=stored // (3600 * 2**30),
    )
    assert settle(job, replace(moved, bytes_out=given_out + 1), 6.0, 6.0, POLICY) == job


@given(RESULTS)
def test_a_target_that_takes_nothing_hides_no_results(results: Results) -> None:
    """The manifest is final before the delivery ends: a slow target cannot keep it out of the report."""
    moved = Transfer(results=results, bytes_in=7)
    waiting = settle(JOB, moved, 5.0, 5.0, POLICY)
    assert not waiting.settled
    job = settle(waiting, moved, 306.0, 306.0, POLICY)
    assert (job.settled_at, job.results) == (306.0, results)
    assert job.usage is not None
    assert job.usage.network_bytes_in == 7


def test_before_the_chains_clock_is_known() -> None:
    """After a restart the job waits: how late it is on chain is not known yet."""
    job = replace(JOB, chain_started_at=1)
    assert not settle(job, None, 1_000_000.0, math.inf, POLICY).settled


def test_without_a_mover() -> None:
    """Nothing is waited for."""
    assert settle(JOB, None, 5.0, 5.0, None).settled_at == 5.0


def test_never_in_slurm() -> None:
    """A job that was refused has no results to wait for."""
    assert settle(replace(JOB, slurm_id=""), None, 5.0, 5.0, POLICY).settled_at == 5.0


def test_not_measured() -> None:
    """A running job is never settled, whatever the mover says."""
    job = replace(JOB, usage=None, state=State.RUNNING)
    assert settle(job, Transfer(settled=True), 5.0, 5.0, POLICY) == job


def test_storage_is_rounded_down() -> None:
    """A GB-hour less a byte-second is no whole GB-hour."""
    assert whole_usage(Usage(), Transfer(storage_byte_seconds=3600 * 2**30 - 1)).storage_gb_hours == 0
    assert whole_usage(Usage(), Transfer(storage_byte_seconds=3600 * 2**30)).storage_gb_hours == 1
