"""A site that accepts no submissions: what waits, what is tried again, and what is reported of it."""

from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from provider_daemon.job.site_trouble import SiteTrouble
from provider_daemon.loops.submission_pause import PAUSE_SECONDS, SubmissionPause
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import SubmissionResult
from tests.fakes.chain import FakeClock

STORAGE = SubmissionResult(
    "ve-1", deferral="I/O error writing script/environment to file", trouble=SiteTrouble.STORAGE
)
DRAINED = SubmissionResult(
    "ve-1", deferral="Required partition not available (inactive or drain)", trouble=SiteTrouble.QUEUE
)
LOST = SubmissionResult(
    "ve-1", unknown="sbatch ended with 1: Socket timed out", trouble=SiteTrouble.CONTROLLER
)
ACCEPTED = SubmissionResult("ve-1", slurm_id="7")


def made() -> tuple[SubmissionPause, FakeClock, OngoingProblems]:
    clock, ongoing = FakeClock(), OngoingProblems()
    return SubmissionPause("alpha", clock, ongoing), clock, ongoing


def tick(pause: SubmissionPause, *jobs: tuple[str, str]) -> list[str]:
    """The jobs (id, queue) that may be submitted in one tick."""
    pause.begin_tick()
    return [job_id for job_id, queue in jobs if pause.admits(job_id, queue)]


def test_nothing_is_tried_during_the_pause_and_then_one_job() -> None:
    """One job finds out whether the site accepts again; the others follow when it does."""
    pause, clock, _ = made()
    jobs = (("JOB-1", "standard"), ("JOB-2", "standard"), ("JOB-3", "gpu"))
    assert tick(pause, *jobs) == ["JOB-1", "JOB-2", "JOB-3"]
    pause.note("JOB-1", "standard", STORAGE)
    assert tick(pause, *jobs) == []
    clock.time += PAUSE_SECONDS
    assert tick(pause, *jobs) == ["JOB-2"]
    pause.note("JOB-2", "standard", ACCEPTED)
    assert tick(pause, *jobs) == ["JOB-1", "JOB-2", "JOB-3"]


def test_every_job_gets_its_turn() -> None:
    """A job that cannot be accepted never keeps the others from being tried."""
    pause, clock, _ = made()
    jobs = (("JOB-1", "standard"), ("JOB-2", "standard"))
    tried = []
    for _ in range(5):
        tried += (found := tick(pause, *jobs)[:1])
        pause.note(found[0], "standard", LOST)
        assert tick(pause, *jobs) == []
        clock.time += PAUSE_SECONDS
    assert tried == ["JOB-1", "JOB-2", "JOB-1", "JOB-2", "JOB-1"]


def test_a_drained_partition_stops_its_own_queue_alone() -> None:
    """Jobs of other queues are submitted meanwhile, and their success says nothing of it."""
    pause, clock, ongoing = made()
    tick(pause, ("JOB-1", "standard"), ("JOB-4", "standard"))
    pause.note("JOB-1", "standard", DRAINED)
    assert tick(pause, ("JOB-1", "standard"), ("JOB-4", "standard"), ("JOB-2", "gpu"), ("JOB-3", "gpu")) == [
        "JOB-2",
        "JOB-3",
    ]
    pause.note("JOB-2", "gpu", ACCEPTED)
    assert ongoing.lasting() == [("submissions_paused", "alpha/standard")]
    clock.time += PAUSE_SECONDS
    assert tick(pause, ("JOB-1", "standard"), ("JOB-4", "standard"), ("JOB-3", "gpu")) == ["JOB-4", "JOB-3"]


def test_it_is_one_trouble_with_slurms_words() -> None:
    """Logged when it begins and when it ends, not for each job; shown as a trouble of the cluster
    meanwhile."""
    pause, _, ongoing = made()
    with capture_logs() as logs:
        for number in range(50):
            pause.note(f"JOB-{number}", "standard", STORAGE)
        assert ongoing.lasting() == [("submissions_paused", "alpha")]
        pause.note(
            "JOB-1",
            "standard",
            SubmissionResult("ve-1", refusal="SLURM refused it: Invalid qos specification"),
        )
    assert [(entry["event"], entry.get("trouble")) for entry in logs] == [
        ("submissions_paused", "storage"),
        ("submissions_resumed", None),
    ]
    assert "I/O error writing script" in logs[0]["why"]
    assert ongoing.lasting() == []


def test_an_answer_that_says_nothing_of_the_site_changes_nothing() -> None:
    """A lost answer neither begins a pause nor ends one."""
    pause, clock, ongoing = made()
    pause.note("JOB-1", "standard", SubmissionResult("ve-1", unknown="its answer did not arrive"))
    assert ongoing.lasting() == []
    tick(pause, ("JOB-1", "standard"), ("JOB-2", "standard"))
    pause.note("JOB-1", "standard", STORAGE)
    pause.note("JOB-2", "standard", SubmissionResult("ve-2", unknown="its answer did not arrive"))
    clock.time += PAUSE_SECONDS
    assert tick(pause, ("JOB-1", "standard"), ("JOB-2", "standard")) == ["JOB-2"]


def test_a_site_and_a_queue_that_are_paused_at_once_both_end() -> None:
    """Each of the two pauses has tried the jobs that the other one has not: one of them is tried all the
    same."""
    pause, clock, _ = made()
    jobs = (("JOB-1", "standard"), ("JOB-2", "standard"))
    tick(pause, *jobs)
    pause.note("JOB-1", "standard", STORAGE)
    pause.note("JOB-2", "standard", DRAINED)
    clock.time += PAUSE_SECONDS
    assert tick(pause, *jobs) == ["JOB-1"]


QUEUES = {"JOB-1": "standard", "JOB-2": "standard", "JOB-3": "gpu", "JOB-4": "gpu"}
ANSWERS = st.sampled_from(
    (STORAGE, DRAINED, LOST, ACCEPTED, SubmissionResult("ve-1", unknown="ssh: connection lost"))
)


@given(
    st.lists(st.tuples(st.sampled_from(sorted(QUEUES)), ANSWERS), max_size=12),
    st.lists(st.booleans(), max_size=12),
)
def test_a_site_that_accepts_again_gets_every_job(
    answers: list[tuple[str, SubmissionResult]], ticks: list[bool]
) -> None:
    """Whatever it answered before, and in which order: within two pauses a job, each was submitted."""
    pause, clock, _ = made()
    for (job_id, answer), ticked in zip(answers, [*ticks, *[False] * len(answers)], strict=False):
        pause.note(job_id, QUEUES[job_id], answer)
        clock.time += PAUSE_SECONDS
        if ticked:
            tick(pause, *QUEUES.items())
    left = dict(QUEUES)
    for _ in range(2 * len(QUEUES)):
        clock.time += PAUSE_SECONDS
        for job_id in tick(pause, *left.items()):
            pause.note(job_id, left.pop(job_id), ACCEPTED)
    assert not left
