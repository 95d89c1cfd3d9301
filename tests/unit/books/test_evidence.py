"""An answer over a devnet: what it gathers, and what stays after it."""

import io
import json
import zipfile
from typing import Any

import pytest

from provider_daemon.books import bundle, evidence
from provider_daemon.books.bundle import check
from provider_daemon.chain.audit import GrpcAudit
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.devnet.context import ChainRules
from provider_daemon.errors import Refused
from provider_daemon.ledger import disputes
from provider_daemon.ledger.disputes import KnownDispute
from provider_daemon.loops.disputes import Disputes
from tests.fakes.chain import ALICE, BOB, CHAIN_ID, PROVIDER, job
from tests.unit.books.test_keeper import run
from tests.unit.loops.conftest import House


async def disputed(house: House) -> KnownDispute:
    """A job that has run, and whose customer disputes it."""
    house.chain.devnet.blocks.rules = ChainRules(
        chain_id=CHAIN_ID, authority=BOB.address, settle_seconds=86_400
    )
    await run(house, job())
    flag = tx_pb2.MsgFlagDispute(
        disputer_address=ALICE.address, job_id="JOB-1", dispute_type="usage", reason="it was idle"
    )
    assert (await house.chain.send(ALICE, flag)).ok
    await Disputes(house.ledger, GrpcAudit(house.chain.client), {"HPC-1"}, house.chain.clock).tick()
    (known,) = disputes.still_open(house.ledger)
    return known


async def answered(house: House, known: KnownDispute, text: str = "it was not") -> str:
    now, records = house.chain.clock.now(), await evidence.chain_records(house.chain.client, "JOB-1")
    with house.ledger.write():
        _, digest = evidence.answer(house.ledger, CHAIN_ID, PROVIDER, known, records, text, now)
    return digest


def contents(house: House) -> dict[str, Any]:
    archive = disputes.bundle(house.ledger, "hpc-dispute-2")
    assert archive is not None
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: json.loads(opened.read(name)) for name in opened.namelist() if name.endswith(".json")}


async def test_everything_that_is_known_is_signed(house: House) -> None:
    """Reports with their blocks, usage records, accounting, timeline: and the answer is known by its hash."""
    known = await disputed(house)
    digest = await answered(house, known)
    archive = disputes.bundle(house.ledger, "hpc-dispute-2")
    checked = check(archive or b"")
    assert (checked.problems, checked.manifest_hash, checked.provider) == ((), digest, PROVIDER.address)
    files = contents(house)
    assert [(each["state"], bool(each["height"])) for each in files["reports.json"]] == [
        ("queued", True),
        ("running", True),
        ("completed", True),
    ]
    assert files["dispute.json"]["reason"] == "it was idle"
    assert files["chain/accounting.json"]["settlement_status"] == "disputed"
    assert files["chain/reward.json"] is None
    assert files["usage-records/00001.json"]["type"] == "dispute"
    assert "state" in {entry["what"] for entry in files["timeline.json"]}
    again = disputes.get(house.ledger, "hpc-dispute-2")
    assert again is not None
    assert (again.answered, again.answer_hash) == (True, digest)
    assert house.ledger.events_of("JOB-1")[-1].detail.endswith(digest)


async def test_a_second_answer_replaces_the_first(house: House) -> None:
    """Its hash is another one, because its text is."""
    known = await disputed(house)
    first = await answered(house, known)
    assert await answered(house, known, "see the log") != first
    assert contents(house)[bundle.MANIFEST]["text"] == "see the log"


async def test_a_decided_dispute_is_not_answered(house: House) -> None:
    """Nothing is signed."""
    known = await disputed(house)
    decide = tx_pb2.MsgResolveDispute(
        resolver_address=BOB.address,
        dispute_id="hpc-dispute-2",
        status=types_pb2.DISPUTE_STATUS_REJECTED,
        resolution="no",
    )
    assert (await house.chain.send(BOB, decide)).ok
    await Disputes(house.ledger, GrpcAudit(house.chain.client), {"HPC-1"}, house.chain.clock).tick()
    (known,) = disputes.of_job(house.ledger, "JOB-1")
    with pytest.raises(Refused, match="is already decided"):
        await answered(house, known)
    assert disputes.bundle(house.ledger, "hpc-dispute-2") is None
