"""The checks before a message runs, to the code, codespace and text."""

from dataclasses import replace

import pytest

from provider_daemon.chain import messages
from provider_daemon.chain import tx as transactions
from provider_daemon.chain.proto.cosmos.bank.v1beta1.bank_pb2 import MsgSend
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.devnet.parse import MAX_TX_BYTES
from tests.fakes.chain import ALICE, BOB, CHAIN_ID, PROVIDER, TestChain, job, person, report

pytestmark = pytest.mark.asyncio


def send(amount: int = 1) -> MsgSend:
    return MsgSend(
        from_address=ALICE.address, to_address=BOB.address, amount=[Coin(denom="uve", amount=str(amount))]
    )


async def test_money_moves(chain: TestChain) -> None:
    """A funded, signed transfer is included and paid for."""
    before = await chain.client.balance(ALICE.address, "uve")
    outcome = await chain.send(ALICE, send(7))
    assert outcome.ok
    assert await chain.client.balance(ALICE.address, "uve") == before - 7 - 50_000


@pytest.mark.parametrize(
    ("changes", "codespace", "code", "text"),
    [
        ({"fee": 1}, "undefined", 1, "insufficient fee: min gas prices 0.025uve"),
        (
            {"sequence": 5},
            "sdk",
            32,
            "account sequence mismatch, expected 0, got 5: incorrect account sequence",
        ),
        ({"chain_id": "other-1"}, "sdk", 4, "signature verification failed"),
        ({"account_number": 99}, "sdk", 4, "signature verification failed"),
        (
            {"memo": "x" * 257},
            "sdk",
            12,
            "maximum number of characters is 256 but received 257 characters: memo too large",
        ),
        ({"memo": "\u00e9" * 129}, "sdk", 12, "received 258 characters"),
        ({"timeout_height": 1}, "sdk", 30, "block height: 2, timeout height: 1: tx timeout height"),
        ({"fee": 2 * 10**12}, "sdk", 5, "insufficient funds"),
    ],
)
async def test_refused(
    chain: TestChain, changes: dict[str, object], codespace: str, code: int, text: str
) -> None:
    """CheckTx says no with the chain's own words."""
    answer = await chain.check(ALICE, send(), **changes)
    assert (answer.codespace, answer.code) == (codespace, code)
    assert text in answer.log


async def test_unknown_account(chain: TestChain) -> None:
    """A key that was never funded has no account (9)."""
    stranger = person("stranger")
    wanted = MsgSend(
        from_address=stranger.address, to_address=BOB.address, amount=[Coin(denom="uve", amount="1")]
    )
    signed = transactions.build(
        [messages.pack(wanted)], signer=stranger, chain_id=CHAIN_ID, account_number=9, sequence=0,
        gas_limit=200_000, fee=5_000,
        fee_denom="uve", timeout_height=99,
    )  # fmt: skip
    assert (await chain.client.broadcast(signed.tx_bytes)).code == 9


async def test_too_large(chain: TestChain) -> None:
    """More than max_tx_bytes is code 21 with an empty log."""
    answer = await chain.client.broadcast(b"x" * (MAX_TX_BYTES + 1))
    assert (answer.codespace, answer.code, answer.log) == ("sdk", 21, "")


async def test_already_in_mempool(chain: TestChain) -> None:
    """The same bytes twice are code 19 with an empty log."""
    signed = await chain.signed(ALICE, send())
    assert (await chain.client.broadcast(signed.tx_bytes)).ok
    again = await chain.client.broadcast(signed.tx_bytes)
    assert (again.codespace, again.code, again.log) == ("sdk", 19, "")


async def test_included_with_30_uses_no_sequence(chain: TestChain) -> None:
    """A timeout at the current height passes CheckTx, is included with 30, gas 0 and no fee, and the sequence
    stays."""
    before = await chain.client.balance(ALICE.address, "uve")
    outcome = await chain.send(ALICE, send(), timeout_height=chain.devnet.blocks.height)
    assert (outcome.code, outcome.gas_used) == (30, 0)
    assert outcome.height
    assert (await chain.client.account(ALICE.address)).sequence == 0
    assert await chain.client.balance(ALICE.address, "uve") == before
    assert await chain.client.find_by_sequence(ALICE.address, 0) is None


async def test_rate_limit_counts_the_last_block(chain: TestChain) -> None:
    """After a block with 8 of an account's transactions only 2 more pass."""
    for sequence in range(8):
        assert (await chain.check(ALICE, send(), sequence=sequence)).ok
    chain.block()
    codes = [(await chain.check(ALICE, send(), sequence=8 + number)).codespace for number in range(3)]
    assert codes == ["", "", "ratelimit"]


async def test_failed_message_names_its_index_and_keeps_the_fee(chain: TestChain) -> None:
    """All messages succeed or none does; the fee is paid and the sequence used all the same."""
    await chain.open_shop()
    assert (await chain.send(ALICE, job())).ok
    before = await chain.client.balance(PROVIDER.address, "uve")
    outcome = await chain.send(PROVIDER, report("queued"), report("completed"))
    assert (outcome.codespace, outcome.code) == ("hpc", 2107)
    assert outcome.log.startswith("failed to execute message; message index: 1: ")
    assert outcome.log.endswith("invalid job state transition")
    record = await chain.client.job("JOB-1")
    assert record is not None
    assert record.state == "pending"
    assert await chain.client.balance(PROVIDER.address, "uve") == before - 50_000
    found = await chain.client.find_by_sequence(PROVIDER.address, 1)
    assert found == replace(outcome)


async def test_out_of_gas(chain: TestChain) -> None:
    """Too low a gas limit is code 11."""
    outcome = await chain.send(ALICE, send(), gas_limit=30_000)
    assert (outcome.codespace, outcome.code) == ("sdk", 11)
