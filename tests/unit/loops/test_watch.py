"""What SLURM is asked about, and how far back."""

from dataclasses import replace

from provider_daemon.job.state import State
from provider_daemon.loops.watched_jobs import watch
from tests.unit.job.jobs import JOB

CREATED = 2_000_000_000


def test_what_a_job_is_recognised_by() -> None:
    """Its id with the submit time that was seen; without an id its name, and after an intent its batch
    script."""
    known, sent, new = (replace(JOB, spec=replace(JOB.spec, job_id=f"JOB-{number}")) for number in (1, 2, 3))
    known, sent = replace(known, slurm_id="7", submitted_at=900), replace(sent, intent_at=950.0)
    asked = watch([known, sent, new])
    assert (asked.slurm_ids, asked.submitted) == ({known.name: "7"}, {known.name: 900})
    assert (asked.intents, asked.doubtful) == (frozenset({sent.name}), frozenset({sent.name, new.name}))
    assert watch([replace(known, submitted_at=0)]).submitted == {}


def test_a_job_that_another_ledger_submitted_is_searched_by_its_script() -> None:
    """The chain shows it in SLURM, and this ledger has no id: it may have renamed itself, too."""
    pending, queued, running = (
        replace(JOB, spec=replace(JOB.spec, job_id=f"JOB-{number}"), reported=state)
        for number, state in enumerate((State.PENDING, State.QUEUED, State.RUNNING))
    )
    assert watch([pending, queued, running]).intents == {queued.name, running.name}


def test_a_site_whose_clock_is_hours_behind() -> None:
    """Its records look older than the chain's job. Passed over as an earlier job's, each would seem absent,
    and be submitted twice."""
    job = replace(JOB, spec=replace(JOB.spec, created_ns=CREATED * 10**9))
    assert watch([job]).since <= CREATED - 6 * 3600
