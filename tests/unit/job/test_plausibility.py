"""Accounting records that cannot be true are shown to an operator, not signed."""

import math
from dataclasses import replace

import pytest

from provider_daemon.job.lifecycle import observe
from provider_daemon.job.parking import ParkReason
from provider_daemon.job.plausibility import CLOCK_SECONDS, implausible
from provider_daemon.job.snapshot import Run
from provider_daemon.job.state import State
from tests.unit.job.jobs import JOB, NOW, SPEC, ended, look, park_reason

GOOD = Run(60, 4, 8192, 1, (), 900, 960, 890)
WRONG = {
    "ten years": replace(GOOD, elapsed=315_360_000, end=315_360_900),
    "SLURM's mark for no value": replace(GOOD, elapsed=4_294_967_294),
    "below zero": replace(GOOD, elapsed=-5),
    "longer than from start to end": replace(GOOD, elapsed=62),
    "ends before it starts": replace(GOOD, end=800, elapsed=0),
    "starts in the future": replace(GOOD, start=2_000_000, end=2_000_060),
    "never started": replace(GOOD, start=0),
    "500 nodes": replace(GOOD, nodes=500),
    "no nodes": replace(GOOD, nodes=0),
    "no cores": replace(GOOD, cpus=0),
    "cores that no node has": replace(GOOD, cpus=100_000),
    "memory that no node has": replace(GOOD, memory_mib=2**40),
    "GPUs that no node has": replace(GOOD, gpus=(("a100", 1000),)),
}


@pytest.mark.parametrize("run", WRONG.values(), ids=WRONG.keys())
def test_parked_with_what_was_seen(run: Run) -> None:
    """The reason is a value, the text has the numbers, and nothing is measured."""
    job = observe(JOB, look(ended(State.COMPLETED, runs=(GOOD, run))), NOW, NOW)
    assert (park_reason(job), job.usage, job.state) == (ParkReason.IMPLAUSIBLE_RECORD, None, State.PENDING)


def test_what_can_be_is_measured() -> None:
    """A node that was slow to end it, whole nodes for a part of one, a site whose clock is ahead, a job that
    never ran."""
    for run in (
        GOOD,
        replace(GOOD, elapsed=1000, end=1900),
        replace(GOOD, cpus=256),
        Run(0, 0, 0, 0, end=950, submitted=890),
    ):
        assert implausible([run], SPEC.resources, JOB.wall_seconds, NOW) == ""
    ahead = replace(GOOD, start=int(NOW) + CLOCK_SECONDS - 100, end=int(NOW) + CLOCK_SECONDS - 40)
    assert implausible([ahead], SPEC.resources, JOB.wall_seconds, NOW) == ""
    assert implausible([WRONG["starts in the future"]], SPEC.resources, JOB.wall_seconds, math.inf) == ""


def test_a_record_that_is_corrected_is_measured() -> None:
    """The job waits for it: no operator is needed once SLURM's record is right."""
    parked = observe(JOB, look(ended(State.COMPLETED, runs=(WRONG["ten years"],))), NOW, NOW)
    assert observe(parked, look(ended(State.COMPLETED, runs=(WRONG["ten years"],))), NOW + 60, NOW) == parked
    job = observe(parked, look(ended(State.COMPLETED, runs=(GOOD,))), NOW + 120, NOW)
    assert (job.parked, job.measured) == (None, True)


def test_a_date_ahead_waits_for_the_chains_clock() -> None:
    """After a start nothing is known of the time at the site: such a record is neither signed nor parked, and
    what is parked stays so."""
    seen = look(ended(State.COMPLETED, runs=(WRONG["starts in the future"],)))
    assert observe(JOB, seen, NOW, math.inf).usage is None
    parked = observe(JOB, seen, NOW, NOW)
    assert park_reason(observe(parked, seen, NOW, math.inf)) is ParkReason.IMPLAUSIBLE_RECORD
    # the chain's clock is that far ahead: ours was wrong
    assert observe(parked, seen, NOW, 2_000_000).measured


def test_an_operator_can_accept_it() -> None:
    """After unparking the record is reported as it is."""
    accepted = replace(JOB, record_accepted=True)
    job = observe(accepted, look(ended(State.COMPLETED, runs=(WRONG["500 nodes"],))), NOW, NOW)
    assert job.usage is not None
    assert job.usage.nodes_used == 500
