"""Kills, lost answers, lost ledgers, silent and lagging nodes, full sites: nothing twice, nothing lost."""

from dataclasses import replace

import pytest

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.job.lifecycle import MAX_ATTEMPTS, WAITING_WINDOW
from provider_daemon.job.parking import Parked, ParkReason
from provider_daemon.job.site_trouble import SiteTrouble
from provider_daemon.job.snapshot import Snapshot
from provider_daemon.ledger import listing
from provider_daemon.loops.chain_changes import SWEEP_SECONDS
from provider_daemon.loops.intake import Intake
from provider_daemon.loops.job_records import BATCH
from provider_daemon.loops.submission_pause import PAUSE_SECONDS
from provider_daemon.ports import SubmissionResult, Watch
from tests.fakes.chain import ALICE, cancel, job
from tests.unit.loops.conftest import TENANCY, House


class Killed(BaseException):
    """Ends a tick at once, as SIGKILL does."""


async def test_lost_answer_is_adopted_by_name(house: House) -> None:
    """sbatch succeeded and its answer was lost: the job is found, never submitted again."""
    house.scheduler.lose_answers = True
    await house.chain.send(ALICE, job())
    await house.round()
    house.restart()
    await house.round()
    house.chain.clock.time += 2 * WAITING_WINDOW
    await house.round()
    assert len(house.scheduler.orders) == 1
    assert await house.state() == "queued"


async def test_nothing_is_submitted_while_slurm_is_silent(house: House) -> None:
    """A failed look is no empty look: the tick fails, and the next one submits once."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    house.scheduler.down = True
    with pytest.raises(Transient):
        await house.advance.tick()
    assert house.scheduler.orders == []
    house.scheduler.down = False
    house.scheduler.complete = False
    await house.advance.tick()
    assert house.scheduler.orders == []
    house.scheduler.complete = True
    await house.advance.tick()
    await house.advance.tick()
    assert len(house.scheduler.orders) == 1


async def test_lost_ledger_looks_first(house: House) -> None:
    """With an empty ledger the job that runs in SLURM is found by its name."""
    await house.chain.send(ALICE, job())
    await house.round()
    house.scheduler.run()
    house.lose_ledger()
    house.open()
    await house.round()
    assert len(house.scheduler.orders) == 1
    assert await house.state() == "running"


async def test_lost_ledger_cancels_what_the_chain_ended(house: House) -> None:
    """The customer cancelled while nobody remembered the job: the SLURM job is found by its name and
    cancelled, its usage kept."""
    await house.chain.send(ALICE, job())
    await house.round()
    house.scheduler.run()
    house.lose_ledger()
    await house.chain.send(ALICE, cancel())
    house.open()
    await house.round()
    assert house.scheduler.cancelled == ["1"]
    await house.round()
    assert [row.status for row in house.ledger.messages_of("JOB-1")] == ["kept"]
    assert house.ledger.open_jobs("HPC-1") == []


async def test_kill_between_intent_and_act(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after the intent was written and before sbatch ran: one submission in the end, after the
    window."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()

    async def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(house.scheduler, "submit", killed)
    with pytest.raises(Killed):
        await house.advance.tick()
    monkeypatch.undo()
    house.restart()
    await house.round()
    assert house.scheduler.orders == []
    house.chain.clock.time += WAITING_WINDOW
    await house.round()
    assert len(house.scheduler.orders) == 1


async def test_a_lagging_node_loses_no_job(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job below the counter that the node does not have yet is set aside, and taken up at the next
    sweep."""
    await house.chain.send(ALICE, job())
    real = house.chain.client.job

    async def lagging(_: str) -> None:
        return None

    monkeypatch.setattr(house.chain.client, "job", lagging)
    await house.intake.tick()
    assert house.ledger.quarantined() == ["JOB-1"]
    monkeypatch.setattr(house.chain.client, "job", real)
    house.chain.clock.time += SWEEP_SECONDS
    await house.round()
    assert house.ledger.quarantined() == []
    assert await house.state() == "queued"


async def test_a_job_set_aside_hides_none_before_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all jobs are looked at again, as when a cluster is added, one that is set aside does not stand
    for those before it."""
    await house.chain.send(ALICE, job(), job())
    house.ledger.quarantine("JOB-2", "its record could not be read", 0)
    real = house.chain.client.job_counter

    async def lagging() -> int:
        return 1

    monkeypatch.setattr(house.chain.client, "job_counter", lagging)
    await house.intake.tick()
    monkeypatch.setattr(house.chain.client, "job_counter", real)
    await house.intake.tick()
    assert {opened.spec.job_id for opened in house.ledger.open_jobs("HPC-1")} == {"JOB-1", "JOB-2"}


async def test_an_offering_not_seen_yet_fails_no_job(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain took the job, so its offering exists: a node that does not have it yet is no reason to refuse
    the job."""
    await house.chain.send(ALICE, job())

    async def lagging(_: str) -> None:
        return None

    with monkeypatch.context() as patch:
        patch.setattr(house.chain.client, "offering", lagging)
        await house.round()
    assert await house.state() == "pending"
    house.chain.clock.time += SWEEP_SECONDS
    await house.round()
    assert await house.state() == "queued"


async def test_cancel_is_noticed_without_an_index(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that cannot search transactions is asked for the jobs themselves."""
    await house.chain.send(ALICE, job())
    await house.round()

    async def unindexed(_: int) -> frozenset[str]:
        raise Transient("transaction indexing is disabled")

    monkeypatch.setattr(house.chain.client, "cancelled_since", unindexed)
    await house.chain.send(ALICE, cancel())
    await house.round()
    assert house.scheduler.cancelled == ["1"]


async def test_one_bad_record_stops_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that cannot be read is set aside with its reason; the jobs beside it go on."""
    await house.chain.send(ALICE, job(), job())
    real = house.chain.client.job

    async def bad(job_id: str) -> object:
        if job_id == "JOB-1":
            raise Unreadable("the record of JOB-1 cannot be read")
        return await real(job_id)

    monkeypatch.setattr(house.chain.client, "job", bad)
    await house.round()
    assert house.ledger.quarantined() == ["JOB-1"]
    assert [opened.spec.job_id for opened in house.ledger.open_jobs("HPC-1")] == ["JOB-2"]


async def test_a_full_site_is_waited_for(house: House) -> None:
    """SLURM takes no more jobs of the account: nothing counts as tried, submissions pause, and go on when
    there is room."""
    house.scheduler.full = True
    await house.chain.send(ALICE, job())
    for _ in range(MAX_ATTEMPTS + 2):
        await house.round()
        house.chain.clock.time += PAUSE_SECONDS
    opened = house.ledger.open_jobs("HPC-1")[0]
    assert (opened.attempt, opened.intent_at, opened.parked) == (0, None, None)
    house.scheduler.full = False
    await house.round()
    assert await house.state() == "queued"


@pytest.mark.parametrize("doubtful", [False, True])
async def test_the_sites_trouble_uses_no_attempt(house: House, doubtful: bool) -> None:
    """StateSaveLocation is full, or slurmctld is lost on the way, for longer than five attempts last: no job
    is parked, and it runs."""
    words = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
    kind = {"unknown": words} if doubtful else {"deferral": "I/O error writing script/environment to file"}
    house.scheduler.trouble = SubmissionResult("", trouble=SiteTrouble.CONTROLLER, **kind)
    await house.chain.send(ALICE, job())
    for _ in range(2 * MAX_ATTEMPTS):
        await house.round()
        house.chain.clock.time += WAITING_WINDOW
    opened = house.ledger.open_jobs("HPC-1")[0]
    assert (opened.attempt, opened.parked) == (0, None)
    assert opened.sbatch_answer in kind.values()
    tried = house.scheduler.refused_orders
    assert len({order.directory for order in tried}) == len(tried) == 2 * MAX_ATTEMPTS
    house.scheduler.trouble = None
    await house.round()
    assert await house.state() == "queued"


async def test_a_parked_job_keeps_what_sbatch_said(house: House) -> None:
    """Five attempts that nobody understands: the reason holds the last answer, which is what the operator
    needs."""
    house.scheduler.trouble = SubmissionResult(
        "", unknown="sbatch ended with 1: sbatch: error: something of next year"
    )
    await house.chain.send(ALICE, job())
    for _ in range(MAX_ATTEMPTS + 1):
        await house.round()
        house.chain.clock.time += WAITING_WINDOW
    parked = house.ledger.open_jobs("HPC-1")[0].parked
    assert parked is not None
    assert parked.reason is ParkReason.NO_TRACE
    assert parked.detail.startswith("5 ")
    assert "something of next year" in parked.detail


async def test_a_cluster_that_is_served_later_gets_its_old_jobs(house: House) -> None:
    """Jobs that were passed over because nobody served their cluster are found when somebody does."""
    await house.chain.send(ALICE, job())
    stranger = replace(TENANCY, cluster_id="HPC-9")
    clock, client = house.chain.clock, house.chain.client
    await Intake(house.ledger, client, {"HPC-9": stranger}, clock, lambda: None).tick()
    assert listing.jobs(house.ledger) == ()
    await Intake(house.ledger, client, {"HPC-9": stranger, "HPC-1": TENANCY}, clock, lambda: None).tick()
    assert [found.spec.job_id for _, found in listing.jobs(house.ledger)] == ["JOB-1"]


async def test_a_counter_that_went_back_is_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lagging node, or a chain that began anew under the same id, is a failed tick and not silence."""
    await house.chain.send(ALICE, job())
    await house.round()

    async def began_anew() -> int:
        return 1

    monkeypatch.setattr(house.chain.client, "job_counter", began_anew)
    with pytest.raises(Transient, match="counter is 1, and was 2 before"):
        await house.intake.tick()


async def test_a_counter_beyond_all_jobs(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A counter that a node made up fills neither memory nor ledger, and what is there by then is taken."""
    await house.chain.send(ALICE, job())

    async def wild() -> int:
        return 2**63

    with monkeypatch.context() as patch:
        patch.setattr(house.chain.client, "job_counter", wild)
        with pytest.raises(Transient, match="JOB-65 to JOB-128"):
            await house.intake.tick()
    assert [opened.spec.job_id for opened in house.ledger.open_jobs("HPC-1")] == ["JOB-1"]
    assert len(house.ledger.quarantined()) == BATCH - 1


async def test_unparked_while_slurm_is_asked(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that the operator's word changed holds: the look, which began before it, brings nothing of the old
    row back."""
    await house.chain.send(ALICE, job())
    await house.round()
    known = house.ledger.job("JOB-1")
    assert known is not None
    with house.ledger.write():
        house.ledger.save_job(
            replace(
                known, parked=Parked(ParkReason.SEVERAL, "waits for somebody"), missing_since=5.0, attempt=3
            )
        )
    ask = house.scheduler.snapshot

    async def snapshot(watch: Watch) -> Snapshot:
        with house.ledger.write():
            house.ledger.unpark("JOB-1", forgo_gpus=True)
        return await ask(watch)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(house.scheduler, "snapshot", snapshot)
        await house.advance.tick()
    found = house.ledger.job("JOB-1")
    assert found is not None
    assert (found.parked, found.missing_since, found.attempt, found.gpus_forgone) == (None, None, 0, True)
