"""The gRPC endpoints: their health, and the translation of every gRPC failure.

An endpoint that is catching up, on another chain id, or whose height decreases is unhealthy: its answers
could be outdated.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import grpc.aio
import structlog

from provider_daemon.chain.endpoint import Endpoint, Only, ask_one, node_status
from provider_daemon.chain.grpc_errors import connect
from provider_daemon.chain.head_monitor import HeadMonitor
from provider_daemon.chain.heights import Claim, Heights
from provider_daemon.errors import ProvdError, Transient
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Clock, EndpointState, Head
from provider_daemon.retry import quickly

log = structlog.get_logger("provd.chain")

T = TypeVar("T")

# how long a successful check is valid, and the first wait after a failed one while another endpoint serves
RECHECK_SECONDS = 5.0
LONGEST_WAIT = 60.0  # for an endpoint that stays unhealthy while another one serves
ALONE_SECONDS = 1.0  # between checks while no endpoint serves


@dataclass(slots=True)
class Endpoints:
    """The endpoints in the order of configuration.

    Calls go to the first healthy endpoint; one that fails is checked again before it is used again. `all` is
    what a status page shows: each with its height, whether it is healthy, and why not. `wanted_quorum`: 0 is
    a majority.
    """

    chain_id: str
    urls: list[str]
    clock: Clock
    ongoing: OngoingProblems = field(default_factory=OngoingProblems)
    wanted_quorum: int = 1
    all: list[Endpoint] = field(default_factory=list)
    head_monitor: HeadMonitor = field(init=False)
    heights: Heights = field(default_factory=Heights)
    _dropped: list[Endpoint] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.head_monitor = HeadMonitor(self.chain_id, self.ongoing)

    @property
    def quorum(self) -> int:
        """Returns how many endpoints must agree."""
        count = len(self.all) or len(self.urls)
        return min(self.wanted_quorum, max(1, count)) or count // 2 + 1

    async def healthy(self, *, recheck: bool = False) -> list[Endpoint]:
        """Returns the healthy endpoints in the order in which they are asked: outvoted ones come last.

        With `recheck` the healthy ones are checked now.
        """
        if not self.all:
            self.all = [Endpoint(url, connect(url)) for url in self.urls]
        wanted = [
            endpoint for endpoint in self.all if self._due(endpoint) or (recheck and endpoint.is_healthy)
        ]
        if wanted:
            await asyncio.gather(*(self._check(endpoint, recheck=recheck) for endpoint in wanted))
            self._judge(wanted)
        return sorted((endpoint for endpoint in self.all if endpoint.is_healthy), key=self.is_outvoted)

    def is_outvoted(self, endpoint: Endpoint) -> bool:
        return endpoint.outvoted_until - self.clock.now() > 0

    async def preferred(self) -> Endpoint:
        """Returns the first healthy endpoint.

        Raises Transient, with each endpoint's problem, if none is healthy.
        """
        found = await self.healthy()
        if not found:
            raise Transient(f"no chain endpoint is healthy: {self.complaints()}")
        return found[0]

    def complaints(self) -> str:
        """Returns what is wrong with each endpoint that is not healthy."""
        return "; ".join(
            f"{endpoint.url}: {endpoint.why}" for endpoint in self.all if not endpoint.is_healthy
        )

    async def call(self, request: Callable[[grpc.aio.Channel], Awaitable[T]]) -> T:
        """Makes one call on a healthy endpoint and translates its errors.

        It makes a few quick attempts, each on whichever endpoint is healthy then. It is for calls that may
        safely arrive twice.
        """
        return await quickly(lambda: self.once(request))

    async def once(self, request: Callable[[grpc.aio.Channel], Awaitable[T]]) -> T:
        """Makes one attempt: the answer is that to the only request."""
        return await Only(await self.preferred()).once(request)

    async def head(self) -> Head:
        """Returns the common height of the healthy endpoints, each asked now.

        It is lower than before only if a majority corrects it.
        """
        if not await self.healthy(recheck=True):
            await self.preferred()
        return Head(self.heights.height, self.heights.time)

    async def version(self) -> str:
        """Returns the endpoint's application version: its answers may change with an upgrade."""
        return (await self.preferred()).version

    async def use(self, urls: Sequence[str], quorum: int) -> None:
        """Uses these endpoints from now on, in this order. The state of those that stay is kept.

        A call may be running on a removed endpoint, so its channel stays open until the next change, or the
        end.
        """
        before, known = self._dropped, {endpoint.url: endpoint for endpoint in self.all}
        self.urls, self._dropped = (
            list(urls),
            [endpoint for url, endpoint in known.items() if url not in urls],
        )
        self.all, self.wanted_quorum = [known.get(url) or Endpoint(url, connect(url)) for url in urls], quorum
        for endpoint in self._dropped:
            for what in ("endpoint_unhealthy", "endpoint_outvoted"):
                self.ongoing.clear(what, endpoint.url)
        for endpoint in before:
            await endpoint.channel.close()

    async def close(self) -> None:
        for endpoint in (*self.all, *self._dropped):
            await endpoint.channel.close()

    # --- checks ---

    def _due(self, endpoint: Endpoint) -> bool:
        return not 0 <= self.clock.now() - endpoint.checked_at < self._patience(endpoint)

    def _patience(self, endpoint: Endpoint) -> float:
        if endpoint.is_healthy:
            return RECHECK_SECONDS
        if sum(other.is_healthy for other in self.all) >= self.quorum:
            return float(min(LONGEST_WAIT, RECHECK_SECONDS * 2 ** min(endpoint.failures, 10)))
        return ALONE_SECONDS

    async def _check(self, endpoint: Endpoint, *, recheck: bool) -> None:
        """Checks the endpoint. Only one check runs at a time; concurrent callers use its result."""
        async with endpoint.lock:
            if not recheck and not self._due(endpoint):
                return
            state, why = await self._asked(endpoint)
            endpoint.checked_at = self.clock.now()
            if state is not EndpointState.HEALTHY:
                endpoint.state, endpoint.why, endpoint.claim = state, why, None

    async def _asked(self, endpoint: Endpoint) -> tuple[EndpointState, str]:
        """Returns the endpoint's own problem, independent of the others.

        Its claim is stored if there is none.
        """
        try:
            syncing, block, info = await ask_one(endpoint, node_status)
        except ProvdError as error:
            return EndpointState.UNREACHABLE, endpoint.said(error)
        header = block.sdk_block.header
        if syncing.syncing:
            return EndpointState.CATCHING_UP, "the node is catching up"
        if header.chain_id != self.chain_id:
            return (
                EndpointState.WRONG_CHAIN,
                f"the node is on chain {header.chain_id!r}, not {self.chain_id!r}",
            )
        endpoint.version = f"{info.application_version.version} {info.application_version.git_commit}".strip()
        endpoint.claim = Claim(header.height, header.time.seconds + header.time.nanos / 1e9, self.clock.now())
        return EndpointState.HEALTHY, ""

    def _judge(self, asked: Sequence[Endpoint]) -> None:
        now = self.clock.now()
        claims = {endpoint.url: endpoint.claim for endpoint in self.all if endpoint.claim is not None}
        verdicts = self.heights.judge(claims, {endpoint.url for endpoint in asked}, len(self.all), now)
        for endpoint in asked:
            if endpoint.url in verdicts and (claim := endpoint.claim) is not None:
                endpoint.state = verdicts[endpoint.url]
                endpoint.why = self._height_problem(endpoint.state, claim.height)
                if endpoint.is_healthy:
                    endpoint.height, endpoint.time = claim.height, claim.time
            endpoint.failures = 0 if endpoint.is_healthy else endpoint.failures + 1
            self._tell(endpoint)
        if any(endpoint.is_healthy for endpoint in self.all):
            self.head_monitor.saw(
                self.heights.height, self.heights.time, now, asyncio.get_running_loop().time()
            )

    def _height_problem(self, state: EndpointState, height: int) -> str:
        if state is EndpointState.HEIGHT_DECREASED:
            return f"height decreased from {self.heights.height} to {height}"
        if state is EndpointState.IMPLAUSIBLE_HEIGHT:
            return f"height {height} is implausible: the accepted height is {self.heights.height}"
        return ""

    def _tell(self, endpoint: Endpoint) -> None:
        if endpoint.is_healthy:
            if self.ongoing.clear("endpoint_unhealthy", endpoint.url):
                log.info("endpoint_healthy", endpoint=endpoint.url, height=endpoint.height)
        elif self.ongoing.start("endpoint_unhealthy", endpoint.url, endpoint.checked_at):
            following = "other endpoints are used; this one is checked again within a minute"
            log.warning("endpoint_unhealthy", endpoint=endpoint.url, why=endpoint.why, next=following)
