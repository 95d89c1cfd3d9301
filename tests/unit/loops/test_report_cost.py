"""Jobs whose reports are too dear: nothing runs for nothing, the answer is worth its gas, and the ledger
stays small."""

from dataclasses import replace

from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.job.hold import EXPLAINED, Hold
from provider_daemon.job.report_cost import ReportGasLimits
from provider_daemon.job.state import State
from provider_daemon.ledger import figures, listing, meta
from provider_daemon.loops.intake import Intake
from provider_daemon.status.overview import lines
from tests.fakes.chain import ALICE, job
from tests.unit.loops.conftest import TENANCY, House

LIMITS = ReportGasLimits(3_000_000, 50_000_000)


def limited(house: House, gas: ReportGasLimits = LIMITS) -> Intake:
    site = replace(TENANCY.site, limits=replace(TENANCY.site.limits, gas=gas))
    return Intake(
        house.ledger,
        house.chain.client,
        {"HPC-1": replace(TENANCY, site=site)},
        house.chain.clock,
        lambda: None,
    )


async def submit(house: House, **changes: object) -> None:
    made = await house.chain.send(ALICE, job(ALICE, **changes), gas_limit=200_000_000, fee=5_000_000)
    assert made.ok, made.log


def size(house: House) -> int:
    """Bytes of everything that the ledger keeps of JOB-1."""
    (stored,) = house.ledger._db.execute("SELECT length(value) FROM jobs WHERE job_id = 'JOB-1'").fetchone()
    (events,) = house.ledger._db.execute(
        "SELECT sum(length(detail)) FROM events WHERE job_id = 'JOB-1'"
    ).fetchone()
    (sent,) = house.ledger._db.execute("SELECT coalesce(sum(length(body)), 0) FROM messages").fetchone()
    return int(stored + events + sent)


async def test_refused_in_one_report(house: House) -> None:
    """Three reports are too dear and one is not: failed at once, with a reason that the customer can act on,
    and never in SLURM."""
    house.intake = limited(house)
    await submit(house, encrypted_inputs_pointer="x" * 60_000)
    await house.round()
    await house.round()
    record = await house.chain.client.job("JOB-1")
    assert record is not None
    assert record.state is State.FAILED
    assert "shorten command, arguments, environment, data references and pointers" in record.status_message
    assert house.scheduler.orders == []
    assert len(house.ledger.messages_of("JOB-1")) == 1


async def test_too_dear_to_answer(house: House) -> None:
    """A pointer of 900 kB: nothing runs, nothing is reported, no fee is paid, and `provd jobs` says why; the
    metric counts it."""
    house.intake = limited(house)
    await submit(house, encrypted_outputs_pointer="x" * 900_000)
    before = await house.chain.client.balance(TENANCY.signer.address, "uve")
    for _ in range(3):
        await house.round()
    assert await house.state() == "pending"
    assert house.scheduler.orders == []
    assert await house.chain.client.balance(TENANCY.signer.address, "uve") == before
    (line,) = lines(listing.jobs(house.ledger))
    assert line.why.startswith(EXPLAINED[Hold.TOO_EXPENSIVE])
    assert figures.jobs_on_hold(house.ledger) == {Hold.TOO_EXPENSIVE: 1}
    assert house.ledger.open_jobs("HPC-1") == []


async def test_characters_that_the_store_escapes(house: House) -> None:
    """100,000 `<` are 600,000 bytes of the record: what counts is what the chain rewrites."""
    house.intake = limited(house)
    await submit(house, encrypted_inputs_pointer="<" * 100_000)
    await house.round()
    known = house.ledger.job("JOB-1")
    assert known is not None
    assert known.hold is Hold.TOO_EXPENSIVE


async def test_the_estimate_is_what_the_chain_takes(house: House) -> None:
    """A job at the limit runs, and all its reports together stay below it."""
    house.intake = limited(house, ReportGasLimits(1_500_000, 50_000_000))
    await submit(house, encrypted_outputs_pointer="x" * 11_000)
    await house.round()
    house.scheduler.run()
    await house.round()
    house.scheduler.end(State.FAILED, exit_code=3)
    await house.round()
    assert await house.state() == "failed"
    used = sum(tx.gas_used for tx in house.ledger.last_txs(10))
    assert 1_200_000 < used <= 1_500_000


async def test_what_the_ledger_keeps_of_a_refused_job(house: House) -> None:
    """A name of a queue and a command of 100 kB each: a few kilobytes are kept, ids, customer and digest
    among them."""
    spec = types_pb2.JobWorkloadSpec(
        container_image="alpine:3", command="c" * 100_000, arguments=["a" * 100_000]
    )
    await submit(house, queue_name="q" * 100_000, workload_spec=spec)
    await house.intake.tick()
    await house.advance.tick()
    known = house.ledger.job("JOB-1")
    assert known is not None
    assert known.state is State.FAILED
    assert known.spec.customer == ALICE.address
    assert len(known.spec.digest) == 64
    assert size(house) < 8_000


async def test_a_status_message_is_cut_by_bytes(house: House) -> None:
    """500 bytes as the chain stores them, though every character of the customer's is six there."""
    await submit(house, queue_name="<" * 400)
    await house.round()
    record = await house.chain.client.job("JOB-1")
    assert record is not None
    assert record.state is State.FAILED
    assert len(record.status_message) < 150


async def test_what_a_block_takes(house: House) -> None:
    """A chain that lets no transaction ask for a million gas has said so: a job that needs more is not run,
    whatever the limit."""
    with house.ledger.write():
        house.ledger.set(meta.BLOCK_GAS, 900_000)
    house.intake = limited(house, ReportGasLimits(0, 50_000_000))
    await submit(house, encrypted_inputs_pointer="x" * 25_000)
    await house.round()
    known = house.ledger.job("JOB-1")
    assert known is not None
    assert known.hold is Hold.TOO_EXPENSIVE
