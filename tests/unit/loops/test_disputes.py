"""The dispute loop over a devnet: new disputes, decided ones, and those of others."""

import pytest
from structlog.testing import capture_logs

from provider_daemon.chain.audit import GrpcAudit
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.devnet.context import ChainRules
from provider_daemon.errors import Refused
from provider_daemon.ledger import disputes, meta
from provider_daemon.loops.disputes import Disputes
from provider_daemon.ports import DisputeStatus
from tests.fakes.chain import ALICE, BOB, CHAIN_ID, job
from tests.unit.loops.conftest import House


def loop(house: House) -> Disputes:
    return Disputes(house.ledger, GrpcAudit(house.chain.client), {"HPC-1"}, house.chain.clock)


def flag(job_id: str = "JOB-1", reason: str = "two GPUs were dead") -> tx_pb2.MsgFlagDispute:
    return tx_pb2.MsgFlagDispute(
        disputer_address=ALICE.address, job_id=job_id, dispute_type="usage", reason=reason
    )


def decide(dispute_id: str, resolution: str = "the log shows it") -> tx_pb2.MsgResolveDispute:
    return tx_pb2.MsgResolveDispute(
        resolver_address=BOB.address,
        dispute_id=dispute_id,
        status=types_pb2.DISPUTE_STATUS_REJECTED,
        resolution=resolution,
    )


async def told(reader: Disputes) -> list[tuple[str, str]]:
    with capture_logs() as logs:
        await reader.tick()
    return [(line["event"], line["dispute"]) for line in logs]


async def test_a_dispute_is_told_once_and_so_is_its_decision(house: House) -> None:
    """Log, timeline and count show it; nothing is repeated by later ticks."""
    house.chain.devnet.blocks.rules = ChainRules(chain_id=CHAIN_ID, authority=BOB.address)
    await house.chain.send(ALICE, job())
    await house.round()
    await house.chain.send(ALICE, flag())
    reader = loop(house)
    assert await told(reader) == [("dispute_opened", "hpc-dispute-2")]
    assert await told(reader) == []
    (known,) = disputes.still_open(house.ledger)
    assert (known.dispute.kind, known.dispute.reason, known.cluster_id) == (
        "usage",
        "two GPUs were dead",
        "HPC-1",
    )
    assert disputes.count_open(house.ledger) == [disputes.OpenDisputes("HPC-1", False, 1)]
    assert (await house.chain.send(BOB, decide("hpc-dispute-2"))).ok
    assert await told(reader) == [("dispute_decided", "hpc-dispute-2")]
    assert disputes.still_open(house.ledger) == []
    (known,) = disputes.of_job(house.ledger, "JOB-1")
    assert (known.dispute.status, known.dispute.resolution) == (DisputeStatus.REJECTED, "the log shows it")
    words = [entry.what for entry in house.ledger.events_of("JOB-1") if entry.what.startswith("dispute")]
    assert words == ["dispute_opened", "dispute_decided"]


async def test_an_answer_survives_a_changed_record(house: House) -> None:
    """The record is written again when it changes; our answer stays beside it."""
    house.chain.devnet.blocks.rules = ChainRules(chain_id=CHAIN_ID, authority=BOB.address)
    await house.chain.send(ALICE, job())
    await house.round()
    await house.chain.send(ALICE, flag())
    reader = loop(house)
    await reader.tick()
    with house.ledger.write():
        disputes.answer(house.ledger, "hpc-dispute-2", b"zip", "ab" * 32, 5.0)
    assert disputes.count_open(house.ledger) == [disputes.OpenDisputes("HPC-1", True, 1)]
    await house.chain.send(BOB, decide("hpc-dispute-2"))
    await reader.tick()
    known = disputes.get(house.ledger, "hpc-dispute-2")
    assert known is not None
    assert (known.dispute.open, known.answered_at, known.answer_hash) == (False, 5.0, "ab" * 32)
    assert disputes.bundle(house.ledger, "hpc-dispute-2") == b"zip"


async def test_after_a_lost_ledger_the_chain_says_whose_job_it_is(house: House) -> None:
    """A job that ended is not adopted again; a dispute about it is found all the same."""
    await house.chain.send(ALICE, job())
    await house.chain.send(ALICE, flag())
    assert await told(loop(house)) == [("dispute_opened", "hpc-dispute-2")]


async def test_a_dispute_about_another_cluster_is_not_ours(house: House) -> None:
    """It is neither stored nor told."""
    await house.chain.send(ALICE, job())
    await house.chain.send(ALICE, flag())
    other = Disputes(house.ledger, GrpcAudit(house.chain.client), {"HPC-2"}, house.chain.clock)
    assert await told(other) == []
    assert disputes.newest(house.ledger, 9) == []
    assert house.ledger.get(meta.NEXT_DISPUTE) == 3


async def test_nothing_is_read_from_another_chain(house: House) -> None:
    """A chain restarted from genesis uses the same numbers for other jobs."""
    with house.ledger.write():
        house.ledger.set(meta.OTHER_CHAIN, "its jobs are not ours")
    with pytest.raises(Refused, match="another chain"):
        await loop(house).tick()
