"""The REST server, over a real HTTP socket: what a curl of each path answers."""

import base64
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from provider_daemon.chain import messages
from provider_daemon.chain import tx as transactions
from provider_daemon.chain.proto.cosmos.bank.v1beta1.bank_pb2 import MsgSend
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.devnet.rest import routes
from provider_daemon.devnet.server import Devnet
from provider_daemon.errors import ConfigError
from tests.fakes.chain import ALICE, BOB, CHAIN_ID, PROVIDER, TestChain, job, person, report

pytestmark = pytest.mark.asyncio

HPC = "/virtengine/hpc/v1"
HOUR = types_pb2.HPCUsageMetrics(
    wall_clock_seconds=3600, cpu_core_seconds=7200, memory_gb_seconds=14400, node_hours=1, nodes_used=1
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chain() -> AsyncIterator[TestChain]:
    """A chain with one record of each kind: JOB-1 is settled, and disputed; JOB-2 to JOB-4 wait."""
    started = await TestChain(rest="127.0.0.1:0").start()
    await started.open_shop()
    node = tx_pb2.MsgUpdateNodeMetadata(
        provider_address=PROVIDER.address, node_id="alpha.n1", cluster_id="HPC-1", region="eu", active=True
    )
    await started.send(PROVIDER, *(_renamed(node, f"alpha.n{number}") for number in range(1, 5)))
    await started.send(ALICE, *(job() for _ in range(4)))
    await started.send(PROVIDER, report("queued"), report("running"), report("completed", usage_metrics=HOUR))
    flag = tx_pb2.MsgFlagDispute(
        disputer_address=ALICE.address, job_id="JOB-1", dispute_type="usage", reason="wrong usage"
    )
    assert (await started.send(ALICE, flag)).ok
    yield started
    await started.stop()


def _renamed(node: tx_pb2.MsgUpdateNodeMetadata, node_id: str) -> tx_pb2.MsgUpdateNodeMetadata:
    copy = tx_pb2.MsgUpdateNodeMetadata.FromString(node.SerializeToString())
    copy.node_id = node_id
    return copy


async def get(chain: TestChain, where: str, /, **query: str) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{chain.devnet.rest_port}{where}", params=query) as answer,
    ):
        assert answer.content_type == "application/json"
        return answer.status, await answer.json()


async def post(chain: TestChain, path: str, body: str) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{chain.devnet.rest_port}{path}", data=body) as answer,
    ):
        return answer.status, await answer.json()


def first(name: str, field: str) -> Callable[[Any], Any]:
    return lambda answer: answer[name][0][field]


# The paths of the module's test report, and those of the calls that it does not list.
PATHS: dict[str, tuple[str, Callable[[Any], Any], Any]] = {
    "Cluster": ("/cluster/HPC-1", lambda a: a["cluster"]["cluster_id"], "HPC-1"),
    "Clusters": ("/clusters", first("clusters", "cluster_id"), "HPC-1"),
    "ClustersByProvider": (
        f"/clusters/provider/{PROVIDER.address}",
        first("clusters", "cluster_id"),
        "HPC-1",
    ),
    "Offering": ("/offering/OFF-1", lambda a: a["offering"]["offering_id"], "OFF-1"),
    "Offerings": ("/offerings", first("offerings", "offering_id"), "OFF-1"),
    "OfferingsByCluster": ("/offerings/cluster/HPC-1", first("offerings", "offering_id"), "OFF-1"),
    "Job": ("/job/JOB-1", lambda a: a["job"]["state"], "JOB_STATE_COMPLETED"),
    "Jobs": ("/jobs", lambda a: len(a["jobs"]), 4),
    "JobsByCustomer": (f"/jobs/customer/{ALICE.address}", lambda a: len(a["jobs"]), 4),
    "JobsByProvider": (f"/jobs/provider/{PROVIDER.address}", lambda a: len(a["jobs"]), 4),
    "JobAccounting": (
        "/job/JOB-1/accounting",
        lambda a: a["accounting"]["total_cost"],
        [{"denom": "uvirt", "amount": "90000"}],
    ),
    "NodeMetadata": ("/node/alpha.n1", lambda a: a["node"]["cluster_id"], "HPC-1"),
    "NodesByCluster": ("/nodes/cluster/HPC-1", lambda a: len(a["nodes"]), 4),
    "SchedulingDecision": ("/scheduling/hpc-decision-1", lambda a: a["decision"]["job_id"], "JOB-1"),
    "SchedulingDecisionByJob": (
        "/job/JOB-1/scheduling",
        lambda a: a["decision"]["decision_id"],
        "hpc-decision-1",
    ),
    "SchedulingMetrics": (
        "/scheduling/metrics/HPC-1/standard",
        lambda a: a["metrics"]["total_decisions"],
        "4",
    ),
    "Reward": (
        "/reward/hpc-reward-JOB-1",
        lambda a: a["reward"]["source"],
        "HPC_REWARD_SOURCE_JOB_COMPLETION",
    ),
    "RewardsByJob": ("/job/JOB-1/rewards", first("rewards", "reward_id"), "hpc-reward-JOB-1"),
    "Dispute": ("/dispute/hpc-dispute-2", lambda a: a["dispute"]["job_id"], "JOB-1"),
    "Disputes": ("/disputes", first("disputes", "status"), "DISPUTE_STATUS_PENDING"),
    "Params": ("/params", lambda a: a["params"]["max_latency_ms"], "50"),
}


async def test_every_call_has_its_path() -> None:
    """All 21, and none twice."""
    assert set(PATHS) == set(routes.HPC)
    assert len({route.path for route in routes.every() if route.verb == "GET"}) == len(routes.every()) - 2


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", PATHS)
async def test_each_path_answers_200_with_the_record(chain: TestChain, name: str) -> None:
    """Snake case, 64-bit integers as strings, enums by name."""
    path, part, expected = PATHS[name]
    status, answer = await get(chain, HPC + path)
    assert status == 200
    assert part(answer) == expected


@pytest.mark.asyncio(loop_scope="module")
async def test_a_record_is_printed_whole(chain: TestChain) -> None:
    """Zeros and what is not set are there too; 32-bit integers are numbers, 64-bit ones strings, times RFC
    3339."""
    _, answer = await get(chain, f"{HPC}/job/JOB-2")
    found = answer["job"]
    assert list(found)[:3] == ["job_id", "offering_id", "cluster_id"]
    assert (
        found["exit_code"],
        found["max_runtime_seconds"],
        found["queued_at"],
        found["data_references"],
    ) == (0, "600", None, [])
    assert found["resources"] == {
        "nodes": 1, "cpu_cores_per_node": 2, "memory_gb_per_node": 4, "gpus_per_node": 0, "storage_gb": 0,
        "gpu_type": "",
    }  # fmt: skip
    assert found["created_at"].startswith("2033-05-18T")
    assert found["created_at"].endswith("Z")
    assert found["workload_spec"]["environment"] == {}


@pytest.mark.asyncio(loop_scope="module")
async def test_pages(chain: TestChain) -> None:
    """`pagination.*` in the query string; the next key comes and goes in base64."""
    _, answer = await get(chain, f"{HPC}/jobs", **{"pagination.limit": "3", "pagination.count_total": "true"})
    assert [found["job_id"] for found in answer["jobs"]] == ["JOB-1", "JOB-2", "JOB-3"]
    assert answer["pagination"] == {"next_key": base64.b64encode(b"JOB-4").decode(), "total": "4"}
    _, rest = await get(
        chain, f"{HPC}/jobs", **{"pagination.limit": "3", "pagination.key": answer["pagination"]["next_key"]}
    )
    assert [found["job_id"] for found in rest["jobs"]] == ["JOB-4"]
    assert rest["pagination"] == {"next_key": None, "total": "0"}
    _, backwards = await get(
        chain,
        f"{HPC}/jobs",
        **{"pagination.reverse": "true", "pagination.limit": "1", "pagination.offset": "1"},
    )
    assert [found["job_id"] for found in backwards["jobs"]] == ["JOB-3"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("path", "query", "field", "count"),
    [
        ("/jobs", {"state": "JOB_STATE_COMPLETED"}, "jobs", 1),
        ("/jobs", {"state": "4"}, "jobs", 1),
        ("/jobs", {"state": "JOB_STATE_PENDING", "cluster_id": "HPC-1"}, "jobs", 3),
        ("/jobs", {"cluster_id": "HPC-9"}, "jobs", 0),
        ("/clusters", {"state": "CLUSTER_STATE_ACTIVE", "region": "eu"}, "clusters", 1),
        ("/clusters", {"region": "mars"}, "clusters", 0),
        ("/offerings", {"active_only": "true"}, "offerings", 1),
        ("/disputes", {"status": "DISPUTE_STATUS_RESOLVED"}, "disputes", 0),
        ("/jobs", {"no_such_thing": "1"}, "jobs", 4),
    ],
)
async def test_filters(chain: TestChain, path: str, query: dict[str, str], field: str, count: int) -> None:
    """By name or number; what is not known is passed over."""
    status, answer = await get(chain, HPC + path, **query)
    assert (status, len(answer[field])) == (200, count)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        (f"{HPC}/job/JOB-9", {}, 404, 5),
        (f"{HPC}/jobs", {"state": "JOB_STATE_ASLEEP"}, 400, 3),
        (f"{HPC}/jobs", {"pagination.limit": "many"}, 400, 3),
        (f"{HPC}/jobs", {"pagination.reverse": "perhaps"}, 400, 3),
        (f"{HPC}/jobs", {"pagination.key": "Sk9CLTE=", "pagination.offset": "1"}, 400, 3),
        ("/cosmos/tx/v1beta1/txs", {"query": "nonsense"}, 400, 3),
        (
            f"/cosmos/bank/v1beta1/balances/{BOB.address}",
            {"pagination.key": "Sk9CLTE=", "pagination.offset": "1"},
            400,
            3,
        ),
        (f"/cosmos/tx/v1beta1/txs/{'AB' * 32}", {}, 404, 5),
        (f"/cosmos/auth/v1beta1/accounts/{person('nobody').address}", {}, 404, 5),
        (f"{HPC}/nothing", {}, 501, 12),
    ],
)
async def test_failures(chain: TestChain, path: str, query: dict[str, str], status: int, code: int) -> None:
    """code, message and details, with the gateway's HTTP status for the code."""
    found, answer = await get(chain, path, **query)
    assert (found, answer["code"], answer["details"]) == (status, code, [])
    assert answer["message"]


async def test_a_call_that_the_chain_does_not_have() -> None:
    """501, as UNIMPLEMENTED is told."""
    chain = await TestChain(queries="published", rest="127.0.0.1:0").start()
    status, answer = await get(chain, f"{HPC}/jobs")
    assert (status, answer) == (501, {"code": 12, "message": "method Jobs not implemented", "details": []})
    await chain.stop()


# --- what any Cosmos client asks ---


@pytest.mark.asyncio(loop_scope="module")
async def test_balances(chain: TestChain) -> None:
    """All of an account's, and one by its denom."""
    _, answer = await get(chain, f"/cosmos/bank/v1beta1/balances/{BOB.address}")
    coins = [{"denom": "uve", "amount": "1000000000000"}, {"denom": "uvirt", "amount": "1000000000000"}]
    assert answer == {"balances": coins, "pagination": {"next_key": None, "total": "2"}}
    _, answer = await get(chain, f"/cosmos/bank/v1beta1/balances/{BOB.address}/by_denom", denom="uve")
    assert answer == {"balance": coins[0]}


@pytest.mark.asyncio(loop_scope="module")
async def test_account(chain: TestChain) -> None:
    """With its type and public key, once it has signed."""
    _, answer = await get(chain, f"/cosmos/auth/v1beta1/accounts/{ALICE.address}")
    key = {"@type": "/cosmos.crypto.secp256k1.PubKey", "key": base64.b64encode(ALICE.public_key).decode()}
    expected = {"address": ALICE.address, "pub_key": key, "account_number": "1", "sequence": "2"}
    assert answer == {"account": {"@type": "/cosmos.auth.v1beta1.BaseAccount", **expected}}
    _, answer = await get(chain, f"/cosmos/auth/v1beta1/account_info/{ALICE.address}")
    assert answer == {"info": expected}


@pytest.mark.asyncio(loop_scope="module")
async def test_node(chain: TestChain) -> None:
    _, answer = await get(chain, "/cosmos/base/tendermint/v1beta1/blocks/latest")
    assert answer["sdk_block"]["header"]["height"] == str(chain.devnet.blocks.height)
    _, answer = await get(chain, "/cosmos/base/tendermint/v1beta1/node_info")
    assert answer["default_node_info"]["network"] == CHAIN_ID
    _, answer = await get(chain, "/cosmos/base/tendermint/v1beta1/syncing")
    assert answer == {"syncing": False}
    _, answer = await get(chain, "/cosmos/base/node/v1beta1/config")
    assert answer == {"minimum_gas_price": "0.025uve"}
    _, answer = await get(
        chain, "/cosmos/base/tendermint/v1beta1/abci_query", path="/store/hpc/key", data="AUhQQy0x"
    )
    assert base64.b64decode(answer["value"]).startswith(b'{"cluster_id":"HPC-1"')


async def test_a_transaction_all_the_way() -> None:
    """Simulated, broadcast, and found by its hash and by its sender's sequence."""
    chain = await TestChain(rest="127.0.0.1:0").start()
    send = MsgSend(
        from_address=ALICE.address, to_address=BOB.address, amount=[Coin(denom="uvirt", amount="5")]
    )
    signed = await chain.signed(ALICE, send)
    content = base64.b64encode(signed.tx_bytes).decode()
    status, answer = await post(chain, "/cosmos/tx/v1beta1/simulate", f'{{"tx_bytes":"{content}"}}')
    assert status == 200
    assert int(answer["gas_info"]["gas_used"]) > 60_000
    status, answer = await post(
        chain, "/cosmos/tx/v1beta1/txs", f'{{"tx_bytes":"{content}","mode":"BROADCAST_MODE_SYNC"}}'
    )
    assert (status, answer["tx_response"]["code"], answer["tx_response"]["txhash"]) == (
        200,
        0,
        signed.tx_hash,
    )
    chain.block()
    _, answer = await get(chain, f"/cosmos/tx/v1beta1/txs/{signed.tx_hash}")
    assert answer["tx_response"]["height"] == str(chain.devnet.blocks.height)
    (found,) = answer["tx"]["body"]["messages"]
    assert (found["@type"], found["amount"]) == (
        "/cosmos.bank.v1beta1.MsgSend",
        [{"denom": "uvirt", "amount": "5"}],
    )
    assert answer["tx"]["auth_info"]["signer_infos"][0]["mode_info"] == {
        "single": {"mode": "SIGN_MODE_DIRECT"}
    }
    _, answer = await get(chain, "/cosmos/tx/v1beta1/txs", query=f"tx.acc_seq='{ALICE.address}/0'")
    assert [tx["txhash"] for tx in answer["tx_responses"]] == [signed.tx_hash]
    await chain.stop()


@pytest.mark.asyncio(loop_scope="module")
async def test_a_simulation_that_fails(chain: TestChain) -> None:
    """Nonsense is a mistake (400), a message that fails is told with the gas that it took (500)."""
    status, answer = await post(chain, "/cosmos/tx/v1beta1/simulate", '{"tx_bytes":"AAAA"}')
    assert (status, answer["code"]) == (400, 3)
    signed = await chain.signed(ALICE, job(offering_id="OFF-9"))
    content = base64.b64encode(signed.tx_bytes).decode()
    status, answer = await post(chain, "/cosmos/tx/v1beta1/simulate", f'{{"tx_bytes":"{content}"}}')
    assert (status, answer["code"]) == (500, 2)
    assert "message index: 0: OFF-9: offering not found with gas used:" in answer["message"]


async def test_refused_broadcasts() -> None:
    """A code with its log, in which bytes that are no UTF-8 are replaced; BLOCK mode and a body that is no
    JSON are mistakes."""
    chain = await TestChain(rest="127.0.0.1:0").start()
    poor = person("poor")
    send = MsgSend(from_address=poor.address, to_address=BOB.address)
    unfunded = transactions.build(
        [messages.pack(send)], signer=poor, chain_id=CHAIN_ID, account_number=9, sequence=0,
        gas_limit=200_000, fee=5_000, fee_denom="uve",
        timeout_height=99,
    )  # fmt: skip
    content = base64.b64encode(unfunded.tx_bytes).decode()
    status, answer = await post(
        chain, "/cosmos/tx/v1beta1/txs", f'{{"tx_bytes":"{content}","mode":"BROADCAST_MODE_SYNC"}}'
    )
    assert (status, answer["tx_response"]["code"], answer["tx_response"]["codespace"]) == (200, 9, "sdk")
    assert "\ufffd" in answer["tx_response"]["raw_log"]
    assert answer["tx_response"]["raw_log"].endswith("does not exist: unknown address")
    status, answer = await post(
        chain, "/cosmos/tx/v1beta1/txs", f'{{"tx_bytes":"{content}","mode":"BROADCAST_MODE_BLOCK"}}'
    )
    assert (status, answer["code"]) == (400, 3)
    status, answer = await post(chain, "/cosmos/tx/v1beta1/txs", "not json")
    assert (status, answer["code"]) == (400, 3)
    await chain.stop()


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:99999", "203.0.113.1:1317"])
async def test_an_unusable_address(address: str) -> None:
    """One clear line, and the gRPC port is free again."""
    devnet = Devnet(rest=address)
    with pytest.raises(ConfigError, match="REST cannot listen on"):
        await devnet.start()
    again = Devnet(listen=f"127.0.0.1:{devnet.port}")
    await again.start()
    await again.stop()
