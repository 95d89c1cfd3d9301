"""Jobs with inputs and results: nothing is submitted before its inputs are there, and the final report signs
the manifest of the results."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from provider_daemon.chain import evidence_check
from provider_daemon.chain.evidence_check import ChainRecord
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.errors import Transient
from provider_daemon.job.data import DataPolicy
from provider_daemon.job.signed_words import SignedWords
from provider_daemon.job.state import State
from provider_daemon.job.transfer import InputState, Results, Transfer
from provider_daemon.ledger import listing, meta
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.timeline import timeline
from provider_daemon.loops.advance import Advance
from provider_daemon.loops.intake import Intake
from provider_daemon.status.overview import lines
from tests.fakes.chain import ALICE, cancel, job
from tests.unit.loops.conftest import TENANCY, House

POLICY = DataPolicy(results_seconds=300, url="https://gw.example")
SERVED = replace(TENANCY, data=POLICY)
RESULTS = Results("ab" * 32, 3, 4_000)
REFERENCE = types_pb2.DataReference(reference_id="in", uri="https://data.example/in.csv", checksum="00" * 32)


@dataclass
class FakeTransfers:
    """The mover's facts, which the test sets; `down`: they cannot be read."""

    known: dict[str, Transfer] = field(default_factory=dict)
    down: bool = False

    def facts(self, names: Iterable[str]) -> Mapping[str, Transfer]:
        if self.down:
            raise Transient("the data mover's database does not exist yet")
        return {name: self.known[name] for name in names if name in self.known}


@pytest.fixture
def transfers(house: House) -> FakeTransfers:
    """Gives the house a data mover."""
    mover, clock = FakeTransfers(), house.chain.clock
    house.intake = Intake(house.ledger, house.chain.client, {"HPC-1": SERVED}, clock, lambda: None)
    house.advance = Advance(house.ledger, house.scheduler, SERVED, clock, lambda: None, transfers=mover)
    return mover


async def submit(house: House, **changes: object) -> None:
    sent = await house.chain.send(ALICE, job(ALICE, **changes))
    assert sent.ok, sent.log


def name(house: House) -> str:
    known = house.ledger.job("JOB-1")
    assert known is not None
    return known.name


async def ran(house: House, outcome: State = State.COMPLETED) -> None:
    """Brings the job to its end in SLURM, and the daemon to having seen it."""
    await house.round()
    await house.round()
    house.scheduler.run()
    await house.round()
    house.scheduler.end(outcome)
    await house.round()


async def test_inputs_without_a_mover(house: House) -> None:
    """The job is refused with a reason instead of running without its inputs."""
    await submit(house, data_references=[REFERENCE])
    await house.round()
    record = await house.chain.client.job("JOB-1")
    assert record is not None
    assert record.state is State.FAILED
    assert "accepts no input data" in record.status_message
    assert house.scheduler.orders == []


@pytest.mark.parametrize(
    "asked", [{"data_references": [REFERENCE]}, {"encrypted_inputs_pointer": "https://x/y"}]
)
async def test_waits_for_its_inputs(house: House, transfers: FakeTransfers, asked: dict[str, object]) -> None:
    """Neither unknown nor incomplete inputs let the job be submitted; complete ones are given to sbatch."""
    await submit(house, **asked)
    await house.round()
    await house.round()
    transfers.known[name(house)] = Transfer(inputs=InputState.WAITING)
    await house.round()
    assert house.scheduler.orders == []
    assert await house.state() == "pending"
    transfers.known[name(house)] = Transfer(staged="/work/.provd-inputs/x")
    await house.round()
    (order,) = house.scheduler.orders
    assert order.inputs == "/work/.provd-inputs/x"
    known = house.ledger.job("JOB-1")
    assert known is not None
    assert known.directory == order.directory


async def test_a_job_without_inputs_does_not_wait(house: House, transfers: FakeTransfers) -> None:
    """The mover need not have seen it, and need not even run."""
    transfers.down = True
    await submit(house)
    await house.round()
    await house.round()
    assert len(house.scheduler.orders) == 1
    assert house.scheduler.orders[0].inputs == ""


async def test_inputs_that_cannot_be_had(house: House, transfers: FakeTransfers) -> None:
    """The job is reported failed with the mover's reason, was never in SLURM and uses nothing."""
    await submit(house, data_references=[REFERENCE])
    await house.round()
    transfers.known[name(house)] = Transfer(InputState.FAILED, "in.csv: sha256 is 11.., expected 00..")
    await house.round()
    await house.round()
    record = await house.chain.client.job("JOB-1")
    assert record is not None
    assert (record.state, record.status_message) == (
        State.FAILED,
        "inputs: in.csv: sha256 is 11.., expected 00..",
    )
    assert house.scheduler.orders == []
    assert house.ledger.open_jobs("HPC-1") == []


async def test_inputs_that_cannot_be_had_after_a_lost_ledger(house: House, transfers: FakeTransfers) -> None:
    """Until SLURM was searched for the job nothing is decided; then it is refused, and does not stay open."""
    await submit(house, data_references=[REFERENCE])
    house.lose_ledger()
    house.open()
    house.intake = Intake(
        house.ledger, house.chain.client, {"HPC-1": SERVED}, house.chain.clock, lambda: None
    )
    house.advance = Advance(
        house.ledger, house.scheduler, SERVED, house.chain.clock, lambda: None, transfers=transfers
    )
    await house.round()
    transfers.known[name(house)] = Transfer(InputState.FAILED, "expired link")
    await house.round()
    assert await house.state() == "pending"
    house.chain.clock.time += 120
    await house.round()
    await house.round()
    assert await house.state() == "failed"


async def test_a_job_in_slurm_keeps_running(house: House, transfers: FakeTransfers) -> None:
    """Facts that say failed after the submission (a mover's database that was lost) change nothing."""
    await submit(house, data_references=[REFERENCE])
    await house.round()
    transfers.known[name(house)] = Transfer(staged="/work/.provd-inputs/x")
    await house.round()
    transfers.known[name(house)] = Transfer(InputState.FAILED, "expired link")
    house.scheduler.run()
    await house.round()
    await house.round()
    assert await house.state() == "running"


async def test_unreadable_facts(house: House, transfers: FakeTransfers) -> None:
    """A job with inputs waits, and is submitted once they can be read."""
    await submit(house, data_references=[REFERENCE])
    await house.round()
    transfers.down = True
    await house.round()
    assert house.scheduler.orders == []
    transfers.down = False
    transfers.known[name(house)] = Transfer(staged="/work/.provd-inputs/x")
    await house.round()
    assert len(house.scheduler.orders) == 1


async def test_the_final_report_signs_the_results(house: House, transfers: FakeTransfers) -> None:
    """It waits for the manifest, and carries its root, the bytes moved and the storage, all under the
    signature that anybody can verify from the chain's data."""
    with house.ledger.write():
        house.ledger.set(meta.site_audit("HPC-1"), "ab" * 32)
    await submit(house)
    await ran(house)
    assert await house.state() == "running"
    gb_hours = 7
    transfers.known[name(house)] = Transfer(
        bytes_in=20_000_000,
        bytes_out=5_000,
        settled=True,
        results=RESULTS,
        storage_byte_seconds=gb_hours * 3600 * 2**30 + 5,
    )
    await house.round()
    await house.round()
    record = await house.chain.client.job("JOB-1")
    assert record is not None
    assert record.state is State.COMPLETED
    assert record.status_message == (
        f"output=https://gw.example/v1/jobs/JOB-1/files site_audit={'ab' * 32} "
        f"results=sha256:{RESULTS.root}:3:4000"
    )
    final = (await house.chain.client.reports_of("JOB-1"))[-1]
    found = await house.chain.client.query.job("JOB-1")
    assert found is not None
    chain_id = house.chain.client.chain_id
    verdicts = evidence_check.check(final.tx, chain_id, {"JOB-1": ChainRecord.of(found, chain_id)})
    (verdict,) = [verdict for verdict in verdicts if verdict.state == "completed"]
    assert (verdict.ok, verdict.spec_signed) == (True, True)
    assert verdict.signed == SignedWords(site_audit="ab" * 32, results=RESULTS)
    (report,) = [report for report in evidence_check.reports(final.tx) if report.usage_metrics.nodes_used]
    used = report.usage_metrics
    assert (used.network_bytes_in, used.network_bytes_out, used.storage_gb_hours) == (20_000_000, 5_000, 7)
    assert len(await house.chain.client.reports_of("JOB-1")) == 3


async def test_the_operator_sees_what_is_waited_for(house: House, transfers: FakeTransfers) -> None:
    """`provd jobs` names the inputs and the manifest; the timeline has the manifest that was signed."""

    def shown() -> str:
        (line,) = lines(listing.jobs(house.ledger))
        return line.why

    await submit(house, data_references=[REFERENCE])
    await house.round()
    assert shown() == "waiting for its inputs or for submission"
    transfers.known[name(house)] = Transfer(staged="/work/.provd-inputs/x", bytes_in=5)
    await ran(house)
    assert shown() == "completed; the report waits for the manifest of the results"
    transfers.known[name(house)] = Transfer(settled=True, results=RESULTS, bytes_in=5)
    await house.round()
    known = house.ledger.job("JOB-1")
    assert known is not None
    entries = {entry.what: entry.detail for entry in timeline(house.ledger, known)}
    assert entries[EventKind.RESULTS] == f"3 files, 4000 bytes, manifest sha256:{RESULTS.root}"
    assert "5 bytes in" in entries[EventKind.USAGE]


async def test_another_manifest_is_not_signed(house: House, transfers: FakeTransfers) -> None:
    """Evidence does not verify for a message that names another root, number of files or size."""
    await submit(house)
    await ran(house)
    transfers.known[name(house)] = Transfer(settled=True, results=RESULTS)
    await house.round()
    await house.round()
    record, chain_id = await house.chain.client.query.job("JOB-1"), house.chain.client.chain_id
    assert record is not None
    final = (await house.chain.client.reports_of("JOB-1"))[-1].tx
    for true, false in ((RESULTS.root, "cd" * 32), (":3:", ":4:"), (":4000", ":4001"), ("results=", "")):
        forged = type(final).FromString(final.SerializeToString())
        (body,) = forged.body.messages
        report = tx_pb2.MsgReportJobStatus.FromString(body.value)
        report.status_message = report.status_message.replace(true, false)
        body.value = report.SerializeToString()
        (verdict,) = evidence_check.check(forged, chain_id, {"JOB-1": ChainRecord.of(record, chain_id)})
        assert not verdict.ok, false


async def test_results_that_do_not_come(house: House, transfers: FakeTransfers) -> None:
    """The report goes out without them after `results_seconds`: the provider is paid all the same."""
    await submit(house)
    await ran(house)
    assert await house.state() == "running"
    house.chain.clock.time += POLICY.results_seconds
    await house.round()
    await house.round()
    assert await house.state() == "completed"
    known = house.ledger.job("JOB-1")
    assert known is not None
    assert known.results is None


async def test_results_of_a_job_that_reached_its_limit(house: House, transfers: FakeTransfers) -> None:
    """Its record is read after the limit, and its manifest is there a moment later: the report signs it."""
    await submit(house)
    await house.round()
    await house.round()
    house.scheduler.run()
    await house.round()
    started = house.chain.clock.time
    limit = 600  # of tests.fakes.chain.job
    house.chain.clock.time = started + limit - 24
    house.scheduler.end(State.TIMEOUT)
    await house.advance.tick()
    house.chain.clock.time += 6
    transfers.known[name(house)] = Transfer(settled=True, results=RESULTS)
    await house.round()
    known = house.ledger.job("JOB-1")
    assert known is not None
    assert known.results == RESULTS
    assert await house.state() == "timeout"


async def test_the_chain_ends_the_job_meanwhile(house: House, transfers: FakeTransfers) -> None:
    """A job that its customer cancels while its results are awaited is closed with its evidence kept."""
    await submit(house)
    await ran(house)
    assert (await house.chain.send(ALICE, cancel())).ok
    await house.round()
    await house.round()
    assert await house.state() == "cancelled"
    assert house.ledger.open_jobs("HPC-1") == []
    assert [each.status for each in house.ledger.messages_of("JOB-1")].count("kept") == 1


async def test_over_its_quota(house: House, transfers: FakeTransfers) -> None:
    """A running job whose directory exceeds the quota is cancelled in SLURM and reported with the reason."""
    await submit(house)
    await house.round()
    await house.round()
    house.scheduler.run()
    transfers.known[name(house)] = Transfer(over_quota="the job's directory exceeds 10 GB", settled=True)
    await house.round()
    assert house.scheduler.cancelled == ["1"]
    await house.round()
    await house.round()
    record = await house.chain.client.job("JOB-1")
    assert record is not None
    assert record.state is State.FAILED
    assert record.status_message.startswith("the job's directory exceeds 10 GB")
