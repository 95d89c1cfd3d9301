"""A job's way through the loops, and what kills, lost answers and customers do to it."""

import pytest

from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.errors import Transient, Unreadable
from provider_daemon.job.lifecycle import MAX_ATTEMPTS, WAITING_WINDOW
from provider_daemon.job.state import State
from provider_daemon.loops.advance import FULL_PAUSE
from provider_daemon.loops.intake import SWEEP_SECONDS
from tests.fakes.chain import ALICE, PROVIDER, job, report
from tests.unit.loops.conftest import House


class Killed(BaseException):
    """Ends a tick at once, as SIGKILL does."""


def cancel(job_id: str = "JOB-1") -> tx_pb2.MsgCancelJob:
    return tx_pb2.MsgCancelJob(requester_address=ALICE.address, job_id=job_id, reason="enough")


async def test_from_chain_to_slurm_and_back(house: House) -> None:
    """Pending, queued, running, completed; the customer pays what was measured; the job is closed."""
    before = await house.chain.client.balance(ALICE.address, "uvirt")
    await house.chain.send(ALICE, job())
    await house.round()
    assert await house.state() == "queued"
    house.scheduler.run()
    await house.round()
    assert await house.state() == "running"
    house.scheduler.end(State.COMPLETED)
    await house.round()
    assert await house.state() == "completed"
    assert await house.chain.client.balance(ALICE.address, "uvirt") == before - 90_000
    await house.advance.tick()
    assert house.ledger.open_jobs("HPC-1") == []


async def test_seen_late(house: House) -> None:
    """A job that ended between two looks is reported through every state, in one transaction."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    await house.advance.tick()
    house.scheduler.run()
    house.scheduler.end(State.FAILED, exit_code=3)
    await house.advance.tick()
    await house.report()
    record = await house.chain.client.job("JOB-1")
    assert record is not None
    assert (record.state, record.exit_code) == (State.FAILED, 3)
    assert record.started_at
    assert len(house.ledger.last_txs(10)) == 1


async def test_inadmissible(house: House) -> None:
    """What the site cannot run never reaches SLURM, and the customer reads why."""
    await house.chain.send(ALICE, job(queue_name="nowhere"))
    await house.round()
    record = await house.chain.client.job("JOB-1")
    assert record is not None
    assert (record.state, record.status_message) == (State.FAILED, "unknown queue 'nowhere': this offering has standard")
    assert house.scheduler.orders == []


async def test_newline_in_an_argument(house: House) -> None:
    """A value that no script can hold safely fails the job with a reason, and nothing is submitted."""
    spec = types_pb2.JobWorkloadSpec(container_image="alpine:3", command="echo", arguments=["a\nb"])
    await house.chain.send(ALICE, job(workload_spec=spec))
    await house.round()
    record = await house.chain.client.job("JOB-1")
    assert record is not None
    assert record.state is State.FAILED
    assert "newline" in record.status_message.lower()
    assert house.scheduler.orders == []


async def test_refused_by_sbatch(house: House) -> None:
    """SLURM's final no is the customer's to read."""
    house.scheduler.refusal = "SLURM refused it: no node has so much memory"
    await house.chain.send(ALICE, job())
    await house.round()
    assert await house.state() == "failed"


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
    house.ledger.close()
    for suffix in ("", "-wal", "-shm"):
        house.path.with_name(house.path.name + suffix).unlink(missing_ok=True)
    house.open()
    await house.round()
    assert len(house.scheduler.orders) == 1
    assert await house.state() == "running"


async def test_lost_ledger_cancels_what_the_chain_ended(house: House) -> None:
    """The customer cancelled while nobody remembered the job: the SLURM job is found by its name and cancelled, its usage kept."""
    await house.chain.send(ALICE, job())
    await house.round()
    house.scheduler.run()
    house.ledger.close()
    for suffix in ("", "-wal", "-shm"):
        house.path.with_name(house.path.name + suffix).unlink(missing_ok=True)
    await house.chain.send(ALICE, cancel())
    house.open()
    await house.round()
    assert house.scheduler.cancelled == ["1"]
    await house.round()
    assert [row["status"] for row in house.ledger.messages_of("JOB-1")] == ["kept"]
    assert house.ledger.open_jobs("HPC-1") == []


async def test_cancelled_before_it_was_seen(house: House) -> None:
    """A job that its customer cancelled at once is never submitted, and closes at the first complete look."""
    await house.chain.send(ALICE, job(), cancel())
    await house.round()
    assert house.scheduler.orders == []
    assert house.ledger.open_jobs("HPC-1") == []


async def test_kill_between_intent_and_act(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after the intent was written and before sbatch ran: one submission in the end, after the window."""
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


async def test_cancelled_by_customer(house: House) -> None:
    """The SLURM job is cancelled, nothing more is reported, and the signed usage is kept."""
    await house.chain.send(ALICE, job())
    await house.round()
    house.scheduler.run()
    await house.round()
    await house.chain.send(ALICE, cancel())
    await house.round()
    assert house.scheduler.cancelled == ["1"]
    await house.round()
    assert await house.state() == "cancelled"
    assert [row["status"] for row in house.ledger.messages_of("JOB-1")] == ["confirmed", "confirmed", "kept"]
    assert house.ledger.open_jobs("HPC-1") == []


async def test_cancel_overtakes_a_report(house: House) -> None:
    """A report that the chain no longer takes is dropped, and the rest of its transaction goes on."""
    await house.chain.send(ALICE, job(), job())
    await house.intake.tick()
    await house.advance.tick()
    await house.chain.send(ALICE, cancel())
    await house.report()
    assert await house.state("JOB-2") == "queued"
    assert [row["status"] for row in house.ledger.messages_of("JOB-1")] == ["dropped"]
    await house.round()
    assert house.scheduler.cancelled == ["1"]


async def test_cancel_between_simulation_and_block(house: House) -> None:
    """A message that fails in the block is found by its index; the other job's report lands with the next transaction."""
    await house.chain.send(ALICE, job(), job())
    await house.intake.tick()
    await house.advance.tick()
    assert (await house.chain.check(ALICE, cancel())).ok
    await house.outbox.tick()
    house.chain.block()
    await house.outbox.tick()
    await house.report()
    assert await house.state("JOB-2") == "queued"
    assert [row["status"] for row in house.ledger.last_txs(10)] == ["included", "failed"]


async def test_chain_timeout(house: House) -> None:
    """What the chain ended by its own clock is cancelled in SLURM."""
    await house.chain.send(ALICE, job())
    await house.round()
    house.scheduler.run()
    await house.round()
    house.chain.block(seconds=700)
    await house.round()
    assert await house.state() == "timeout"
    assert house.scheduler.cancelled == ["1"]


async def test_many_jobs_share_a_transaction(house: House) -> None:
    """Sixty reports are one transaction."""
    for _ in range(6):
        assert (await house.chain.send(ALICE, *(job() for _ in range(10)), gas_limit=20_000_000, fee=500_000)).ok
    await house.round()
    (tx,) = house.ledger.last_txs(10)
    assert (tx["status"], tx["messages"]) == ("included", 60)


async def test_foreign_report_does_no_harm(house: House) -> None:
    """Somebody else with the provider's key reports first: ours is dropped as already true, and the sequence is taken anew."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    await house.advance.tick()
    await house.chain.send(PROVIDER, report("queued"))
    await house.report()
    house.scheduler.run()
    await house.round()
    assert await house.state() == "running"


async def test_expired_transaction_is_made_anew(house: House) -> None:
    """A transaction that a restarted node forgot is given up after its timeout height, and its reports land with the next one."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    await house.advance.tick()
    await house.outbox.tick()
    opened = house.ledger.open_tx(PROVIDER.address)
    assert opened is not None
    house.chain.forget_mempool()
    for _ in range(house.settings.timeout_blocks + 3):
        house.chain.block()
    await house.outbox.tick()
    assert [row["status"] for row in house.ledger.last_txs(10)] == ["open", "expired"]
    house.chain.block()
    await house.outbox.tick()
    assert await house.state() == "queued"


async def test_same_bytes_are_sent_again(house: House) -> None:
    """Killed after storing and before sending: the stored bytes go out at the next start."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    await house.advance.tick()
    await house.outbox.tick()
    house.chain.forget_mempool()
    house.restart()
    await house.report()
    assert await house.state() == "queued"
    assert [row["status"] for row in house.ledger.last_txs(10)] == ["included"]


async def test_heartbeats_count_the_nodes(house: House) -> None:
    """Every node is on chain as <cluster>.<host>, and an offline cluster is made active again."""
    await house.heartbeat.tick()
    await house.report()
    node = await house.chain.client.query.node("alpha.n1")
    assert node is not None
    assert node.resources.cpu_cores == 16
    house.chain.block(seconds=400)
    cluster = await house.chain.client.cluster("HPC-1")
    assert cluster is not None
    assert cluster.state == "offline"
    await house.heartbeat.tick()
    await house.report()
    cluster = await house.chain.client.cluster("HPC-1")
    assert cluster is not None
    assert (cluster.state, cluster.available_nodes) == ("active", 2)


async def test_more_nodes_than_the_chain_thinks(house: House) -> None:
    """total_nodes is raised to what is there, or every later update of the cluster would be refused."""
    house.scheduler.hosts = 6
    await house.heartbeat.tick()
    await house.report()
    cluster = await house.chain.client.cluster("HPC-1")
    assert cluster is not None
    assert (cluster.total_nodes, cluster.available_nodes) == (6, 6)


async def test_a_lagging_node_loses_no_job(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job below the counter that the node does not have yet is set aside, and taken up at the next sweep."""
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


async def test_an_offering_not_seen_yet_fails_no_job(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain took the job, so its offering exists: a node that does not have it yet is no reason to refuse the job."""
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
    """SLURM takes no more jobs of the account: nothing counts as tried, submissions pause, and go on when there is room."""
    house.scheduler.full = True
    await house.chain.send(ALICE, job())
    for _ in range(MAX_ATTEMPTS + 2):
        await house.round()
        house.chain.clock.time += FULL_PAUSE
    opened = house.ledger.open_jobs("HPC-1")[0]
    assert (opened.attempt, opened.intent_at, opened.parked) == (0, None, "")
    house.scheduler.full = False
    await house.round()
    assert await house.state() == "queued"
