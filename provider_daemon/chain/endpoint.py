"""One gRPC endpoint: its state, one call to it, and what it reports about itself."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import grpc
import grpc.aio

from provider_daemon.chain.grpc_errors import translate
from provider_daemon.chain.heights import Claim
from provider_daemon.chain.proto.cosmos.base.tendermint.v1beta1 import query_pb2, query_pb2_grpc
from provider_daemon.errors import ProvdError, Transient, Unreadable
from provider_daemon.ports import EndpointState

T = TypeVar("T")

CALL_SECONDS = 10.0
CHECK_SECONDS = 3.0


class Caller(Protocol):
    """Executes calls: on a healthy one of all endpoints, or on one endpoint only."""

    async def call(self, request: Callable[[grpc.aio.Channel], Awaitable[T]]) -> T: ...

    async def once(self, request: Callable[[grpc.aio.Channel], Awaitable[T]]) -> T: ...

    async def version(self) -> str: ...


@dataclass(slots=True)
class Endpoint:
    """An endpoint.

    `why` explains, for people only, why it is unhealthy. Times are in seconds since the epoch. `claim`: its
    last report about itself. `outvoted_until`: it contradicted a quorum.
    """

    url: str
    channel: grpc.aio.Channel
    height: int = 0
    time: float = 0.0
    version: str = ""
    state: EndpointState = EndpointState.UNREACHABLE
    why: str = "not asked yet"
    checked_at: float = 0.0
    failures: int = 0
    claim: Claim | None = None
    outvoted_until: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_healthy(self) -> bool:
        return self.state is EndpointState.HEALTHY

    def said(self, error: ProvdError) -> str:
        """Returns what is wrong with it, for a text that contains its name."""
        return str(error).removeprefix(f"{self.url}: ")

    def fails(self, error: ProvdError) -> None:
        """Marks a failed call: the endpoint is checked again before it is used again."""
        self.checked_at, self.claim = 0.0, None
        self.state, self.why = EndpointState.UNREACHABLE, self.said(error)


@dataclass(frozen=True, slots=True)
class Only:
    """One endpoint as a Caller, with one attempt per call.

    A failed call makes the endpoint unhealthy until it is checked again.
    """

    endpoint: Endpoint

    async def call(self, request: Callable[[grpc.aio.Channel], Awaitable[T]]) -> T:
        return await self.once(request)

    async def once(self, request: Callable[[grpc.aio.Channel], Awaitable[T]]) -> T:
        try:
            return await ask_one(self.endpoint, request)
        except Transient as error:
            self.endpoint.fails(error)
            raise

    async def version(self) -> str:
        return self.endpoint.version


async def node_status(
    channel: grpc.aio.Channel,
) -> (
    tuple[query_pb2.GetSyncingResponse, query_pb2.GetLatestBlockResponse, query_pb2.GetNodeInfoResponse]
    | None
):
    """Returns what a node reports about itself; None if a part of it cannot be read."""
    stub = query_pb2_grpc.ServiceStub(channel)
    syncing, block, info = await asyncio.gather(
        stub.GetSyncing(query_pb2.GetSyncingRequest(), timeout=CHECK_SECONDS),
        stub.GetLatestBlock(query_pb2.GetLatestBlockRequest(), timeout=CHECK_SECONDS),
        stub.GetNodeInfo(query_pb2.GetNodeInfoRequest(), timeout=CHECK_SECONDS),
    )
    return None if None in (syncing, block, info) else (syncing, block, info)


async def ask_one(endpoint: Endpoint, request: Callable[[grpc.aio.Channel], Awaitable[T | None]]) -> T:
    """Makes one attempt at one endpoint, healthy or not, and translates its errors."""
    try:
        answer = await request(endpoint.channel)
    except grpc.aio.AioRpcError as error:
        raise translate(error, endpoint.url) from error
    # grpc.aio's error for an answer that is not such a message, like a log with raw bytes in it
    if answer is None:
        raise Unreadable(f"{endpoint.url} returned an answer that cannot be read")
    return answer
