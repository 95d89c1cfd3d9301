"""What the gRPC services answer, seen by raw calls."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
import pytest_asyncio

from provider_daemon.chain import codec, keyspace
from provider_daemon.chain.proto.cosmos.auth.v1beta1 import auth_pb2, auth_pb2_grpc
from provider_daemon.chain.proto.cosmos.base.node.v1beta1 import query_pb2 as node_pb2
from provider_daemon.chain.proto.cosmos.base.node.v1beta1 import query_pb2_grpc as node_grpc
from provider_daemon.chain.proto.cosmos.base.query.v1beta1.pagination_pb2 import PageRequest
from provider_daemon.chain.proto.cosmos.base.store.v1beta1.kv_pb2 import Pairs
from provider_daemon.chain.proto.cosmos.base.tendermint.v1beta1 import query_pb2 as tendermint_pb2
from provider_daemon.chain.proto.cosmos.base.tendermint.v1beta1 import query_pb2_grpc as tendermint_grpc
from provider_daemon.chain.proto.cosmos.tx.v1beta1 import service_pb2, service_pb2_grpc
from provider_daemon.chain.proto.virtengine.hpc.v1 import query_pb2 as hpc
from provider_daemon.chain.proto.virtengine.hpc.v1 import query_pb2_grpc as hpc_grpc
from provider_daemon.devnet.services.hpc import PUBLISHED
from tests.fakes.chain import ALICE, CHAIN_ID, TestChain, job, person

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def channel(chain: TestChain) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{chain.devnet.port}") as opened:
        yield opened


async def abci(
    channel: grpc.aio.Channel, path: str, data: bytes, height: int = 0
) -> tendermint_pb2.ABCIQueryResponse:
    request = tendermint_pb2.ABCIQueryRequest(path=path, data=data, height=height)
    return await tendermint_grpc.ServiceStub(channel).ABCIQuery(request)


async def test_raw_store(chain: TestChain, channel: grpc.aio.Channel) -> None:
    """A record by its key, an empty value for a missing one, and code 0 with a log for a height that is not
    there yet."""
    await chain.open_shop()
    found = await abci(channel, "/store/hpc/key", keyspace.key(keyspace.CLUSTER, "HPC-1"))
    assert codec.loads(found.value)["cluster_id"] == "HPC-1"
    missing = await abci(channel, "/store/hpc/key", keyspace.key(keyspace.CLUSTER, "HPC-9"))
    assert (missing.code, missing.value, missing.log) == (0, b"", "")
    future = await abci(channel, "/store/hpc/key", keyspace.key(keyspace.CLUSTER, "HPC-1"), height=10**6)
    assert (future.code, future.value, future.log) == (0, b"", "version does not exist")


@pytest.mark.parametrize(
    ("path", "data", "code", "log"),
    [
        ("/store/wasm/key", b"a", 4, "no such store: wasm: unknown request"),
        ("/store/meta/key", b"chain_id", 4, "no such store: meta: unknown request"),
        ("/store/hpc/key", b"", 3, "query cannot be zero length: tx parse error"),
        ("/store/hpc/all", b"a", 4, "unexpected query path: /store/hpc/all: unknown request"),
    ],
)
async def test_raw_store_says_no(
    channel: grpc.aio.Channel, path: str, data: bytes, code: int, log: str
) -> None:
    """With the store module's own codes; the devnet's books are no store of the chain's."""
    answer = await abci(channel, path, data)
    assert (answer.codespace, answer.code, answer.log, answer.value) == ("store", code, log, b"")


async def test_subspace_is_by_prefix(chain: TestChain, channel: grpc.aio.Channel) -> None:
    """JOB-1 also answers JOB-10, in key order."""
    await chain.open_shop()
    await chain.send(ALICE, *(job(max_price=[]) for _ in range(10)), gas_limit=5_000_000, fee=125_000)
    answer = await abci(channel, "/store/hpc/subspace", keyspace.key(keyspace.JOB, "JOB-1"))
    assert [pair.key for pair in Pairs.FromString(answer.value).pairs] == [b"\x03JOB-1", b"\x03JOB-10"]


async def test_gas_price(channel: grpc.aio.Channel) -> None:
    """The static one by Config, the current one in the gaspricing store."""
    config = await node_grpc.ServiceStub(channel).Config(node_pb2.ConfigRequest())
    assert config.minimum_gas_price == "0.025uve"
    answer = await abci(channel, "/store/gaspricing/key", b"\x02")
    assert codec.loads(answer.value)["current_min_gas_prices"][0] == {"denom": "uve", "amount": "0.025"}


async def test_node_tells_its_chain(chain: TestChain, channel: grpc.aio.Channel) -> None:
    """Chain id and height in the latest block, the network in the node's information, and no catching up."""
    stub = tendermint_grpc.ServiceStub(channel)
    header = (await stub.GetLatestBlock(tendermint_pb2.GetLatestBlockRequest())).sdk_block.header
    assert (header.chain_id, header.height) == (CHAIN_ID, chain.devnet.blocks.height)
    info = await stub.GetNodeInfo(tendermint_pb2.GetNodeInfoRequest())
    assert info.default_node_info.network == CHAIN_ID
    assert not (await stub.GetSyncing(tendermint_pb2.GetSyncingRequest())).syncing


async def test_unknown_account(channel: grpc.aio.Channel) -> None:
    """NOT_FOUND, not an empty account."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await auth_pb2_grpc.QueryStub(channel).AccountInfo(
            auth_pb2.QueryAccountInfoRequest(address=person("nobody").address)
        )
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_unknown_tx(channel: grpc.aio.Channel) -> None:
    """NOT_FOUND with the hash, until the transaction is in a block."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service_pb2_grpc.ServiceStub(channel).GetTx(service_pb2.GetTxRequest(hash="AB" * 32))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == f"tx not found: {'AB' * 32}"


async def search(channel: grpc.aio.Channel, query: str, **page: Any) -> service_pb2.GetTxsEventResponse:
    return await service_pb2_grpc.ServiceStub(channel).GetTxsEvent(
        service_pb2.GetTxsEventRequest(query=query, **page)
    )


async def test_event_queries(chain: TestChain, channel: grpc.aio.Channel) -> None:
    """By action, height and sequence, joined by AND; in pages, oldest first; a failed message's action is not
    there but its sequence is."""
    await chain.open_shop()
    sent = [await chain.send(ALICE, job()) for _ in range(3)]
    failed = await chain.send(ALICE, job(offering_id="OFF-9"))
    action = "message.action='/virtengine.hpc.v1.MsgSubmitJob'"
    assert [tx.txhash for tx in (await search(channel, action)).tx_responses] == [tx.tx_hash for tx in sent]
    later = await search(channel, f"{action} AND tx.height>{sent[0].height}")
    assert later.total == 2
    assert (
        await search(channel, f"{action} AND tx.height>={sent[0].height} AND tx.height<={sent[1].height}")
    ).total == 2
    second = await search(channel, action, page=2, limit=2)
    assert [tx.txhash for tx in second.tx_responses] == [sent[2].tx_hash]
    by_sequence = await search(channel, f"tx.acc_seq='{ALICE.address}/3'")
    assert [tx.txhash for tx in by_sequence.tx_responses] == [failed.tx_hash]


@pytest.mark.parametrize("query", ["", "message.action=", "a.b>'x'"])
async def test_bad_event_queries(channel: grpc.aio.Channel, query: str) -> None:
    """Refused, not taken for 'everything'."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await search(channel, query)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_events_of_a_submission(chain: TestChain, channel: grpc.aio.Channel) -> None:
    """The message's event names action, sender and module, never the job; the scheduling decision's does."""
    await chain.open_shop()
    await chain.send(ALICE, job())
    (found,) = (await search(channel, f"tx.acc_seq='{ALICE.address}/0'")).tx_responses
    events = {event.type: {entry.key: entry.value for entry in event.attributes} for event in found.events}
    assert events["message"] == {
        "action": "/virtengine.hpc.v1.MsgSubmitJob",
        "sender": ALICE.address,
        "module": "hpc",
        "msg_index": "0",
    }
    assert events["hpc_scheduling_decision"]["job_id"] == "JOB-1"


# --- the module's own queries ---

CALLS = [method.name for method in hpc.DESCRIPTOR.services_by_name["Query"].methods]


async def outcome(port: int, name: str) -> tuple[grpc.StatusCode, str]:
    """OK, or the status and its text, of an empty request."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
        try:
            await getattr(hpc_grpc.QueryStub(opened), name)(getattr(hpc, f"Query{name}Request")())
        except grpc.aio.AioRpcError as error:
            return error.code(), error.details() or ""
    return grpc.StatusCode.OK, ""


async def test_none() -> None:
    """The service is not there at all."""
    chain = await TestChain(queries="none").start()
    assert {(await outcome(chain.devnet.port, name))[0] for name in CALLS} == {grpc.StatusCode.UNIMPLEMENTED}
    await chain.stop()


async def test_published() -> None:
    """Six calls answer; fifteen say that they are not implemented, each by its name."""
    chain = await TestChain(queries="published").start()
    found = {name: await outcome(chain.devnet.port, name) for name in CALLS}
    missing = {name: text for name, (code, text) in found.items() if code is grpc.StatusCode.UNIMPLEMENTED}
    assert set(CALLS) - set(missing) == PUBLISHED
    assert missing == {name: f"method {name} not implemented" for name in missing}
    assert len(missing) == 15
    await chain.stop()


async def test_all(chain: TestChain) -> None:
    """Every call answers, if only that there is no such record."""
    codes = {(await outcome(chain.devnet.port, name))[0] for name in CALLS}
    assert codes == {grpc.StatusCode.OK, grpc.StatusCode.NOT_FOUND}


async def test_scheduling_metrics(chain: TestChain, channel: grpc.aio.Channel) -> None:
    """Decisions of one cluster's queue, with their mean scores."""
    await chain.open_shop()
    await chain.send(ALICE, job(), job(), job(queue_name="other"))
    request = hpc.QuerySchedulingMetricsRequest(cluster_id="HPC-1", queue_name="standard")
    found = (await hpc_grpc.QueryStub(channel).SchedulingMetrics(request)).metrics
    assert (found.total_decisions, found.avg_latency_score, found.avg_capacity_score) == (
        2,
        "1000000",
        "1000000",
    )
    decision = await hpc_grpc.QueryStub(channel).SchedulingDecisionByJob(
        hpc.QuerySchedulingDecisionByJobRequest(job_id="JOB-2")
    )
    assert decision.decision.selected_cluster_id == "HPC-1"


async def test_pages(chain: TestChain, channel: grpc.aio.Channel) -> None:
    """A limit, and a key that leads to the rest."""
    await chain.open_shop()
    await chain.send(ALICE, *(job(max_price=[]) for _ in range(5)))
    stub = hpc_grpc.QueryStub(channel)
    first = await stub.JobsByCustomer(
        hpc.QueryJobsByCustomerRequest(customer_address=ALICE.address, pagination=PageRequest(limit=3))
    )
    following = PageRequest(key=first.pagination.next_key, limit=3)
    second = await stub.JobsByCustomer(
        hpc.QueryJobsByCustomerRequest(customer_address=ALICE.address, pagination=following)
    )
    assert [found.job_id for found in (*first.jobs, *second.jobs)] == [
        f"JOB-{number}" for number in range(1, 6)
    ]
    assert not second.pagination.next_key
