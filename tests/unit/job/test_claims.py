"""A SLURM job without its job's claim ran nothing: it ends no job, and the job's own one is followed."""

from dataclasses import replace

import pytest

from provider_daemon.job.claim import CLAIMED, UNCLAIMED, Claim
from provider_daemon.job.job import Job
from provider_daemon.job.lifecycle import (
    MAX_UNCLAIMED,
    MISSING_PATIENCE,
    WAITING_WINDOW,
    Submit,
    decide,
    intend,
    observe,
)
from provider_daemon.job.own_slurm_job import CLAIM_SECONDS
from provider_daemon.job.parking import ParkReason
from provider_daemon.job.snapshot import Phase, Run, Sighting
from provider_daemon.job.state import State
from tests.unit.job.jobs import JOB, NOW, ended, look, park_reason, seen

WINNER = Claim("7", "/work/own")
DUPLICATE = ended(State.FAILED, slurm_id="8", exit_code=CLAIMED, duplicate=WINNER, submitted_at=900)
UNABLE = ended(State.FAILED, slurm_id="8", exit_code=UNCLAIMED, unclaimed=True)
SENT = replace(intend(JOB, NOW - 100), slurm_id="8", state=State.QUEUED, directory="/work/other")
LATER = NOW + WAITING_WINDOW


def test_a_duplicate_is_no_end() -> None:
    """It is not measured, and the SLURM job that has the claim is searched for."""
    job = observe(SENT, look(DUPLICATE), NOW)
    assert (job.state, job.usage, job.slurm_id, job.parked) == (State.QUEUED, None, "", None)
    assert (job.duplicate_of, job.directory, job.attempt) == ("7", "/work/own", 1)
    assert decide(job, look(DUPLICATE)) is None


@pytest.mark.parametrize(
    "winner", [seen(Phase.RUNNING, submitted_at=950), ended(State.COMPLETED, submitted_at=950)]
)
def test_the_slurm_job_with_the_claim_is_followed(winner: Sighting) -> None:
    """Even if it was submitted later than the duplicate, or a third one waits."""
    third = seen(Phase.WAITING, slurm_id="9", submitted_at=800)
    snapshot = look(DUPLICATE, winner, third)
    job = observe(observe(SENT, look(DUPLICATE), NOW), snapshot, NOW)
    assert (job.slurm_id, job.parked) == ("7", None)
    assert job.state is (State.COMPLETED if winner.final else State.RUNNING)


def test_a_duplicate_of_nothing_in_sight_is_parked() -> None:
    """The job has run, and its result is not guessed; an incomplete poll decides nothing."""
    job = observe(SENT, look(DUPLICATE), NOW)
    assert observe(job, look(DUPLICATE, complete=False), NOW) == job
    parked = observe(job, look(DUPLICATE, at=LATER), LATER)
    assert park_reason(parked) is ParkReason.DUPLICATE
    assert decide(parked, look(DUPLICATE, at=LATER)) is None


def test_a_lost_ledger_finds_the_duplicate_by_name() -> None:
    """It submits nothing."""
    job = replace(JOB, claims=True)
    assert park_reason(observe(job, look(DUPLICATE), NOW)) is ParkReason.DUPLICATE
    assert decide(job, look(DUPLICATE)) is None
    assert observe(job, look(DUPLICATE, seen(Phase.RUNNING)), NOW).slurm_id == "7"


def test_an_odd_claim_is_the_operators() -> None:
    """Nobody knows whether the job has run."""
    odd = replace(DUPLICATE, duplicate=Claim("", ""))
    job = observe(observe(SENT, look(odd), NOW), look(odd), NOW)
    assert park_reason(job) is ParkReason.DUPLICATE


@pytest.mark.parametrize("reported", [State.PENDING, State.QUEUED, State.RUNNING])
def test_a_job_that_could_not_be_claimed_is_submitted_again(reported: State) -> None:
    """After the waiting window and whatever was reported, as nothing ran; no attempt is counted."""
    job = observe(replace(SENT, reported=reported), look(UNABLE), NOW)
    assert (job.slurm_id, job.attempt, job.unclaimed, job.usage) == ("", 0, ("8",), None)
    assert decide(job, look(UNABLE, at=LATER - 1)) is None
    assert decide(job, look(UNABLE, at=LATER, complete=False)) is None
    job = observe(job, look(UNABLE, at=LATER), LATER)
    assert decide(job, look(UNABLE, at=LATER)) == Submit()


def test_a_job_that_waits_for_its_next_submission_is_not_missing() -> None:
    """However long the site accepts nothing."""
    job = observe(replace(SENT, reported=State.RUNNING), look(UNABLE), NOW)
    for at in (LATER, LATER + MISSING_PATIENCE + 1):
        job = observe(job, look(UNABLE, at=at), at)
    assert (job.parked, decide(job, look(UNABLE, at=at))) == (None, Submit())


def test_a_job_that_the_chain_ended_is_not_submitted_again() -> None:
    """Nothing of it is left in SLURM, so it is closed."""
    job = observe(replace(SENT, reported=State.CANCELLED), look(UNABLE), NOW)
    job = observe(job, look(UNABLE, at=LATER), LATER)
    assert (decide(job, look(UNABLE, at=LATER)), job.closed_at) == (None, LATER)


def test_a_claim_that_appears_is_the_jobs_own() -> None:
    """The login node saw the directory as it was before: the program itself ended with that code."""
    job = observe(SENT, look(UNABLE), NOW)
    own = replace(UNABLE, unclaimed=False, runs=(Run(5, 4, 8192, 1, start=900, end=905),))
    job = observe(job, look(own, at=LATER), LATER)
    assert (job.slurm_id, job.state, job.exit_code) == ("8", State.FAILED, UNCLAIMED)


@pytest.mark.parametrize(
    ("job", "run"),
    [
        (replace(SENT, unclaimed=tuple("1234")), UNABLE),
        (SENT, replace(UNABLE, elapsed=CLAIM_SECONDS + 1)),
    ],
)
def test_claims_that_keep_failing_are_the_operators(job: Job, run: Sighting) -> None:
    """So is a SLURM job that ran for long: a customer may have removed the claim."""
    assert len(job.unclaimed) in (0, MAX_UNCLAIMED - 1)
    assert park_reason(observe(job, look(run), NOW)) is ParkReason.UNCLAIMED


def test_a_job_of_an_older_version_has_no_claim() -> None:
    """Its exit code is the program's own. Once submitted again it has one."""
    old = replace(SENT, claims=False)
    own = replace(UNABLE, runs=(Run(5, 4, 8192, 1, start=900, end=905),))
    assert observe(old, look(own), NOW).exit_code == UNCLAIMED
    assert intend(old, NOW).claims


def test_a_slurm_job_counts_once() -> None:
    """squeue may show it again while sacct is down: it is adopted by name, and found out again."""
    job = observe(SENT, look(UNABLE), NOW)
    job = observe(job, look(seen(Phase.ENDING, slurm_id="8"), complete=False), NOW)
    assert job.slurm_id == "8"
    assert observe(job, look(UNABLE), NOW).unclaimed == ("8",)


ALONE = replace(JOB, claims=True, intent_at=NOW - 100, attempt=1, directory="/work/second")
STRANGER = ended(State.COMPLETED, slurm_id="9", submitted_at=950, directory="/work/first")
FIRST = replace(UNABLE, submitted_at=900, directory="/work/first")


def test_a_strangers_job_under_the_name_is_not_the_jobs_own() -> None:
    """The name could be read once a SLURM job had it. While the stranger's lives it may claim the job yet; it
    ended without, so nothing of the job has run."""
    live = look(FIRST, seen(Phase.RUNNING, slurm_id="9", submitted_at=950), at=LATER)
    job = observe(ALONE, live, LATER)
    assert (job, decide(job, live)) == (ALONE, None)
    for job in (ALONE, replace(SENT, slurm_id="", directory="/work/first")):
        over = look(FIRST, STRANGER, at=LATER)
        job = observe(job, over, LATER)
        assert (job.slurm_id, job.usage, job.unclaimed, job.parked) == ("", None, ("8",), None)
        assert decide(job, over) == Submit()


@pytest.mark.parametrize("phase", [Phase.WAITING, Phase.RUNNING])
def test_the_next_submission_is_known_by_its_directory(phase: Phase) -> None:
    """Its answer was lost; nobody else could know the directory before it was in SLURM."""
    own = seen(phase, slurm_id="10", submitted_at=960, directory="/work/second")
    assert observe(ALONE, look(FIRST, STRANGER, own), NOW).slurm_id == "10"


def test_a_job_of_the_name_that_ran_for_long_is_the_operators() -> None:
    """It may be the job's own, and have removed its claim; the ledger that knew its id is lost."""
    long = look(FIRST, replace(STRANGER, elapsed=CLAIM_SECONDS + 1), at=LATER)
    job = observe(ALONE, long, LATER)
    assert (park_reason(job), decide(job, long)) == (ParkReason.SEVERAL, None)
    assert observe(ALONE, replace(long, complete=False), LATER) == ALONE
    assert observe(replace(ALONE, reported=State.CANCELLED), long, LATER).closed_at == LATER
