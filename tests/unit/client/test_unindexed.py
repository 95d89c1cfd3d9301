"""What `provd tx` learns of a transaction on a node that keeps no index."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from google.protobuf.message import Message

from provider_daemon.chain.proto.cosmos.tx.v1beta1.service_pb2 import GetTxResponse
from provider_daemon.chain.proto.virtengine.encryption.v1.tx_pb2 import MsgRegisterRecipientKey
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgRegisterCluster
from provider_daemon.client import created_ids, transaction
from provider_daemon.client.transaction import TxTerms
from provider_daemon.client.unindexed import FateUnknown
from provider_daemon.encryption.fingerprint import ALGORITHM
from provider_daemon.encryption.identity import Identity
from tests.fakes.chain import ALICE, BOB, TestChain, cancel, job


@pytest_asyncio.fixture
async def chain() -> AsyncIterator[TestChain]:
    started = await TestChain(indexed=False).start()
    await started.open_shop()
    yield started
    await started.stop()


async def sent(chain: TestChain, message: Message) -> GetTxResponse:
    prepared = await transaction.prepare(chain.client, [message], ALICE.public_key, TxTerms())
    signed = transaction.sign(prepared, ALICE, chain.client.chain_id)
    await transaction.send(chain.client, signed)
    for _ in range(3):
        chain.block()
    return await transaction.included(chain.client, signed, prepared, lambda: 0.0)


async def test_a_job_and_its_cancel(chain: TestChain) -> None:
    """The new job's record tells that it was made, and which id it has, other jobs of the same block
    notwithstanding."""
    assert (await chain.check(BOB, job(BOB))).ok
    found = await sent(chain, job())
    ids = await created_ids.ids(chain.client, job(), found)
    record = await chain.client.query.job(ids["job_id"])
    assert record is not None
    assert (record.customer_address, found.tx_response.code) == (ALICE.address, 0)
    assert (await sent(chain, cancel(ids["job_id"]))).tx_response.code == 0


async def test_what_no_record_shows(chain: TestChain) -> None:
    """It is in a block and may have failed there: exit code 4, never a success."""
    with pytest.raises(FateUnknown, match="no record shows whether it succeeded") as caught:
        await sent(
            chain, MsgRegisterCluster(provider_address=ALICE.address, name="a", region="b", total_nodes=1)
        )
    assert caught.value.exit_code == 4


async def test_a_recipient_key(chain: TestChain) -> None:
    """The account's new key shows that its registration succeeded."""
    key = Identity(bytes([7]) * 32)
    message = MsgRegisterRecipientKey(sender=ALICE.address, public_key=key.public_key, algorithm_id=ALGORITHM)
    assert (await sent(chain, message)).tx_response.code == 0
