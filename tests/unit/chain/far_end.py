"""A node's gRPC services in this process, as honest as the test says."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message

from provider_daemon.chain.endpoints import Endpoints
from provider_daemon.chain.proto.cosmos.auth.v1beta1 import auth_pb2, auth_pb2_grpc
from provider_daemon.chain.proto.cosmos.bank.v1beta1 import bank_pb2
from provider_daemon.chain.proto.cosmos.base.node.v1beta1 import query_pb2 as config_pb2
from provider_daemon.chain.proto.cosmos.base.node.v1beta1 import query_pb2_grpc as config_grpc
from provider_daemon.chain.proto.cosmos.base.store.v1beta1.kv_pb2 import Pair, Pairs
from provider_daemon.chain.proto.cosmos.base.tendermint.v1beta1 import query_pb2, query_pb2_grpc
from provider_daemon.chain.proto.cosmos.tx.v1beta1 import service_pb2
from provider_daemon.chain.proto.virtengine.encryption.v1 import query_pb2 as encryption_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1 import query_pb2 as hpc_pb2
from tests.fakes.chain import CHAIN_ID, FakeClock

Call = grpc.aio.ServicerContext[Any, Any]
Answer = Callable[[Any], Message | bytes]

HPC = "virtengine.hpc.v1.Query"
ENCRYPTION = "virtengine.encryption.v1.Query"
BANK = "cosmos.bank.v1beta1.Query"
TX = "cosmos.tx.v1beta1.Service"


class Abort(Exception):
    """What a handler raises to fail a call."""

    def __init__(self, code: grpc.StatusCode, details: str = "") -> None:
        super().__init__(details)
        self.code, self.details = code, details


@dataclass
class FarEnd:
    """`answers` by method: what the test wants said; other calls of tx, bank, HPC, encryption are
    UNIMPLEMENTED. `calls`:
    methods and store paths."""

    chain_id: str = CHAIN_ID
    height: int = 10
    syncing: bool = False
    version: str = "1.0"
    records: dict[tuple[str, bytes], bytes] = field(default_factory=dict)
    subspace: bytes | None = None
    store_log: str = ""
    store_code: int = 0
    store_codespace: str = "store"
    minimum_gas_price: str = "0.025uve"
    accounts: dict[str, auth_pb2.BaseAccount] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    blocks: dict[int, list[bytes]] = field(default_factory=dict)
    lowest: int = 1
    port: int = 0

    async def start(self) -> str:
        self._server = grpc.aio.server(
            options=[("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)]
        )
        query_pb2_grpc.add_ServiceServicer_to_server(_Tendermint(self), self._server)
        auth_pb2_grpc.add_QueryServicer_to_server(_Auth(self), self._server)
        config_grpc.add_ServiceServicer_to_server(_Config(self), self._server)
        self._server.add_generic_rpc_handlers(
            (
                _generic(self, HPC, hpc_pb2),
                _generic(self, ENCRYPTION, encryption_pb2),
                _generic(self, TX, service_pb2),
                _generic(self, BANK, bank_pb2),
            )
        )
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()
        return self.url

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def stop(self) -> None:
        await self._server.stop(grace=0)


def _generic(far: FarEnd, service: str, module: Any) -> grpc.GenericRpcHandler:
    described = module.DESCRIPTOR.services_by_name[service.rpartition(".")[2]]

    def handler(method: Any) -> Any:
        request_type = getattr(module, method.input_type.name)

        async def call(request: Message, context: Call) -> Message | bytes:
            far.calls.append(method.name)
            wanted = far.answers.get(method.name)
            try:
                if wanted is None:
                    raise Abort(grpc.StatusCode.UNIMPLEMENTED, f"method {method.name} not implemented")
                return wanted(request)
            except Abort as abort:
                await context.abort(abort.code, abort.details)
                raise

        return grpc.unary_unary_rpc_method_handler(
            call,
            request_deserializer=request_type.FromString,
            response_serializer=lambda answer: (
                answer if isinstance(answer, bytes) else answer.SerializeToString()
            ),
        )

    return grpc.method_handlers_generic_handler(
        service, {method.name: handler(method) for method in described.methods}
    )


class _Tendermint(query_pb2_grpc.ServiceServicer):
    def __init__(self, far: FarEnd) -> None:
        self._far = far

    async def GetSyncing(
        self, request: query_pb2.GetSyncingRequest, context: Call
    ) -> query_pb2.GetSyncingResponse:
        self._far.calls.append("GetSyncing")
        return query_pb2.GetSyncingResponse(syncing=self._far.syncing)

    async def GetLatestBlock(
        self, request: query_pb2.GetLatestBlockRequest, context: Call
    ) -> query_pb2.GetLatestBlockResponse:
        header = query_pb2.Header(chain_id=self._far.chain_id, height=self._far.height)
        return query_pb2.GetLatestBlockResponse(sdk_block=query_pb2.Block(header=header))

    async def GetNodeInfo(
        self, request: query_pb2.GetNodeInfoRequest, context: Call
    ) -> query_pb2.GetNodeInfoResponse:
        return query_pb2.GetNodeInfoResponse(
            application_version=query_pb2.VersionInfo(version=self._far.version)
        )

    async def GetBlockByHeight(
        self, request: query_pb2.GetBlockByHeightRequest, context: Call
    ) -> query_pb2.GetBlockByHeightResponse:
        self._far.calls.append(f"GetBlockByHeight {request.height}")
        if not self._far.lowest <= request.height <= self._far.height:
            await context.abort(
                grpc.StatusCode.UNKNOWN,
                f"height {request.height} is not available, lowest height is {self._far.lowest}",
            )
        block = query_pb2.Block(
            header=query_pb2.Header(height=request.height),
            data=query_pb2.Data(txs=self._far.blocks.get(request.height, [])),
        )
        return query_pb2.GetBlockByHeightResponse(sdk_block=block)

    async def ABCIQuery(
        self, request: query_pb2.ABCIQueryRequest, context: Call
    ) -> query_pb2.ABCIQueryResponse:
        self._far.calls.append(request.path)
        if self._far.store_log or self._far.store_code:
            return query_pb2.ABCIQueryResponse(
                code=self._far.store_code, codespace=self._far.store_codespace, log=self._far.store_log
            )
        _, _, store, kind = request.path.split("/")
        if kind == "key":
            return query_pb2.ABCIQueryResponse(value=self._far.records.get((store, request.data), b""))
        if self._far.subspace is not None:
            return query_pb2.ABCIQueryResponse(value=self._far.subspace)
        pairs = [
            Pair(key=key, value=value) for (name, key), value in self._far.records.items() if name == store
        ]
        found = Pairs(pairs=[pair for pair in pairs if pair.key.startswith(request.data)])
        return query_pb2.ABCIQueryResponse(value=found.SerializeToString())


class _Auth(auth_pb2_grpc.QueryServicer):
    def __init__(self, far: FarEnd) -> None:
        self._far = far

    async def Account(
        self, request: auth_pb2.QueryAccountRequest, context: Call
    ) -> auth_pb2.QueryAccountResponse:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "method Account not implemented")
        raise AssertionError

    async def AccountInfo(
        self, request: auth_pb2.QueryAccountInfoRequest, context: Call
    ) -> auth_pb2.QueryAccountInfoResponse:
        if request.address not in self._far.accounts:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"account {request.address} not found")
        return auth_pb2.QueryAccountInfoResponse(info=self._far.accounts[request.address])


class _Config(config_grpc.ServiceServicer):
    def __init__(self, far: FarEnd) -> None:
        self._far = far

    async def Config(self, request: config_pb2.ConfigRequest, context: Call) -> config_pb2.ConfigResponse:
        return config_pb2.ConfigResponse(minimum_gas_price=self._far.minimum_gas_price)


@asynccontextmanager
async def endpoints(*far_ends: FarEnd, clock: FakeClock | None = None) -> AsyncIterator[Endpoints]:
    """Our side, over these nodes in this order."""
    ours = Endpoints(CHAIN_ID, [await far.start() for far in far_ends], clock or FakeClock())
    try:
        yield ours
    finally:
        await ours.close()
        for far in far_ends:
            await far.stop()
