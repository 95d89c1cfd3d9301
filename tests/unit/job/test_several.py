"""Several SLURM jobs under one of our names."""

from dataclasses import replace

import pytest

from provider_daemon.job.lifecycle import Cancel, decide, observe
from provider_daemon.job.naming import public_name
from provider_daemon.job.parking import ParkReason
from provider_daemon.job.snapshot import Phase, Sighting, Snapshot
from provider_daemon.job.state import State
from tests.unit.job.jobs import JOB, NOW, ended, park_reason

SECRET = "ve-0123456789abcdef0123-JOB-1"
SENT = replace(JOB, slurm_name=SECRET, intent_at=NOW - 100, attempt=1)


def sighting(slurm_id: str, submitted_at: int, phase: Phase = Phase.RUNNING, name: str = SECRET) -> Sighting:
    return Sighting(slurm_id, name, phase, phase.name, submitted_at=submitted_at)


def look(*sightings: Sighting, complete: bool = True) -> Snapshot:
    found: dict[str, tuple[Sighting, ...]] = {}
    for seen in sightings:
        found[seen.name] = (*found.get(seen.name, ()), seen)
    return Snapshot(NOW, complete, found)


def test_the_earliest_is_ours() -> None:
    """The answer was lost, and a thief who read the name submitted under it: nobody knew the name before our
    job was in SLURM."""
    job = observe(SENT, look(sighting("7", 910), sighting("8", 920)), NOW)
    assert (job.slurm_id, job.submitted_at, job.parked, job.state) == ("7", 910, None, State.RUNNING)


def test_the_earliest_is_ours_though_it_has_ended() -> None:
    """The thief's job is alive and ours is over: the record of ours counts."""
    over = replace(ended(State.FAILED, exit_code=3), slurm_id="7", name=SECRET, submitted_at=910)
    job = observe(SENT, look(over, sighting("8", 920)), NOW)
    assert (job.slurm_id, job.state, job.measured) == ("7", State.FAILED, True)


@pytest.mark.parametrize(
    ("job", "snapshot"),
    [
        (SENT, look(sighting("7", 910), sighting("8", 910))),
        (SENT, look(sighting("7", 0), sighting("8", 920))),
        (
            replace(SENT, slurm_name=""),
            look(
                sighting("7", 910, name=public_name(JOB.spec)), sighting("8", 920, name=public_name(JOB.spec))
            ),
        ),
    ],
)
def test_what_cannot_be_proven_is_parked(job: object, snapshot: Snapshot) -> None:
    """The same second, no submit time, a public name: an operator decides."""
    assert isinstance(job, type(SENT))
    assert park_reason(observe(job, snapshot, NOW)) is ParkReason.SEVERAL


def test_an_answer_that_is_not_whole_is_waited_for() -> None:
    """slurmdbd may know of an earlier one: nothing is adopted, submitted or cancelled."""
    snapshot = look(sighting("7", 910), sighting("8", 920), complete=False)
    assert observe(SENT, snapshot, NOW) == replace(SENT, submitted_at=910)
    assert decide(observe(SENT, snapshot, NOW), snapshot) is None


def test_the_one_that_is_left_need_not_be_ours() -> None:
    """Several were seen, and slurmctld has forgotten one before slurmdbd has its record: the rest waits for a
    complete snapshot, which shows that ours has ended."""
    job = observe(SENT, look(sighting("7", 910), sighting("8", 920), complete=False), NOW)
    left = look(sighting("8", 920), complete=False)
    job = observe(job, left, NOW)
    assert (job.slurm_id, decide(job, left)) == ("", None)
    over = replace(ended(State.FAILED, exit_code=3), slurm_id="7", name=SECRET, submitted_at=910)
    job = observe(job, look(over, sighting("8", 920)), NOW)
    assert (job.slurm_id, job.submitted_at, job.state) == ("7", 910, State.FAILED)


def test_a_requeue_does_not_make_ours_the_later_one() -> None:
    """What counts is when a SLURM job was submitted first."""
    requeued = replace(sighting("7", 990), first_submitted_at=910)
    assert observe(SENT, look(requeued, sighting("8", 920)), NOW).slurm_id == "7"


def test_a_known_id_is_followed_whatever_else_has_the_name() -> None:
    """Thieves do not hold up the cancel, and not the end of a job whose own record is gone."""
    job = replace(SENT, slurm_id="8", submitted_at=920, state=State.RUNNING, reported=State.CANCELLED)
    snapshot = look(sighting("7", 910), sighting("8", 920), sighting("9", 930))
    assert decide(observe(job, snapshot, NOW), snapshot) == Cancel("8")
    gone = replace(job, missing_since=NOW - 10)
    assert observe(gone, look(sighting("9", 930)), NOW).closed_at == NOW
