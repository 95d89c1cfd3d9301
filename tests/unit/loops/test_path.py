"""A job's way through the loops, from its submission to its bill."""

from dataclasses import replace

from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.job.state import State
from provider_daemon.loops.intake import Intake
from tests.fakes.chain import ALICE, cancel, job
from tests.unit.loops.conftest import TENANCY, House


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


async def test_a_job_of_another_provider(house: House) -> None:
    """A cluster that the chain gives to another key is not served, whatever the configuration says: its jobs
    are passed over."""
    await house.chain.send(ALICE, job())
    elsewhere = replace(TENANCY, signer=ALICE)
    await Intake(
        house.ledger, house.chain.client, {"HPC-1": elsewhere}, house.chain.clock, lambda: None
    ).tick()
    assert house.ledger.job("JOB-1") is None


async def test_inadmissible(house: House) -> None:
    """What the site cannot run never reaches SLURM, and the customer reads why."""
    await house.chain.send(ALICE, job(queue_name="nowhere"))
    await house.round()
    record = await house.chain.client.job("JOB-1")
    assert record is not None
    assert (record.state, record.status_message) == (
        State.FAILED,
        "unknown queue 'nowhere': this offering has standard",
    )
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


async def test_cancelled_before_it_was_seen(house: House) -> None:
    """A job that its customer cancelled at once is never submitted, and closes at the first complete look."""
    await house.chain.send(ALICE, job(), cancel())
    await house.round()
    assert house.scheduler.orders == []
    assert house.ledger.open_jobs("HPC-1") == []


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
    assert [row.status for row in house.ledger.messages_of("JOB-1")] == ["confirmed", "confirmed", "kept"]
    assert house.ledger.open_jobs("HPC-1") == []


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


async def test_cancelled_after_the_last_word_was_stored(house: House) -> None:
    """The job ended, and its customer cancelled before the chain heard of it: the signed report that is
    refused is kept as evidence."""
    await house.chain.send(ALICE, job())
    await house.round()
    house.scheduler.run()
    house.scheduler.end(State.COMPLETED)
    await house.advance.tick()
    await house.chain.send(ALICE, cancel())
    await house.round()
    kept = [row.state for row in house.ledger.messages_of("JOB-1") if row.status == "kept"]
    assert kept == ["completed"]
    assert await house.state() == "cancelled"
