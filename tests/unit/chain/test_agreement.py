"""What several endpoints must agree on, and what becomes of one that says something else."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
import structlog

from provider_daemon.chain import keyspace
from provider_daemon.chain.agreement import OUTVOTED_SECONDS, Disagreement, TooFewEndpoints
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.proto.cosmos.auth.v1beta1 import auth_pb2
from provider_daemon.chain.proto.cosmos.base.abci.v1beta1.abci_pb2 import GasInfo, TxResponse
from provider_daemon.chain.proto.cosmos.tx.v1beta1 import service_pb2
from provider_daemon.chain.proto.cosmos.tx.v1beta1.tx_pb2 import Tx
from provider_daemon.chain.reader import Reader
from provider_daemon.chain.tx import tx_hash
from provider_daemon.errors import Refused, Transient
from provider_daemon.job.state import State
from provider_daemon.ongoing import OngoingProblems
from tests.fakes.chain import CHAIN_ID, FakeClock
from tests.unit.chain.far_end import Abort, FarEnd

JOB = keyspace.key(keyspace.JOB, "JOB-1")
ADDRESS = "ve1abc"


def record(state: str = "pending", command: str = "true") -> bytes:
    return json.dumps(
        {
            "job_id": "JOB-1",
            "offering_id": "OFF-1",
            "cluster_id": "HPC-1",
            "provider_address": "ve1provider",
            "customer_address": "ve1customer",
            "state": state,
            "queue_name": "standard",
            "workload_spec": {"container_image": "alpine:3", "command": command},
            "resources": {"nodes": 1},
            "max_runtime_seconds": 600,
            "created_at": "2026-01-01T00:00:00Z",
        }
    ).encode()


def honest(**changes: Any) -> FarEnd:
    def taken(asked: service_pb2.BroadcastTxRequest) -> service_pb2.BroadcastTxResponse:
        return service_pb2.BroadcastTxResponse(tx_response=TxResponse(txhash=tx_hash(asked.tx_bytes)))

    far = FarEnd(
        records={("hpc", JOB): record(), ("hpc", keyspace.NEXT_JOB): (2).to_bytes(8, "big")},
        accounts={ADDRESS: auth_pb2.BaseAccount(address=ADDRESS, account_number=3, sequence=7)},
        answers={
            "BroadcastTx": taken,
            "Simulate": lambda asked: service_pb2.SimulateResponse(gas_info=GasInfo(gas_used=75_000)),
            "GetTx": _absent,
        },
    )
    for name, value in changes.items():
        setattr(far, name, value)
    return far


def _absent(asked: Any) -> Any:
    raise Abort(grpc.StatusCode.NOT_FOUND, f"tx not found: {asked.hash}")


def _included(asked: service_pb2.GetTxRequest) -> service_pb2.GetTxResponse:
    return service_pb2.GetTxResponse(tx_response=TxResponse(txhash=asked.hash, height=9))


@asynccontextmanager
async def chain_of(*far_ends: FarEnd, quorum: int = 0) -> AsyncIterator[GrpcChain]:
    chain = GrpcChain(
        CHAIN_ID, [await far.start() for far in far_ends], FakeClock(), OngoingProblems(), quorum
    )
    try:
        yield chain
    finally:
        await chain.close()
        for far in far_ends:
            await far.stop()


PLACES = pytest.mark.parametrize("place", [0, 2])


def among(liar: FarEnd, place: int) -> list[FarEnd]:
    far_ends = [honest(), honest()]
    far_ends.insert(place, liar)
    return far_ends


def lying(key: bytes, value: bytes) -> FarEnd:
    far = honest()
    far.records[("hpc", key)] = value
    return far


@PLACES
@pytest.mark.parametrize(
    "lie", [record("cancelled"), record("completed"), record(command="mine"), b"", b"\x00garbage"]
)
async def test_a_record_that_one_endpoint_invents(lie: bytes, place: int) -> None:
    """A false cancel, a false completion, another command, a withheld record, garbage: the others' record
    counts."""
    async with chain_of(*among(lying(JOB, lie), place)) as chain:
        found = await chain.job("JOB-1")
        assert found is not None
        assert (found.state, found.spec.workload.command) == (State.PENDING, "true")


@PLACES
@pytest.mark.parametrize("count", [1, 3, 1_002])
async def test_a_job_counter_that_one_endpoint_invents(count: int, place: int) -> None:
    """Neither a higher nor a lower one counts."""
    async with chain_of(*among(lying(keyspace.NEXT_JOB, count.to_bytes(8, "big")), place)) as chain:
        assert await chain.job_counter() == 2


@PLACES
async def test_a_job_that_one_endpoint_invents(place: int) -> None:
    """There is no such job."""
    liar = lying(keyspace.key(keyspace.JOB, "JOB-2"), record().replace(b"JOB-1", b"JOB-2"))
    async with chain_of(*among(liar, place)) as chain:
        assert await chain.job("JOB-2") is None


@PLACES
async def test_an_inclusion_that_one_endpoint_invents(place: int) -> None:
    """Two say that the transaction is in no block."""
    liar = honest()
    liar.answers["GetTx"] = _included
    async with chain_of(*among(liar, place)) as chain:
        assert await chain.find("AB") is None


@PLACES
async def test_a_transaction_that_one_endpoint_withholds(place: int) -> None:
    """Two say where it is."""
    far_ends = among(honest(), place)
    for number, far in enumerate(far_ends):
        far.answers["GetTx"] = _absent if number == place else _included
    async with chain_of(*far_ends) as chain:
        found = await chain.find("AB")
        assert found is not None
        assert found.height == 9


@PLACES
@pytest.mark.parametrize(("number", "sequence"), [(3, 14), (3, 6), (4, 7)])
async def test_an_account_that_one_endpoint_invents(number: int, sequence: int, place: int) -> None:
    """Number and sequence are those that two endpoints give."""
    liar = honest(
        accounts={ADDRESS: auth_pb2.BaseAccount(address=ADDRESS, account_number=number, sequence=sequence)}
    )
    async with chain_of(*among(liar, place)) as chain:
        account = await chain.account(ADDRESS)
        assert (account.number, account.sequence) == (3, 7)


@PLACES
async def test_an_account_that_one_endpoint_denies(place: int) -> None:
    """A refusal by one is no refusal; by two it is."""
    async with chain_of(*among(honest(accounts={}), place)) as chain:
        assert (await chain.account(ADDRESS)).sequence == 7
        with pytest.raises(Refused, match="has no account"):
            await chain.account("ve1nobody")


@PLACES
@pytest.mark.parametrize("price", ["25uve", "0uve"])
async def test_a_gas_price_that_one_endpoint_invents(price: str, place: int) -> None:
    """A thousand times too high or 0: what two endpoints ask for is paid."""
    async with chain_of(*among(honest(minimum_gas_price=price), place)) as chain:
        assert str(await chain.gas_price("uve")) == "0.025"


@PLACES
async def test_gas_that_one_endpoint_invents(place: int) -> None:
    """A thousand times the gas, or a refusal that would park a job: two others say what it needs."""
    liar = honest()
    liar.answers["Simulate"] = lambda asked: service_pb2.SimulateResponse(
        gas_info=GasInfo(gas_used=75_000_000)
    )
    async with chain_of(*among(liar, place)) as chain:
        assert await chain.simulate(b"tx") == 75_000
        liar.answers["Simulate"] = _refusing
        assert await chain.simulate(b"tx") == 75_000


def _refusing(asked: Any) -> Any:
    raise Abort(
        grpc.StatusCode.UNKNOWN,
        "failed to execute message; message index: 0: JOB-1: invalid job state transition",
    )


@PLACES
async def test_a_transaction_that_one_endpoint_swallows(place: int) -> None:
    """Two endpoints get it, so one that keeps it for itself, or says no, stops nothing."""
    liar = honest()
    liar.answers["BroadcastTx"] = lambda asked: service_pb2.BroadcastTxResponse(
        tx_response=TxResponse(txhash=tx_hash(asked.tx_bytes), code=5, codespace="sdk")
    )
    far_ends = among(liar, place)
    async with chain_of(*far_ends) as chain:
        assert (await chain.broadcast(b"tx")).ok
        assert sum(far.calls.count("BroadcastTx") for far in far_ends if far is not liar) >= 1


async def test_who_deviates_is_named() -> None:
    """Once a line, and a lasting problem as long as it deviates; from then on it is asked last. Agreement
    ends it."""
    liar = lying(JOB, record("cancelled"))
    async with chain_of(liar, honest(), honest()) as chain:
        with structlog.testing.capture_logs() as lines:
            for _ in range(5):
                await chain.job("JOB-1")
        told = [line for line in lines if line["event"] == "endpoint_outvoted"]
        assert len(told) == 1
        assert told[0]["endpoint"] == liar.url
        assert "cancelled" in told[0]["why"]
        assert "pending" in told[0]["why"]
        assert chain.endpoints.ongoing.lasting() == [("endpoint_outvoted", liar.url)]
        assert [endpoint.url for endpoint in await chain.endpoints.healthy()][-1] == liar.url
        liar.records[("hpc", JOB)] = record()
        clock = chain.endpoints.clock
        assert isinstance(clock, FakeClock)
        clock.time += OUTVOTED_SECONDS
        await chain.job("JOB-1")
        assert chain.endpoints.ongoing.lasting() == []


async def test_two_endpoints_that_differ() -> None:
    """Nothing is known, each one's words are named, and it is a lasting problem until they agree."""
    liar = lying(JOB, record("cancelled"))
    async with chain_of(honest(), liar) as chain:
        with pytest.raises(Disagreement, match=r"pending.*cancelled"):
            await chain.job("JOB-1")
        assert chain.endpoints.ongoing.lasting() == [("endpoints_disagree", CHAIN_ID)]
        liar.records[("hpc", JOB)] = record()
        assert await chain.job("JOB-1") is not None
        assert chain.endpoints.ongoing.lasting() == []


async def test_too_few_endpoints() -> None:
    """With one of three left nothing is read that would be acted on, and nothing is sent."""
    left = honest()
    async with chain_of(honest(syncing=True), honest(chain_id="other-9"), left) as chain:
        for call in (
            chain.job("JOB-1"),
            chain.job_counter(),
            chain.head(),
            chain.account(ADDRESS),
            chain.find("AB"),
            chain.broadcast(b"tx"),
        ):
            with pytest.raises(TooFewEndpoints, match=r"^1 \w+ 3 .* 2\b.*other-9"):
                await call
        assert "BroadcastTx" not in left.calls
        assert ("endpoints_too_few", CHAIN_ID) in chain.endpoints.ongoing.lasting()


async def test_one_endpoint_alone_is_trusted() -> None:
    """With one configured, or a quorum of 1, its word is enough."""
    async with chain_of(lying(JOB, record("cancelled"))) as chain:
        found = await chain.job("JOB-1")
        assert found is not None
        assert found.state is State.CANCELLED


async def test_a_glance_goes_round() -> None:
    """Each endpoint has its turn, so that one that keeps a change secret does so for a minute at most."""
    liar = lying(JOB, record("cancelled"))
    async with chain_of(liar, honest(), honest()) as chain:
        clock, seen = chain.endpoints.clock, []
        assert isinstance(clock, FakeClock)
        for _ in range(3):
            found = await chain.glance("JOB-1")
            assert found is not None
            seen.append(found.state)
            clock.time += 60
        assert sorted(seen) == [State.CANCELLED, State.PENDING, State.PENDING]


async def test_the_cost_is_a_constant_factor() -> None:
    """While endpoints agree, only as many are asked as must."""
    far_ends = [honest(), honest(), honest()]
    async with chain_of(*far_ends) as chain:
        await chain.job("JOB-1")
        await chain.job("JOB-1")
        assert [far.calls.count("/store/hpc/key") for far in far_ends] == [2, 2, 0]


@PLACES
async def test_one_that_does_not_answer_holds_nobody_up(place: int) -> None:
    """After a second the others are asked, and it is asked last from then on."""
    async with chain_of(honest(), honest(), honest()) as chain:
        await chain.head()
        ask, slow = chain.agreement.reader, chain.endpoints.all[place]

        async def answered(reader: Reader) -> int:
            if reader is ask(slow):
                await asyncio.sleep(600)
            return 7

        async with asyncio.timeout(60):
            assert await chain.agreement.same("something", answered) == 7
            assert await chain.agreement.same("something", answered) == 7
        assert chain.endpoints.is_outvoted(slow) is (place == 0)


async def test_pages_without_end() -> None:
    """A node that finds more and more transactions is not followed for ever."""
    far = honest()
    page = [TxResponse(height=9)] * 64
    far.answers["GetTxsEvent"] = lambda asked: service_pb2.GetTxsEventResponse(
        txs=[Tx()] * 64, tx_responses=page
    )
    async with chain_of(far) as chain:
        with pytest.raises(Transient, match="found over"):
            await chain.cancelled_since(1)
