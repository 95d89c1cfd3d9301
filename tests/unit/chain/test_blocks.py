"""Transactions found by their blocks, on a node that keeps no index."""

import pytest

from provider_daemon.chain.blocks import BlockScan
from provider_daemon.chain.effects import missing_effect
from provider_daemon.chain.messages import pack
from provider_daemon.chain.proto.cosmos.tx.v1beta1.tx_pb2 import Tx, TxBody
from provider_daemon.chain.proto.virtengine.encryption.v1 import tx_pb2 as encryption
from provider_daemon.chain.proto.virtengine.encryption.v1.types_pb2 import RecipientKeyRecord
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.chain.tx import tx_hash
from provider_daemon.errors import Transient
from provider_daemon.job.spec import ChainJob
from provider_daemon.job.state import State
from tests.unit.chain.far_end import FarEnd, endpoints
from tests.unit.job.jobs import SPEC

WANTED = tx_hash(b"wanted")


def reads(far: FarEnd) -> list[int]:
    return [int(call.split()[1]) for call in far.calls if call.startswith("GetBlockByHeight")]


async def test_each_block_is_read_once() -> None:
    """Only the blocks that are new since the last look, and never the newest one, whose state may not be
    there yet."""
    far = FarEnd(height=10, blocks={12: [b"other", b"wanted"]})
    async with endpoints(far) as ours:
        scan = BlockScan(ours)
        assert await scan.find(WANTED, 5, 20) is None
        far.height = 12
        assert await scan.find(WANTED, 5, 20) is None
        far.height = 13
        assert await scan.find(WANTED, 5, 20) == 12
        assert await scan.find(WANTED, 5, 20) == 12
        assert reads(far) == [5, 6, 7, 8, 9, 10, 11, 12]


async def test_no_block_after_the_timeout_height() -> None:
    """A transaction cannot be in a later one."""
    far = FarEnd(height=100)
    async with endpoints(far) as ours:
        assert await BlockScan(ours).find(WANTED, 50, 60) is None
        assert max(reads(far)) == 60


async def test_blocks_that_the_node_has_thrown_away() -> None:
    """The first ones are passed over; one that is missing later is no proof of absence."""
    far = FarEnd(height=100, lowest=58, blocks={59: [b"wanted"]})
    async with endpoints(far) as ours:
        assert await BlockScan(ours).find(WANTED, 50, 60) == 59
        scan = BlockScan(ours)
        far.height, far.blocks = 60, {}
        assert await scan.find(WANTED, 50, 80) is None
        far.lowest, far.height = 70, 80
        with pytest.raises(Transient, match="does not return block 60"):
            await scan.find(WANTED, 50, 80)


@pytest.mark.parametrize(
    ("said", "state", "there"),
    [
        ("queued", "queued", True),
        ("queued", "completed", True),
        ("completed", "running", False),
        ("completed", "cancelled", False),
        ("running", "pending", False),
    ],
)
async def test_effects_of_reports(said: str, state: str, there: bool) -> None:
    """A report took effect when the job's record is where it says, or came past it."""

    class Records:
        async def job(self, job_id: str) -> ChainJob:
            return ChainJob(SPEC, State(state))

        async def cluster(self, cluster_id: str) -> None:
            return None

        async def node_sequence(self, node_id: str) -> int:
            return 0

        async def recipient_keys(self, address: str) -> tuple[RecipientKeyRecord, ...]:
            return ()

    message = tx_pb2.MsgReportJobStatus(
        job_id="JOB-1", state=types_pb2.JobState.Value(f"JOB_STATE_{said.upper()}")
    )
    missing = await missing_effect(Tx(body=TxBody(messages=[pack(message)])), Records())
    assert (missing == "") is there


@pytest.mark.parametrize("there", [True, False])
async def test_effects_of_recipient_keys(there: bool) -> None:
    """A registration and a rotation took effect when the account has the new key."""

    class Keys:
        async def job(self, job_id: str) -> None:
            return None

        async def cluster(self, cluster_id: str) -> None:
            return None

        async def node_sequence(self, node_id: str) -> int:
            return 0

        async def recipient_keys(self, address: str) -> tuple[RecipientKeyRecord, ...]:
            return (RecipientKeyRecord(address=address, public_key=bytes([1 if there else 2]) * 32),)

    key = bytes([1]) * 32
    for message in (
        encryption.MsgRegisterRecipientKey(sender="ve1x", public_key=key),
        encryption.MsgRotateKey(sender="ve1x", new_public_key=key),
    ):
        missing = await missing_effect(Tx(body=TxBody(messages=[pack(message)])), Keys())
        assert (missing == "") is there
