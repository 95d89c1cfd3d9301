"""The gRPC endpoints: which one is believed, and every gRPC failure translated at this border.

An endpoint that is catching up, on another chain id, or whose height goes backwards is not believed (its answers could undo what we know).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import grpc
import grpc.aio
import structlog

from provider_daemon.chain.proto.cosmos.base.tendermint.v1beta1 import query_pb2, query_pb2_grpc
from provider_daemon.errors import ProvdError, Refused, Transient, Unreadable
from provider_daemon.ports import Clock, Head
from provider_daemon.retry import quickly

log = structlog.get_logger("provd.chain")

T = TypeVar("T")

CALL_SECONDS = 10.0
MAX_ANSWER = 64 * 1024 * 1024  # gRPC's own default of 4 MB is about 5,500 jobs
RECHECK_SECONDS = 5.0  # how long an endpoint's last check is good for
LAG_BLOCKS = 2  # how far behind the highest height seen an endpoint may answer: nodes hear of a block at different moments

_TRANSIENT = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}


@dataclass(slots=True)
class Endpoint:
    """`why` is empty while it is believed; `checked_at` in seconds since the epoch."""

    url: str
    channel: grpc.aio.Channel
    height: int = 0
    time: float = 0.0
    version: str = ""
    why: str = "not asked yet"
    checked_at: float = 0.0


@dataclass(slots=True)
class Endpoints:
    """Calls go to the first believed endpoint; one that fails is checked again before it is used again."""

    chain_id: str
    urls: list[str]
    clock: Clock
    all: list[Endpoint] = field(default_factory=list)
    highest: int = 0

    async def believed(self) -> Endpoint:
        """Raises Transient, with what each endpoint said, when none is."""
        if not self.all:
            self.all = [Endpoint(url, _channel(url)) for url in self.urls]
        for endpoint in self.all:
            if self.clock.now() - endpoint.checked_at >= RECHECK_SECONDS:
                await self._check(endpoint)
            if not endpoint.why:
                return endpoint
        raise Transient("no chain endpoint is usable: " + "; ".join(f"{endpoint.url}: {endpoint.why}" for endpoint in self.all))

    async def call(self, request: Callable[[grpc.aio.Channel], Awaitable[T]]) -> T:
        """One call on a believed endpoint, its errors translated; a few quick attempts, each on whichever endpoint is believed then.

        Every request of ours may safely arrive twice: reads, and bytes that a mempool takes once.
        """
        return await quickly(lambda: self._once(request))

    async def _once(self, request: Callable[[grpc.aio.Channel], Awaitable[T]]) -> T:
        endpoint = await self.believed()
        try:
            answer = await request(endpoint.channel)
        except grpc.aio.AioRpcError as error:
            translated = translate(error)
            if isinstance(translated, Transient):
                endpoint.checked_at, endpoint.why = 0.0, str(translated)
            raise translated from error
        if answer is None:  # what grpc.aio gives for an answer that is no such message, like a log with raw bytes in it
            raise Unreadable(f"{endpoint.url} gave an answer that cannot be read")
        return answer

    async def head(self) -> Head:
        """Asked anew: never an older height than one given before."""
        endpoint = await self.believed()
        await self._check(endpoint)
        if endpoint.why:
            endpoint = await self.believed()
        return Head(endpoint.height, endpoint.time)

    async def version(self) -> str:
        """The believed node's application version: what it answers may change with an upgrade."""
        return (await self.believed()).version

    async def close(self) -> None:
        for endpoint in self.all:
            await endpoint.channel.close()

    async def _check(self, endpoint: Endpoint) -> None:
        before, endpoint.checked_at = endpoint.why, self.clock.now()
        try:
            endpoint.why = await self._doubt(endpoint)
        except grpc.aio.AioRpcError as error:
            endpoint.why = str(translate(error))
        if endpoint.why and endpoint.why != before:
            log.warning(
                "endpoint_not_believed", endpoint=endpoint.url, why=endpoint.why, next="other endpoints are asked, this one again soon"
            )

    async def _doubt(self, endpoint: Endpoint) -> str:
        stub = query_pb2_grpc.ServiceStub(endpoint.channel)
        if (await stub.GetSyncing(query_pb2.GetSyncingRequest(), timeout=CALL_SECONDS)).syncing:
            return "it is catching up"
        block = await stub.GetLatestBlock(query_pb2.GetLatestBlockRequest(), timeout=CALL_SECONDS)
        header = block.sdk_block.header
        if header.chain_id != self.chain_id:
            return f"it is on chain {header.chain_id!r}, not {self.chain_id!r}"
        if header.height < endpoint.height or header.height < self.highest - LAG_BLOCKS:
            return f"its height went back to {header.height} from {max(endpoint.height, self.highest)}"
        if not endpoint.version or header.height == endpoint.height:
            info = await stub.GetNodeInfo(query_pb2.GetNodeInfoRequest(), timeout=CALL_SECONDS)
            endpoint.version = f"{info.application_version.version} {info.application_version.git_commit}".strip()
        endpoint.height, endpoint.time = header.height, header.time.seconds + header.time.nanos / 1e9
        self.highest = max(self.highest, header.height)
        return ""


def translate(error: grpc.aio.AioRpcError) -> ProvdError:
    """One line, and the treatment in its class."""
    code, details = error.code(), " ".join((error.details() or "").split())
    text = f"{code.name}: {details}"
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return Unimplemented(text)
    if code is grpc.StatusCode.NOT_FOUND:
        return NotFound(text)
    if code is grpc.StatusCode.INTERNAL and "deserializ" in details:
        return Unreadable(text)
    if code in _TRANSIENT or "deserializ" in details:
        return Transient(text)
    return Refused(text)


class Unimplemented(Refused):
    """The node does not serve this call."""


class NotFound(Refused):
    """The node says that there is no such thing."""


def _channel(url: str) -> grpc.aio.Channel:
    options = [("grpc.max_receive_message_length", MAX_ANSWER), ("grpc.keepalive_time_ms", 30_000)]
    if url.startswith("https://"):
        return grpc.aio.secure_channel(url.removeprefix("https://"), grpc.ssl_channel_credentials(), options)
    return grpc.aio.insecure_channel(url.removeprefix("http://"), options)
