"""Sending transactions, simulating them, and finding them again."""

from typing import Any

import grpc
import pytest

from provider_daemon.chain import broadcast, grpc_errors
from provider_daemon.chain.broadcast import Broadcast
from provider_daemon.chain.proto.cosmos.base.abci.v1beta1.abci_pb2 import GasInfo, TxResponse
from provider_daemon.chain.proto.cosmos.tx.v1beta1 import service_pb2, tx_pb2
from provider_daemon.chain.tx import tx_hash
from provider_daemon.errors import Refused, Unreadable
from tests.unit.chain.far_end import Abort, Answer, FarEnd, endpoints


def failing(code: grpc.StatusCode, details: str) -> Answer:
    def answer(asked: Any) -> Any:
        raise Abort(code, details)

    return answer


def index_of(count: int, memo: str = "") -> Answer:
    """A node whose index holds that many transactions, numbered by height."""

    def answer(asked: service_pb2.GetTxsEventRequest) -> service_pb2.GetTxsEventResponse:
        assert asked.limit <= 100
        first = (asked.page - 1) * asked.limit + 1
        heights = range(first, min(first + asked.limit, count + 1))
        return service_pb2.GetTxsEventResponse(
            txs=[tx_pb2.Tx(body=tx_pb2.TxBody(memo=memo)) for _ in heights],
            tx_responses=[TxResponse(height=height) for height in heights],
            total=count,
        )

    return answer


async def heights(far: FarEnd) -> list[int]:
    async with endpoints(far) as ours:
        return [found.tx_response.height async for found in Broadcast(ours).search("message.action='x'")]


async def test_send() -> None:
    """SYNC, the bytes as they are; a code is an answer, not an error."""

    def taken(asked: service_pb2.BroadcastTxRequest) -> service_pb2.BroadcastTxResponse:
        assert (asked.tx_bytes, asked.mode) == (b"signed", service_pb2.BROADCAST_MODE_SYNC)
        response = TxResponse(
            txhash=tx_hash(asked.tx_bytes), code=32, codespace="sdk", raw_log="account sequence mismatch"
        )
        return service_pb2.BroadcastTxResponse(tx_response=response)

    async with endpoints(FarEnd(answers={"BroadcastTx": taken})) as ours:
        outcome = await Broadcast(ours).send(b"signed")
    assert (outcome.tx_hash, outcome.height, outcome.code, outcome.codespace) == (
        tx_hash(b"signed"),
        0,
        32,
        "sdk",
    )


async def test_another_transaction_is_no_answer() -> None:
    """What a node says of a transaction counts only when it is the one that was asked for: an answer may be
    cut, or mixed up."""
    far = FarEnd(answers={"GetTx": lambda asked: service_pb2.GetTxResponse(tx=tx_pb2.Tx())})
    async with endpoints(far) as ours:
        with pytest.raises(Unreadable, match="instead of AB"):
            await Broadcast(ours).find("AB")


async def test_find() -> None:
    """A transaction in its block, or None while the node knows none."""
    found = service_pb2.GetTxResponse(tx_response=TxResponse(txhash="AB", height=7, gas_wanted=9, gas_used=8))
    far = FarEnd(answers={"GetTx": lambda asked: found})
    async with endpoints(far) as ours:
        outcome = await Broadcast(ours).find("AB")
        assert outcome is not None
        assert (outcome.height, outcome.ok, outcome.gas_wanted, outcome.gas_used) == (7, True, 9, 8)
        far.answers["GetTx"] = failing(grpc.StatusCode.NOT_FOUND, "tx not found: AB")
        assert await Broadcast(ours).find("AB") is None


async def test_find_by_sequence() -> None:
    """Who used a sequence is asked of the index; nobody is an answer, too."""
    asked: list[str] = []

    def answer(request: service_pb2.GetTxsEventRequest) -> Any:
        asked.append(request.query)
        return index_of(1 if request.query.endswith("/4'") else 0)(request)

    async with endpoints(FarEnd(answers={"GetTxsEvent": answer})) as ours:
        found = await Broadcast(ours).find_by_sequence("ve1abc", 4)
        assert found is not None
        assert found.height == 1
        assert await Broadcast(ours).find_by_sequence("ve1abc", 5) is None
    assert asked == ["tx.acc_seq='ve1abc/4'", "tx.acc_seq='ve1abc/5'"]


@pytest.mark.parametrize("count", [0, 1, broadcast.PAGE, broadcast.PAGE + 1, 3 * broadcast.PAGE])
async def test_search_over_pages(count: int) -> None:
    """All of them, in order, each once, whatever the number."""
    assert await heights(FarEnd(answers={"GetTxsEvent": index_of(count)})) == list(range(1, count + 1))


async def test_search_through_very_large_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a page is too large for one answer, smaller pages are asked for; nothing is missed or told
    twice."""
    monkeypatch.setattr(grpc_errors, "_OPTIONS", [("grpc.max_receive_message_length", 20_000)])
    assert await heights(FarEnd(answers={"GetTxsEvent": index_of(100, "m" * 1_500)})) == list(range(1, 101))


async def test_no_index() -> None:
    """A node that indexes nothing has not said that there is nothing."""
    far = FarEnd(
        answers={"GetTxsEvent": failing(grpc.StatusCode.UNKNOWN, "transaction indexing is disabled")}
    )
    with pytest.raises(grpc_errors.NoIndex, match="indexing is disabled"):
        await heights(far)


async def test_outcomes_that_do_not_match() -> None:
    """Transactions without their outcomes are not paired up by guess."""
    lone = service_pb2.GetTxsEventResponse(txs=[tx_pb2.Tx()])
    with pytest.raises(Unreadable, match="1 transactions but 0 outcomes"):
        await heights(FarEnd(answers={"GetTxsEvent": lambda asked: lone}))


async def test_simulate() -> None:
    """The gas that it would use."""
    answer = service_pb2.SimulateResponse(gas_info=GasInfo(gas_used=75_098))
    async with endpoints(FarEnd(answers={"Simulate": lambda asked: answer})) as ours:
        assert await Broadcast(ours).simulate(b"tx") == 75_098


@pytest.mark.parametrize(
    ("text", "code", "index"),
    [
        ("failed to execute message; message index: 2: JOB-1: invalid job state transition", 0, 2),
        ("spendable balance 1uve is smaller than 9uve: insufficient funds", 5, None),
        ("fee payer address: ve1abc does not exist: unknown address", 9, None),
        ("account sequence mismatch, expected 4, got 3: incorrect account sequence", 32, None),
        ("something new", 0, None),
    ],
)
async def test_simulate_refused(text: str, code: int, index: int | None) -> None:
    """The refusal names the message that fails, or the code that its text stands for."""
    async with endpoints(FarEnd(answers={"Simulate": failing(grpc.StatusCode.UNKNOWN, text)})) as ours:
        with pytest.raises(Refused) as refused:
            await Broadcast(ours).simulate(b"tx")
    assert (refused.value.code, refused.value.message_index) == (code, index)
