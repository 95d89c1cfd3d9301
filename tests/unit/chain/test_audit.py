"""What the comparison reads from the chain."""

import json
from pathlib import Path

import structlog

from provider_daemon.chain import codec, keyspace
from provider_daemon.chain.audit import GrpcAudit
from provider_daemon.chain.client import GrpcChain
from tests.fakes.chain import CHAIN_ID, FakeClock
from tests.unit.chain.far_end import FarEnd

SAMPLES = (Path(__file__).parents[2] / "fixtures/chain/samples.jsonl").read_text().splitlines()
(DISPUTE,) = (sample["value"] for sample in map(json.loads, SAMPLES) if sample["kind"] == "dispute")


async def test_a_dispute_that_cannot_be_read() -> None:
    """It is told, and hides no other one: it may be a stranger's, and of a newer chain."""
    far = FarEnd(records={("hpc", keyspace.NEXT_DISPUTE): (5).to_bytes(8, "big")})
    for number, changes in ((2, {}), (4, {"status": "escalated", "dispute_id": "hpc-dispute-4"})):
        far.records["hpc", keyspace.key(keyspace.DISPUTE, f"hpc-dispute-{number}")] = codec.dumps(
            {**DISPUTE, **changes}
        )
    chain = GrpcChain(CHAIN_ID, [await far.start()], FakeClock())
    try:
        with structlog.testing.capture_logs() as said:
            found = await GrpcAudit(chain).disputes()
    finally:
        await chain.close()
        await far.stop()
    assert [(dispute.dispute_id, dispute.job_id, dispute.open) for dispute in found] == [
        ("hpc-dispute-2", "JOB-567", True)
    ]
    assert [line["dispute"] for line in said if line["event"] == "dispute_unreadable"] == ["hpc-dispute-4"]
