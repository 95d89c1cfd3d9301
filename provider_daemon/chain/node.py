"""The gRPC endpoints: which one is believed, and every gRPC failure translated at this border.

An endpoint that is catching up, on another chain id, or whose height goes backwards is not believed (its answers could undo what we know).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import grpc
import grpc.aio
import structlog

from provider_daemon.chain.proto.cosmos.base.tendermint.v1beta1 import query_pb2, query_pb2_grpc
from provider_daemon.chain.pulse import Pulse
from provider_daemon.chain.wire import connect, translate
from provider_daemon.errors import ProvdError, Transient, Unreadable
from provider_daemon.ports import Clock, Head
from provider_daemon.retry import quickly
from provider_daemon.troubles import Troubles

log = structlog.get_logger("provd.chain")

T = TypeVar("T")

CALL_SECONDS = 10.0
CHECK_SECONDS = 3.0
RECHECK_SECONDS = 5.0  # how long a good check holds, and the first wait after a bad one while another endpoint serves
LONGEST_WAIT = 60.0  # for an endpoint that stays bad while another one serves
ALONE_SECONDS = 1.0  # between checks while no endpoint serves at all
LAG_BLOCKS = 2  # how far behind the highest height seen an endpoint may answer: nodes hear of a block at different moments


@dataclass(slots=True)
class Endpoint:
    """`why` is empty while it is believed; `checked_at` and `time` (of its newest block) in seconds since the epoch."""

    url: str
    channel: grpc.aio.Channel
    height: int = 0
    time: float = 0.0
    version: str = ""
    why: str = "not asked yet"
    checked_at: float = 0.0
    failures: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def believed(self) -> bool:
        return not self.why

    def said(self, error: ProvdError) -> str:
        """What is wrong with it, where its name stands beside."""
        return str(error).removeprefix(f"{self.url}: ")


@dataclass(slots=True)
class Endpoints:
    """Calls go to the first believed endpoint, in the order of configuration; one that fails is checked again before it is used again.

    `all` is what a status page shows: each with its height, whether it is believed, and why not.
    """

    chain_id: str
    urls: list[str]
    clock: Clock
    troubles: Troubles = field(default_factory=Troubles)
    all: list[Endpoint] = field(default_factory=list)
    pulse: Pulse = field(init=False)
    _dropped: list[Endpoint] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pulse = Pulse(self.chain_id, self.troubles)

    async def believed(self) -> Endpoint:
        """Raises Transient, with what each endpoint said, when none is."""
        if not self.all:
            self.all = [Endpoint(url, connect(url)) for url in self.urls]
        await asyncio.gather(*(self._check(endpoint) for endpoint in self.all if self._due(endpoint)))
        found = next((endpoint for endpoint in self.all if endpoint.believed), None)
        if found is None:
            raise Transient("no chain endpoint is usable: " + "; ".join(f"{endpoint.url}: {endpoint.why}" for endpoint in self.all))
        return found

    async def call(self, request: Callable[[grpc.aio.Channel], Awaitable[T]]) -> T:
        """One call on a believed endpoint, its errors translated; a few quick attempts, each on whichever endpoint is believed then.

        For what may safely arrive twice.
        """
        return await quickly(lambda: self.once(request))

    async def once(self, request: Callable[[grpc.aio.Channel], Awaitable[T]]) -> T:
        """One attempt: what it answers is the answer to the only request there was."""
        endpoint = await self.believed()
        try:
            return await ask_one(endpoint, request)
        except Transient as error:
            endpoint.checked_at, endpoint.why = 0.0, endpoint.said(error)
            raise

    async def head(self) -> Head:
        """Asked anew. After a change of endpoints it may be LAG_BLOCKS lower than one given before, never more."""
        endpoint = await self.believed()
        await self._check(endpoint, anew=True)
        if not endpoint.believed:
            endpoint = await self.believed()
        return Head(endpoint.height, endpoint.time)

    async def version(self) -> str:
        """The believed node's application version: what it answers may change with an upgrade."""
        return (await self.believed()).version

    async def use(self, urls: Sequence[str]) -> None:
        """From now on these, in this order; what was learnt of those that stay is kept.

        A call may be under way on one that goes, so its channel stays open until the next change, or the end.
        """
        before, known = self._dropped, {endpoint.url: endpoint for endpoint in self.all}
        self.urls, self._dropped = list(urls), [endpoint for url, endpoint in known.items() if url not in urls]
        self.all = [known.get(url) or Endpoint(url, connect(url)) for url in urls]
        for endpoint in self._dropped:
            self.troubles.ends("endpoint_not_believed", endpoint.url)
        for endpoint in before:
            await endpoint.channel.close()

    async def close(self) -> None:
        for endpoint in (*self.all, *self._dropped):
            await endpoint.channel.close()

    # --- checks ---

    def _due(self, endpoint: Endpoint) -> bool:
        return not 0 <= self.clock.now() - endpoint.checked_at < self._patience(endpoint)

    def _patience(self, endpoint: Endpoint) -> float:
        if endpoint.believed:
            return RECHECK_SECONDS
        if any(other.believed for other in self.all):
            return float(min(LONGEST_WAIT, RECHECK_SECONDS * 2 ** min(endpoint.failures, 10)))
        return ALONE_SECONDS

    async def _check(self, endpoint: Endpoint, *, anew: bool = False) -> None:
        """One at a time; those who waited for it take its result."""
        async with endpoint.lock:
            if not anew and not self._due(endpoint):
                return
            endpoint.why = await self._doubt(endpoint)
            endpoint.checked_at = self.clock.now()
            endpoint.failures = 0 if endpoint.believed else endpoint.failures + 1
            self._tell(endpoint)

    def _tell(self, endpoint: Endpoint) -> None:
        if endpoint.believed:
            if self.troubles.ends("endpoint_not_believed", endpoint.url):
                log.info("endpoint_believed", endpoint=endpoint.url, height=endpoint.height)
        elif self.troubles.begins("endpoint_not_believed", endpoint.url, endpoint.checked_at):
            log.warning(
                "endpoint_not_believed", endpoint=endpoint.url, why=endpoint.why, next="other endpoints are asked, this one again soon"
            )

    async def _doubt(self, endpoint: Endpoint) -> str:
        try:
            syncing, block, info = await ask_one(endpoint, introduce)
        except ProvdError as error:
            return endpoint.said(error)
        header = block.sdk_block.header
        if syncing.syncing:
            return "it is catching up"
        if header.chain_id != self.chain_id:
            return f"it is on chain {header.chain_id!r}, not {self.chain_id!r}"
        if header.height < endpoint.height or header.height < self.pulse.highest - LAG_BLOCKS:
            return f"its height went back to {header.height} from {max(endpoint.height, self.pulse.highest)}"
        endpoint.version = f"{info.application_version.version} {info.application_version.git_commit}".strip()
        endpoint.height, endpoint.time = header.height, header.time.seconds + header.time.nanos / 1e9
        self.pulse.saw(endpoint.height, endpoint.time, self.clock.now(), asyncio.get_running_loop().time())
        return ""


async def introduce(
    channel: grpc.aio.Channel,
) -> tuple[query_pb2.GetSyncingResponse, query_pb2.GetLatestBlockResponse, query_pb2.GetNodeInfoResponse] | None:
    """What a node says of itself; None when a part of it cannot be read."""
    stub = query_pb2_grpc.ServiceStub(channel)
    syncing, block, info = await asyncio.gather(
        stub.GetSyncing(query_pb2.GetSyncingRequest(), timeout=CHECK_SECONDS),
        stub.GetLatestBlock(query_pb2.GetLatestBlockRequest(), timeout=CHECK_SECONDS),
        stub.GetNodeInfo(query_pb2.GetNodeInfoRequest(), timeout=CHECK_SECONDS),
    )
    return None if None in (syncing, block, info) else (syncing, block, info)


async def ask_one(endpoint: Endpoint, request: Callable[[grpc.aio.Channel], Awaitable[T | None]]) -> T:
    """One attempt at one endpoint, believed or not, its errors translated."""
    try:
        answer = await request(endpoint.channel)
    except grpc.aio.AioRpcError as error:
        raise translate(error, endpoint.url) from error
    if answer is None:  # what grpc.aio gives for an answer that is no such message, like a log with raw bytes in it
        raise Unreadable(f"{endpoint.url} gave an answer that cannot be read")
    return answer
