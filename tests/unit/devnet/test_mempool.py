"""What waits for a block: order of the checks, the check state, the cache, and a block's gas."""

from typing import Any

import grpc
import pytest
from google.protobuf.message import DecodeError

from provider_daemon.chain import messages
from provider_daemon.chain import tx as transactions
from provider_daemon.chain.proto.cosmos.bank.v1beta1.bank_pb2 import MsgSend
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.cosmos.tx.v1beta1 import service_pb2, service_pb2_grpc, tx_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.chain.sign import ORDER
from provider_daemon.devnet.context import ChainRules
from tests.fakes.chain import ALICE, BOB, CHAIN_ID, PROVIDER, TestChain, job, person, report

pytestmark = pytest.mark.asyncio


def send(source: str = ALICE.address) -> MsgSend:
    return MsgSend(from_address=source, to_address=BOB.address, amount=[Coin(denom="uve", amount="1")])


def stranger_tx(**changes: Any) -> bytes:
    """Well signed by a key that was never funded."""
    who = person("stranger")
    values: dict[str, Any] = {
        "sequence": 0,
        "gas_limit": 200_000,
        "fee": 5_000,
        "timeout_height": 100,
        "memo": "",
        **changes,
    }
    return transactions.build(
        [messages.pack(send(who.address))],
        signer=who,
        chain_id=CHAIN_ID,
        account_number=0,
        fee_denom="uve",
        **values,
    ).tx_bytes


async def broadcast(chain: TestChain, tx_bytes: bytes) -> tuple[str, int, str]:
    result = chain.devnet.blocks.mempool.check_tx(tx_bytes)
    return result.codespace, result.code, result.log


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"fee": 1, "timeout_height": 1, "memo": "x" * 300}, ("undefined", 1)),
        ({"timeout_height": 1, "memo": "x" * 300, "gas_limit": 1_000}, ("sdk", 30)),
        ({"memo": "x" * 300, "gas_limit": 1_000}, ("sdk", 12)),
        ({"gas_limit": 1_000}, ("sdk", 11)),
        ({"sequence": 7}, ("sdk", 9)),
    ],
)
async def test_the_first_check_that_fails_answers(
    chain: TestChain, changes: dict[str, Any], expected: tuple[str, int]
) -> None:
    """Fee before timeout before memo before gas before the account before the sequence."""
    assert (await broadcast(chain, stranger_tx(**changes)))[:2] == expected


async def test_basic_validation_comes_before_the_fee(chain: TestChain) -> None:
    """A message without a state is code 7 of the module, however little is paid."""
    answer = await chain.check(PROVIDER, report("unspecified"), fee=1)
    assert (answer.codespace, answer.code) == ("hpc", 7)


async def test_too_low_a_fee_has_no_codespace(chain: TestChain) -> None:
    """A bare error: codespace undefined, code 1, and nothing after the text."""
    answer = await chain.check(ALICE, send(), gas_limit=1_000_000, fee=24_999)
    assert (answer.codespace, answer.code) == ("undefined", 1)
    assert answer.log == "insufficient fee: min gas prices 0.025uve, required 25000uve, got 24999uve"


async def test_an_unfunded_keys_log_holds_raw_bytes(chain: TestChain) -> None:
    """Code 9 with the address's bytes in the text, which a protobuf library cannot read; the client says what
    it means."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{chain.devnet.port}") as channel:
        call: Any = channel.unary_unary(
            "/cosmos.tx.v1beta1.Service/BroadcastTx",
            request_serializer=service_pb2.BroadcastTxRequest.SerializeToString,
        )
        answer = await call(
            service_pb2.BroadcastTxRequest(tx_bytes=stranger_tx(), mode=service_pb2.BROADCAST_MODE_SYNC)
        )
    assert b"fee payer address: " in answer
    assert b" does not exist: unknown address" in answer
    with pytest.raises(DecodeError, match="UTF-8"):
        service_pb2.BroadcastTxResponse.FromString(answer)
    assert (await chain.client.broadcast(stranger_tx())).code == 9


async def test_only_sync_broadcasts(chain: TestChain) -> None:
    """BLOCK is an error."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{chain.devnet.port}") as channel:
        request = service_pb2.BroadcastTxRequest(tx_bytes=b"", mode=service_pb2.BROADCAST_MODE_BLOCK)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await service_pb2_grpc.ServiceStub(channel).BroadcastTx(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("spoil", ["high s", "65 bytes", "other bytes", "other mode"])
async def test_signatures_are_checked(chain: TestChain, spoil: str) -> None:
    """Sixty-four bytes, low s, over exactly what was sent, in sign mode DIRECT: anything else is code 4."""
    raw = tx_pb2.TxRaw.FromString((await chain.signed(ALICE, send())).tx_bytes)
    match spoil:
        case "high s":
            r, s = raw.signatures[0][:32], int.from_bytes(raw.signatures[0][32:], "big")
            raw.signatures[0] = r + (ORDER - s).to_bytes(32, "big")
        case "65 bytes":
            raw.signatures[0] += b"\0"
        case "other bytes":
            raw.body_bytes += tx_pb2.TxBody(memo="later").SerializeToString()
        case "other mode":
            info = tx_pb2.AuthInfo.FromString(raw.auth_info_bytes)
            info.signer_infos[0].mode_info.single.mode = tx_pb2.SIGN_MODE_LEGACY_AMINO_JSON
            raw.auth_info_bytes = info.SerializeToString()
    codespace, code, log = await broadcast(chain, raw.SerializeToString())
    assert (codespace, code) == ("sdk", 4)
    assert log.startswith("signature verification failed; please verify account number")
    assert log.endswith(": unauthorized")


async def test_somebody_elses_key(chain: TestChain) -> None:
    """A key that is not the signer's is code 8."""
    answer = await chain.check(BOB, send())
    assert (answer.codespace, answer.code) == ("sdk", 8)


async def test_two_signers_and_one_signature(chain: TestChain) -> None:
    """Every signer must sign."""
    answer = await chain.check(ALICE, send(), send(BOB.address))
    assert (answer.code, answer.log) == (4, "wrong number of signers; expected 2, got 1: unauthorized")


@pytest.mark.parametrize("tx_bytes", [b"", b"nonsense"])
async def test_no_transaction(chain: TestChain, tx_bytes: bytes) -> None:
    """What cannot be decoded is code 2, an empty one 18."""
    assert (await broadcast(chain, tx_bytes))[1] in (2, 18)


async def test_sequences_follow_the_mempool(chain: TestChain) -> None:
    """CheckTx expects the sequence after those that wait; so does a simulation."""
    assert (await chain.check(ALICE, send(), sequence=0)).ok
    assert (await chain.check(ALICE, send(), sequence=0, memo="other")).log.startswith(
        "account sequence mismatch, expected 1, got 0"
    )
    assert (await chain.check(ALICE, send(), sequence=1)).ok
    assert await simulated(chain, sequence=2)


async def simulated(chain: TestChain, **changes: Any) -> int:
    values: dict[str, Any] = {"sequence": 0, "fee": 50_000, **changes}
    wanted = transactions.for_simulation(
        [messages.pack(send())],
        public_key=ALICE.public_key,
        gas_limit=2_000_000,
        fee_denom="uve",
        timeout_height=0,
        **values,
    )
    return await chain.client.simulate(wanted)


async def test_simulation_is_close_when_the_fee_is_real(chain: TestChain) -> None:
    """A little over what is used with the fee, 18,000 under it without."""
    with_fee, without = await simulated(chain), await simulated(chain, fee=0)
    used = (await chain.send(ALICE, send())).gas_used
    assert used <= with_fee < used + 100
    assert used - without > 17_000


async def test_committed_bytes_stay_in_the_cache_and_failed_ones_do_not(chain: TestChain) -> None:
    """A success sent again is 19; what failed may come again and is looked at anew."""
    done = await chain.signed(ALICE, send())
    failed = await chain.signed(
        BOB, send(BOB.address), gas_limit=2_000_000, timeout_height=chain.devnet.blocks.height
    )
    for signed in (done, failed):
        assert (await broadcast(chain, signed.tx_bytes))[1] == 0
    chain.block()
    assert await broadcast(chain, done.tx_bytes) == ("sdk", 19, "")
    assert (await broadcast(chain, failed.tx_bytes))[1] == 30


async def test_behind_a_30_come_32s(chain: TestChain) -> None:
    """The two transactions behind one that is included with 30 are included with 32: its sequence was not
    used."""
    height = chain.devnet.blocks.height
    signed = [
        await chain.signed(ALICE, send(), sequence=n, timeout_height=height if n == 0 else height + 5)
        for n in range(3)
    ]
    for tx in signed:
        assert (await broadcast(chain, tx.tx_bytes))[1] == 0
    chain.block()
    outcomes = [chain.devnet.blocks.by_hash[tx.tx_hash] for tx in signed]
    assert [outcome.code for outcome in outcomes] == [30, 32, 32]
    assert outcomes[2].log == "account sequence mismatch, expected 0, got 2: incorrect account sequence"


async def test_timeout_one_block_on_works(chain: TestChain) -> None:
    """timeout_height current + 1 is included."""
    assert (await chain.send(ALICE, send(), timeout_height=chain.devnet.blocks.height + 1)).ok


async def test_block_gas() -> None:
    """Over the block's gas is 41; what does not fit waits for the next block."""
    chain = await TestChain(rules=ChainRules(chain_id=CHAIN_ID, max_gas=1_000_000)).start()
    assert (await chain.check(ALICE, send(), gas_limit=1_000_001)).code == 41
    for sequence in range(3):
        assert (await chain.check(ALICE, send(), sequence=sequence, gas_limit=400_000)).ok
    chain.block()
    assert (await chain.client.account(ALICE.address)).sequence == 2
    chain.block()
    assert (await chain.client.account(ALICE.address)).sequence == 3
    await chain.stop()


async def test_what_waits_too_long_is_dropped() -> None:
    """Checked anew after each block, a transaction past its timeout_height leaves the mempool and is never
    included."""
    chain = await TestChain(rules=ChainRules(chain_id=CHAIN_ID, max_gas=1_000_000)).start()
    height = chain.devnet.blocks.height
    late = await chain.signed(BOB, send(BOB.address), gas_limit=400_000, timeout_height=height)
    for sequence in range(2):
        assert (await chain.check(ALICE, send(), sequence=sequence, gas_limit=400_000)).ok
    assert (await broadcast(chain, late.tx_bytes))[1] == 0
    chain.block()
    chain.block()
    assert await chain.client.find(late.tx_hash) is None
    await chain.stop()


async def test_environment() -> None:
    """The published chain's decoder refuses a job with an environment (2); ours takes it unless asked not
    to."""
    spec = types_pb2.JobWorkloadSpec(container_image="alpine:3", environment={"A": "1"})
    for compat, code in (("published", 2), ("report", 0)):
        chain = await TestChain(rules=ChainRules(chain_id=CHAIN_ID, compat=compat)).start()
        await chain.open_shop()
        assert (await chain.check(ALICE, job(workload_spec=spec))).code == code
        await chain.stop()


async def test_out_of_gas_names_no_message_and_keeps_the_fee(chain: TestChain) -> None:
    """Code 11, without the words of a failed message."""
    await chain.open_shop()
    before = await chain.client.balance(ALICE.address, "uve")
    outcome = await chain.send(ALICE, job(), gas_limit=100_000)
    assert (outcome.codespace, outcome.code) == ("sdk", 11)
    assert outcome.log.startswith("out of gas in location: WriteFlat; gasWanted: 100000, gasUsed: ")
    assert outcome.log.endswith(": out of gas")
    assert await chain.client.balance(ALICE.address, "uve") == before - 50_000
