"""The port over the wire: accounts, prices, cancels, reports, and records as the loops see them."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as Envelope

from provider_daemon.chain import codec, messages
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.proto.cosmos.auth.v1beta1.auth_pb2 import BaseAccount
from provider_daemon.chain.proto.cosmos.authz.v1beta1.tx_pb2 import MsgExec
from provider_daemon.chain.proto.cosmos.bank.v1beta1 import bank_pb2
from provider_daemon.chain.proto.cosmos.base.abci.v1beta1.abci_pb2 import TxResponse
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.cosmos.crypto.secp256k1.keys_pb2 import PubKey
from provider_daemon.chain.proto.cosmos.tx.v1beta1 import service_pb2, tx_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgCancelJob, MsgReportJobStatus
from provider_daemon.chain.tx import SignedTx, build
from provider_daemon.errors import Refused, Transient, Unreadable
from provider_daemon.job.state import State
from provider_daemon.ports import Account, Queue
from tests.fakes.chain import CHAIN_ID, PROVIDER, FakeClock
from tests.unit.chain.far_end import FarEnd

SAMPLES = {
    sample["kind"]: sample["value"]
    for sample in map(
        json.loads, (Path(__file__).parents[2] / "fixtures/chain/samples.jsonl").read_text().splitlines()
    )
}
UNKNOWN = Envelope(type_url="/some.module.v1.MsgNew", value=b"?")


@asynccontextmanager
async def chain_over(far: FarEnd) -> AsyncIterator[GrpcChain]:
    chain = GrpcChain(CHAIN_ID, [await far.start()], FakeClock())
    try:
        yield chain
    finally:
        await chain.close()
        await far.stop()


def unfunded_refusal() -> bytes:
    """CheckTx's code 9: its log holds raw bytes that cannot be read as text."""
    log = b"fee payer address: \xff\xfe does not exist: unknown address"
    response = b"\x32" + bytes([len(log)]) + log
    return b"\x0a" + bytes([len(response)]) + response


def signed() -> SignedTx:
    price = {"gas_limit": 1, "fee": 1, "fee_denom": "uve"}
    return build(
        [report("JOB-1")],
        signer=PROVIDER,
        chain_id=CHAIN_ID,
        account_number=1,
        sequence=0,
        timeout_height=9,
        **price,  # type: ignore[arg-type]
    )


async def test_an_unfunded_key() -> None:
    """The refusal of a key without funds cannot be read; we know what it means all the same, for there is no
    such account."""
    async with chain_over(FarEnd(answers={"BroadcastTx": lambda asked: unfunded_refusal()})) as chain:
        outcome = await chain.broadcast(signed().tx_bytes)
    assert (outcome.code, outcome.codespace, outcome.tx_hash) == (9, "sdk", signed().tx_hash)
    assert "send fee tokens to it" in outcome.log


async def test_an_unreadable_answer_is_no_refusal() -> None:
    """Of a key that has funds: the bytes may be in a mempool, so nothing is said of them before GetTx says
    it."""
    far = FarEnd(
        answers={"BroadcastTx": lambda asked: unfunded_refusal()},
        accounts={PROVIDER.address: BaseAccount(account_number=1)},
    )
    async with chain_over(far) as chain:
        with pytest.raises(Transient, match="provd looks it up by its hash"):
            await chain.broadcast(signed().tx_bytes)


def wrapped(*inner: Envelope) -> Envelope:
    return messages.pack(MsgExec(grantee="ve1g", msgs=inner))


def cancel(job_id: str) -> Envelope:
    return messages.pack(MsgCancelJob(requester_address="ve1c", job_id=job_id))


def report(job_id: str) -> Envelope:
    return messages.pack(MsgReportJobStatus(provider_address="ve1p", job_id=job_id))


def index(
    by_action: Mapping[str, Sequence[tuple[int, Sequence[Envelope]]]], asked: list[str] | None = None
) -> FarEnd:
    """A node whose index answers a search that names the action with these transactions: (code, messages)."""

    def answer(request: service_pb2.GetTxsEventRequest) -> Any:
        if asked is not None:
            asked.append(request.query)
        found = next(
            (txs for action, txs in by_action.items() if f"message.action='/{action}'" in request.query), []
        )
        return service_pb2.GetTxsEventResponse(
            txs=[tx_pb2.Tx(body=tx_pb2.TxBody(messages=envelopes)) for _, envelopes in found],
            tx_responses=[
                TxResponse(code=code, txhash=str(number)) for number, (code, _) in enumerate(found)
            ],
            total=len(found),
        )

    return FarEnd(answers={"GetTxsEvent": answer})


async def test_job() -> None:
    """The record with its creation time to the nanosecond, for that gives the SLURM job its name."""
    far = FarEnd(records={("hpc", b"\x03JOB-1"): codec.dumps(SAMPLES["job"])})
    async with chain_over(far) as chain:
        job = await chain.job("JOB-1")
    assert job is not None
    assert job.spec.created_ns == 1_795_502_112_340_436_100
    assert (job.state, job.exit_code, job.spec.chain_id) == (State.COMPLETED, 3, CHAIN_ID)
    assert (job.spec.workload.command, job.spec.workload.arguments) == ("hostname", ("-s",))
    assert (
        job.spec.resources.nodes,
        job.spec.resources.cpus_per_node,
        job.spec.resources.memory_gb_per_node,
    ) == (1, 4, 8)


@pytest.mark.parametrize(
    "change",
    [{"created_at": "0001-01-01T00:00:00Z"}, {"state": "unspecified"}, {"state": ""}, {"job_id": ""}],
)
async def test_a_job_without_what_we_need(change: dict[str, str]) -> None:
    """No creation time, no state or no id: such a record is not acted on."""
    far = FarEnd(records={("hpc", b"\x03JOB-1"): codec.dumps({**SAMPLES["job"], **change})})
    async with chain_over(far) as chain:
        with pytest.raises(Unreadable):
            await chain.job("JOB-1")


async def test_cluster_and_offering() -> None:
    """What intake and heartbeats look at."""
    far = FarEnd(
        records={
            ("hpc", b"\x01HPC-1"): codec.dumps(SAMPLES["cluster"]),
            ("hpc", b"\x02OFF-1"): codec.dumps(SAMPLES["offering"]),
        }
    )
    async with chain_over(far) as chain:
        cluster, offering = await chain.cluster("HPC-1"), await chain.offering("OFF-1")
    assert cluster is not None
    assert offering is not None
    assert (cluster.state, cluster.region, cluster.total_nodes, cluster.available_nodes) == (
        "active",
        "eu-west",
        4,
        3,
    )
    assert offering.queues == (Queue("cpu", 4, 86400, "1.0"),)
    assert [item.workload_id for item in offering.preconfigured] == ["mpi-hello"]
    assert (offering.active, offering.supports_custom_workloads) == (True, True)


async def test_cancels() -> None:
    """Jobs named by cancels that succeeded, wrapped ones too; messages that we do not know are passed
    over."""
    asked: list[str] = []
    far = index(
        {
            "virtengine.hpc.v1.MsgCancelJob": [
                (0, [cancel("JOB-1"), wrapped(UNKNOWN)]),
                (5, [cancel("JOB-2")]),
            ],
            "cosmos.authz.v1beta1.MsgExec": [(0, [UNKNOWN, wrapped(UNKNOWN, wrapped(cancel("JOB-3")))])],
        },
        asked,
    )
    async with chain_over(far) as chain:
        assert await chain.cancelled_since(40) == frozenset({"JOB-1", "JOB-3"})
    assert all(query.endswith(" AND tx.height>=40") for query in asked)


async def test_deeply_wrapped_messages() -> None:
    """A transaction made to exhaust its readers is read like any other."""
    envelope = cancel("JOB-1")
    for _ in range(2_000):
        envelope = wrapped(envelope)
    async with chain_over(index({"cosmos.authz.v1beta1.MsgExec": [(0, [envelope])]})) as chain:
        assert await chain.cancelled_since(1) == frozenset({"JOB-1"})


async def test_reports_of_a_job() -> None:
    """Only what reports about that job and succeeded, looked for since the job was made."""
    asked: list[str] = []
    txs = [
        (0, [report("JOB-9"), report("JOB-1")]),
        (0, [report("JOB-9")]),
        (11, [report("JOB-1")]),
        (0, [report("JOB-1")]),
    ]
    far = index({"virtengine.hpc.v1.MsgReportJobStatus": txs}, asked)
    far.records = {("hpc", b"\x03JOB-1"): codec.dumps(SAMPLES["job"])}
    async with chain_over(far) as chain:
        assert [tx.tx_response.txhash for tx in await chain.reports_of("JOB-1")] == ["0", "3"]
    assert asked == ["message.action='/virtengine.hpc.v1.MsgReportJobStatus' AND tx.height>=95"]


async def test_account() -> None:
    """Number and sequence; an account that was never funded is refused in words."""
    async with chain_over(FarEnd(accounts={"ve1a": BaseAccount(account_number=7, sequence=3)})) as chain:
        assert await chain.account("ve1a") == Account(7, 3)
        with pytest.raises(Refused, match="has no account ve1b") as refused:
            await chain.account("ve1b")
    assert refused.value.code == 9


@pytest.mark.parametrize(
    ("static", "moving", "price"),
    [
        ("0.025uve", b"", "0.025"),
        ("0.5uatom,0.025000000000000000uve", b"", "0.025"),
        (
            "0.025uve",
            b'{"current_min_gas_prices":[{"denom":"uve","amount":"0.031250000000000000"}]}',
            "0.03125",
        ),
        ("0.025uve", b'{"current_min_gas_prices":[{"denom":"other","amount":"9"}]}', "0.025"),
        ("0.025uve", b'{"current_min_gas_prices":null}', "0.025"),
        ("", b"", "0"),
    ],
)
async def test_gas_price(static: str, moving: bytes, price: str) -> None:
    """The chain's moving price where it is higher than the node's own minimum."""
    async with chain_over(
        FarEnd(minimum_gas_price=static, records={("gaspricing", b"\x02"): moving})
    ) as chain:
        assert await chain.gas_price("uve") == Decimal(price)


async def test_gas_price_without_that_module() -> None:
    """A chain without such a store has the node's minimum only."""
    async with chain_over(
        FarEnd(store_code=4, store_log="no such store: gaspricing: unknown request")
    ) as chain:
        assert await chain.gas_price("uve") == Decimal("0.025")


@pytest.mark.parametrize(
    "moving",
    [b"{", b'{"current_min_gas_prices":[{"denom":"uve","amount":"much"}]}', b'{"current_min_gas_prices":[1]}']
    + [
        b'{"current_min_gas_prices":[{"denom":"uve","amount":"%s"}]}' % wild
        for wild in (b"Infinity", b"NaN", b"-1", b"1e40")
    ],
)
async def test_gas_price_that_cannot_be_read(moving: bytes) -> None:
    """No fee is made up from a price that we do not understand."""
    async with chain_over(FarEnd(records={("gaspricing", b"\x02"): moving})) as chain:
        with pytest.raises(Unreadable):
            await chain.gas_price("uve")


@pytest.mark.parametrize("amount", ["much", "-5", "1e9", "\uff11", "9" * 5000, "1.5"])
async def test_a_balance_that_is_no_amount(amount: str) -> None:
    """It is an unreadable answer, and no number is made of it."""
    far = FarEnd(
        answers={"Balance": lambda _: bank_pb2.QueryBalanceResponse(balance=Coin(denom="uve", amount=amount))}
    )
    async with chain_over(far) as chain:
        with pytest.raises(Unreadable, match="invalid balance"):
            await chain.balance(PROVIDER.address, "uve")


@pytest.mark.parametrize(
    "wild", [BaseAccount(account_number=2**63), BaseAccount(sequence=2**64 - 1)], ids=["number", "sequence"]
)
async def test_an_account_beyond_all_counting(wild: BaseAccount) -> None:
    """Numbers that no account has are an unreadable answer, and nothing is signed with them."""
    async with chain_over(FarEnd(accounts={"ve1a": wild})) as chain:
        with pytest.raises(Unreadable, match="ve1a"):
            await chain.account("ve1a")


async def test_public_key_of_an_account() -> None:
    """The key that the account's own transactions brought to the chain; b"" before the first one."""
    known = BaseAccount(account_number=1)
    known.pub_key.Pack(PubKey(key=PROVIDER.public_key), type_url_prefix="/")
    accounts = {PROVIDER.address: known, "ve1new": BaseAccount(account_number=2)}
    async with chain_over(FarEnd(accounts=accounts)) as chain:
        assert await chain.public_key(PROVIDER.address) == PROVIDER.public_key
        assert await chain.public_key("ve1new") == b""
        with pytest.raises(Refused, match="no account ve1none"):
            await chain.public_key("ve1none")


async def test_a_foreign_public_key_is_not_accepted() -> None:
    """A key that does not hash to the address would let somebody else log in; another kind is named."""
    foreign, multisig = BaseAccount(account_number=1), BaseAccount(account_number=2)
    foreign.pub_key.Pack(PubKey(key=PROVIDER.public_key), type_url_prefix="/")
    multisig.pub_key.type_url = "/cosmos.crypto.multisig.LegacyAminoPubKey"
    async with chain_over(FarEnd(accounts={"ve1a": foreign, "ve1b": multisig})) as chain:
        with pytest.raises(Unreadable, match="belongs to another account"):
            await chain.public_key("ve1a")
        with pytest.raises(Refused, match="LegacyAminoPubKey"):
            await chain.public_key("ve1b")
