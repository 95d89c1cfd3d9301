"""The false answers of one endpoint. Each lie is about one thing; all other answers are true."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from provider_daemon.chain import keyspace, messages
from provider_daemon.chain import tx as transactions
from provider_daemon.chain.proto.cosmos.auth.v1beta1.auth_pb2 import QueryAccountInfoResponse
from provider_daemon.chain.proto.cosmos.bank.v1beta1.bank_pb2 import QueryBalanceResponse
from provider_daemon.chain.proto.cosmos.base.abci.v1beta1.abci_pb2 import TxResponse
from provider_daemon.chain.proto.cosmos.base.node.v1beta1.query_pb2 import ConfigResponse
from provider_daemon.chain.proto.cosmos.base.tendermint.v1beta1 import query_pb2
from provider_daemon.chain.proto.cosmos.tx.v1beta1 import service_pb2
from provider_daemon.chain.proto.cosmos.tx.v1beta1.tx_pb2 import Tx, TxBody
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgCancelJob
from tests.lying_endpoints.proxy import Call, Denied, Lie, never

M = TypeVar("M", bound=Message)
Record = dict[str, Any]


@dataclass(slots=True)
class Scene:
    """What a lie can be about.

    `victim`: a paid job that runs. `next_job`: the number of the next job; `customer`: the attacker.
    """

    victim: str = ""
    next_job: int = 1
    customer: str = ""
    frozen: bytes = b""
    kept: dict[str, bytes] = field(default_factory=dict)


Made = Callable[[Scene], Lie]


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    make: Made


def on(method: str, answer: type[M], change: Callable[[M, Scene], None]) -> Made:
    """Changes the response of one call in place."""

    def make(scene: Scene) -> Lie:
        async def lie(call: Call) -> bytes:
            truth = await call.truth()
            if call.method != method:
                return truth
            said = answer.FromString(truth)
            change(said, scene)
            return said.SerializeToString()

        return lie

    return make


def stored(matches: Callable[[bytes, Scene], bool], change: Callable[[bytes, Scene], bytes]) -> Made:
    """Changes the value of some keys of the module's store."""

    def make(scene: Scene) -> Lie:
        async def lie(call: Call) -> bytes:
            truth = await call.truth()
            if call.method != "ABCIQuery":
                return truth
            asked, said = (
                query_pb2.ABCIQueryRequest.FromString(call.request),
                query_pb2.ABCIQueryResponse.FromString(truth),
            )
            if asked.path == "/store/hpc/key" and matches(asked.data, scene):
                said.value = change(said.value, scene)
            return said.SerializeToString()

        return lie

    return make


def both(*made: Made) -> Made:
    """Combines several lies."""

    def make(scene: Scene) -> Lie:
        def combine(first: Lie, second: Lie) -> Lie:
            async def lie(call: Call) -> bytes:
                async def told() -> bytes:
                    return await first(call)

                return await second(Call(call.service, call.method, call.request, told))

            return lie

        lies = [each(scene) for each in made]
        found = lies[0]
        for other in lies[1:]:
            found = combine(found, other)
        return found

    return make


def record(changed: Callable[[Record, Scene], None]) -> Callable[[bytes, Scene], bytes]:
    def change(value: bytes, scene: Scene) -> bytes:
        if not value:
            return value
        found = json.loads(value)
        changed(found, scene)
        return json.dumps(found).encode()

    return change


def victim(key: bytes, scene: Scene) -> bool:
    return key == keyspace.key(keyspace.JOB, scene.victim)


def new_job(key: bytes, scene: Scene) -> bool:
    return key[:1] == keyspace.JOB and int(keyspace.record_id(key).removeprefix("JOB-")) >= scene.next_job


def offering(key: bytes, scene: Scene) -> bool:
    return key[:1] == keyspace.OFFERING


def counter(key: bytes, scene: Scene) -> bool:
    return key == keyspace.NEXT_JOB


def counted(by: int) -> Callable[[bytes, Scene], bytes]:
    return lambda value, scene: max(1, int.from_bytes(value, "big") + by).to_bytes(8, "big")


def height(by: int) -> Made:
    def change(said: query_pb2.GetLatestBlockResponse, scene: Scene) -> None:
        said.sdk_block.header.height += by

    return on("GetLatestBlock", query_pb2.GetLatestBlockResponse, change)


def frozen(scene: Scene) -> Lie:
    async def lie(call: Call) -> bytes:
        if call.method != "GetLatestBlock":
            return await call.truth()
        scene.frozen = scene.frozen or await call.truth()
        return scene.frozen

    return lie


def other_chain(said: query_pb2.GetLatestBlockResponse, scene: Scene) -> None:
    said.sdk_block.header.chain_id = "somebody-elses-1"


def state(word: str) -> Made:
    def change(found: Record, scene: Scene) -> None:
        found["state"] = word

    return stored(victim, record(change))


def false_search(scene: Scene) -> Lie:
    """Returns a cancel of the victim, and no real one."""

    async def lie(call: Call) -> bytes:
        if call.method != "GetTxsEvent":
            return await call.truth()
        body = TxBody(
            messages=[messages.pack(MsgCancelJob(requester_address=scene.customer, job_id=scene.victim))]
        )
        found = service_pb2.GetTxsEventResponse(
            txs=[Tx(body=body)], tx_responses=[TxResponse(height=1, txhash="AB")], total=1
        )
        return found.SerializeToString()

    return lie


async def empty_search(call: Call) -> bytes:
    return b"" if call.method == "GetTxsEvent" else await call.truth()


def invented(scene: Scene) -> Lie:
    """Returns a job that nobody paid for.

    It is the victim's record under the next number, with the attacker's program.
    """

    async def lie(call: Call) -> bytes:
        if call.method != "ABCIQuery":
            return await call.truth()
        asked = query_pb2.ABCIQueryRequest.FromString(call.request)
        said = query_pb2.ABCIQueryResponse.FromString(await call.truth())
        if asked.data == keyspace.NEXT_JOB:
            said.value = (scene.next_job + 1).to_bytes(8, "big")
        elif asked.data == keyspace.key(keyspace.JOB, f"JOB-{scene.next_job}"):
            said.value = scene.kept["invented"]
        return said.SerializeToString()

    return lie


def _command(found: Record, scene: Scene) -> None:
    found["workload_spec"]["arguments"] = ["-c", "exit 42"]


def _customer(found: Record, scene: Scene) -> None:
    found["customer_address"] = scene.customer


def _closed(found: Record, scene: Scene) -> None:
    found["active"], found["queue_options"], found["supports_custom_workloads"] = False, [], False


async def false_inclusion(call: Call) -> bytes:
    """Keeps the transactions sent to it, and reports that each is in a block."""
    if call.method == "BroadcastTx":
        asked = service_pb2.BroadcastTxRequest.FromString(call.request)
        found = TxResponse(txhash=transactions.tx_hash(asked.tx_bytes))
        return service_pb2.BroadcastTxResponse(tx_response=found).SerializeToString()
    if call.method == "GetTx":
        wanted = service_pb2.GetTxRequest.FromString(call.request).hash
        return service_pb2.GetTxResponse(
            tx=Tx(), tx_response=TxResponse(txhash=wanted, height=3, gas_used=1)
        ).SerializeToString()
    return await call.truth()


async def withheld_transaction(call: Call) -> bytes:
    if call.method == "GetTx":
        raise Denied(
            grpc.StatusCode.NOT_FOUND,
            f"tx not found: {service_pb2.GetTxRequest.FromString(call.request).hash}",
        )
    return await empty_search(call)


async def swallowed(call: Call) -> bytes:
    if call.method != "BroadcastTx":
        return await call.truth()
    asked = service_pb2.BroadcastTxRequest.FromString(call.request)
    return service_pb2.BroadcastTxResponse(
        tx_response=TxResponse(txhash=transactions.tx_hash(asked.tx_bytes))
    ).SerializeToString()


async def refused(call: Call) -> bytes:
    """Reports that the first message of every transaction fails."""
    if call.method == "Simulate":
        raise Denied(
            grpc.StatusCode.UNKNOWN,
            "failed to execute message; message index: 0: invalid job state transition",
        )
    return await call.truth()


def sequence(by: int) -> Made:
    def change(said: QueryAccountInfoResponse, scene: Scene) -> None:
        said.info.sequence = max(0, said.info.sequence + by)

    return on("AccountInfo", QueryAccountInfoResponse, change)


def _number(said: QueryAccountInfoResponse, scene: Scene) -> None:
    said.info.account_number += 1


def price(text: str) -> Made:
    def change(said: ConfigResponse, scene: Scene) -> None:
        said.minimum_gas_price = text

    return on("Config", ConfigResponse, change)


def _gas(said: service_pb2.SimulateResponse, scene: Scene) -> None:
    said.gas_info.gas_used *= 1000


def _poor(said: QueryBalanceResponse, scene: Scene) -> None:
    said.balance.amount = "0"


async def nothing_there(call: Call) -> bytes:
    """Every call about the chain's content returns NOT_FOUND."""
    if call.service.endswith("tendermint.v1beta1.Service") and call.method != "ABCIQuery":
        return await call.truth()
    raise Denied(grpc.StatusCode.NOT_FOUND, "not found")


async def garbage(call: Call) -> bytes:
    await call.truth()
    return b"\xff\xfe\x00garbage" * 7


async def slow(call: Call) -> bytes:
    await asyncio.sleep(2)
    return await call.truth()


def plain(lie: Lie) -> Made:
    return lambda scene: lie


KINDS = (
    Kind("height +1,000,000", height(1_000_000)),
    Kind("height +50", height(50)),
    Kind("height frozen", frozen),
    Kind("height back by 40", height(-40)),
    Kind("another chain id", on("GetLatestBlock", query_pb2.GetLatestBlockResponse, other_chain)),
    Kind("height and sequence", both(height(1_000_000), sequence(7))),
    Kind("sequence +7", sequence(7)),
    Kind("sequence -1", sequence(-1)),
    Kind("wrong account number", on("AccountInfo", QueryAccountInfoResponse, _number)),
    Kind("balance 0", on("Balance", QueryBalanceResponse, _poor)),
    Kind("false cancel", both(state("cancelled"), false_search)),
    Kind("false completion", state("completed")),
    Kind("invented job", invented),
    Kind("altered command of a new job", stored(new_job, record(_command))),
    Kind("altered customer of a new job", stored(new_job, record(_customer))),
    Kind("withheld job", stored(new_job, lambda value, scene: b"")),
    Kind("closed offering", stored(offering, record(_closed))),
    Kind("job counter +1,000", stored(counter, counted(1000))),
    Kind("job counter -1", stored(counter, counted(-1))),
    Kind("false inclusion", plain(false_inclusion)),
    Kind("withheld transaction", plain(withheld_transaction)),
    Kind("swallowed transaction", plain(swallowed)),
    Kind("false refusal", plain(refused)),
    Kind("search finds false cancels", false_search),
    Kind("search finds nothing", plain(empty_search)),
    Kind("gas price x1,000", price("25uve")),
    Kind("gas price 0", price("0uve")),
    Kind("simulated gas x1,000", on("Simulate", service_pb2.SimulateResponse, _gas)),
    Kind("nothing is found", plain(nothing_there)),
    Kind("garbage bytes", plain(garbage)),
    Kind("no answer", plain(never)),
    Kind("answers after 2 s", plain(slow)),
)
