"""Agreement of several endpoints: provd acts on an answer that a quorum returns (`chain.quorum`).

One endpoint alone can lie. So the first endpoints are asked at once, all others if those differ, and the
answer of a quorum counts. An endpoint that deviates several times is outvoted: it is asked last for a while,
and reported. If no quorum agrees, nothing is known, and the next tick tries again. The loops see none of
this: proofs can replace the witnesses in this one file.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar

import structlog

from provider_daemon.chain.endpoint import Endpoint, Only
from provider_daemon.chain.endpoints import Endpoints
from provider_daemon.chain.reader import Reader
from provider_daemon.errors import Refused, Transient, Unreadable
from provider_daemon.job.spec import ChainJob
from provider_daemon.ports import TxOutcome
from provider_daemon.result_codes import is_in_mempool
from provider_daemon.retry import quickly

log = structlog.get_logger("provd.chain")

T = TypeVar("T")
N = TypeVar("N", int, Decimal)

HEDGE_SECONDS = 1.0  # after which others are asked besides an endpoint that does not answer
OUTVOTED_SECONDS = 60.0  # for which an endpoint is asked last
# within OUTVOTED_SECONDS, after which it is outvoted: fewer may be a block's difference
DEVIATIONS = 3


class Disagreement(Transient):
    """No quorum of endpoints returns the same answer; the text contains each endpoint's answer."""


class TooFewEndpoints(Transient):
    """Fewer endpoints are healthy than the quorum."""


@dataclass(frozen=True, slots=True)
class EndpointAnswer(Generic[T]):
    """The answer of one endpoint.

    `error`: its refusal, or what makes its answer unreadable. A Transient means that there is no answer.
    """

    endpoint: Endpoint
    value: T | None = None
    error: Refused | Unreadable | Transient | None = None

    @property
    def given(self) -> bool:
        return not isinstance(self.error, Transient)

    def result(self) -> T:
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]

    def key(self, same: Callable[[T], Hashable]) -> Hashable:
        """Equal answers have the same key."""
        if isinstance(self.error, Refused):
            return "refused", self.error.code, self.error.codespace, self.error.message_index
        return ("unreadable",) if self.error is not None else ("value", same(self.value))  # type: ignore[arg-type]


def itself(value: Any) -> Hashable:
    return value  # type: ignore[no-any-return]


class Agreement:
    """Calls that a quorum must answer alike.

    `any` is whichever endpoint is healthy. It is for displayed values, or for a hint of what to ask of a
    quorum.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self.any = Reader(endpoints, endpoints.chain_id)
        self._readers: dict[str, tuple[Endpoint, Reader]] = {}
        self._deviating: dict[str, list[float]] = {}  # endpoint -> when it deviated recently

    async def enough(self) -> list[Endpoint]:
        """Returns the healthy endpoints. Raises TooFewEndpoints if there are fewer than the quorum."""
        healthy, chain_id = await self._endpoints.healthy(), self._endpoints.chain_id
        quorum, ongoing = self._endpoints.quorum, self._endpoints.ongoing
        if healthy and len(healthy) >= quorum:
            if ongoing.clear("endpoints_too_few", chain_id):
                log.info("endpoints_sufficient", chain=chain_id, healthy=len(healthy), quorum=quorum)
            return healthy
        if quorum == 1:
            await self._endpoints.preferred()  # raises: no endpoint is healthy
        count = len(self._endpoints.all)
        why = (
            f"{len(healthy)} of {count} endpoints are healthy, quorum {quorum}: "
            f"{self._endpoints.complaints()}"
        )
        if ongoing.start("endpoints_too_few", chain_id, self._endpoints.clock.now()):
            following = (
                "nothing is submitted, cancelled or reported until enough endpoints are healthy; "
                "check chain.endpoints"
            )
            log.error("endpoints_too_few", chain=chain_id, why=why, next=following)
        raise TooFewEndpoints(
            why if healthy else f"no chain endpoint is healthy: {self._endpoints.complaints()}"
        )

    def reader(self, endpoint: Endpoint) -> Reader:
        known = self._readers.get(endpoint.url)
        if known is None or known[0] is not endpoint:
            known = self._readers[endpoint.url] = (endpoint, Reader(Only(endpoint), self._endpoints.chain_id))
        return known[1]

    async def same(
        self, what: str, ask: Callable[[Reader], Awaitable[T]], same: Callable[[T], Hashable] = itself
    ) -> T:
        """Returns the answer of a quorum.

        A refusal or an unreadable record of a quorum is raised. `what` names the query in the log.
        """
        if self._endpoints.quorum == 1:
            return await ask(self.any)
        return await self._settled(what, lambda: self._same(what, ask, same))

    async def attested(self, what: str, ask: Callable[[Reader], Awaitable[N]]) -> N:
        """Returns the greatest number that a quorum reaches.

        One endpoint alone can neither raise it nor, if there are others, lower it.
        """
        if self._endpoints.quorum == 1:
            return await ask(self.any)
        return await self._settled(what, lambda: self._attested(what, ask))

    async def each(self, ask: Callable[[Reader], Awaitable[T]]) -> list[EndpointAnswer[T]]:
        """Returns the answers of as many endpoints as the quorum."""
        return await self._asked((await self.enough())[: self._endpoints.quorum], ask)

    async def sent(self, tx_hash: str, send: Callable[[Reader], Awaitable[TxOutcome]]) -> TxOutcome:
        """Sends once to each endpoint of a quorum, and to the others if the answers differ.

        Returns the outcome. Accepted by any endpoint is accepted, because GetTx decides; refused is only what
        a quorum refuses alike. Raises Transient if neither is known.
        """
        answers: list[EndpointAnswer[TxOutcome]] = []
        for some in self._in_turn(await self.enough()):
            answers += await self._asked(some, send)
            if agreed := self._agreed(answers, _verdict):
                return agreed[0].result()
        accepted = next((answer for answer in answers if answer.error is None and answer.result().ok), None)
        if accepted is not None:
            return accepted.result()
        raise Disagreement(
            f"the chain's endpoints disagree about whether they accept {tx_hash}: {_said(answers)}"
        )

    # --- one attempt ---

    async def _settled(self, what: str, attempt: Callable[[], Awaitable[T]]) -> T:
        ongoing, chain_id = self._endpoints.ongoing, self._endpoints.chain_id
        try:
            found = await quickly(attempt)
        except Disagreement as error:
            if ongoing.start("endpoints_disagree", chain_id, self._endpoints.clock.now()):
                following = (
                    "provd does not act on these answers and repeats the query; compare the endpoints in "
                    "chain.endpoints"
                )
                log.error("endpoints_disagree", chain=chain_id, about=what, why=str(error), next=following)
            raise
        if ongoing.clear("endpoints_disagree", chain_id):
            log.info("endpoints_agree", chain=chain_id, about=what)
        return found

    async def _same(
        self, what: str, ask: Callable[[Reader], Awaitable[T]], same: Callable[[T], Hashable]
    ) -> T:
        answers = await self._until_agreed(ask, same)
        if agreed := self._agreed(answers, same):
            self._vote(what, answers, agreed)
            return agreed[0].result()
        raise Disagreement(f"the chain's endpoints disagree about {what}: {_said(answers)}")

    async def _attested(self, what: str, ask: Callable[[Reader], Awaitable[N]]) -> N:
        answers: list[EndpointAnswer[N]] = await self._until_agreed(ask, itself)
        if agreed := self._agreed(answers, itself):
            self._vote(what, answers, agreed)
            return agreed[0].result()
        ranked = sorted((answer.result() for answer in answers if answer.error is None), reverse=True)
        if len(ranked) < self._endpoints.quorum:
            raise Disagreement(f"the chain's endpoints disagree about {what}: {_said(answers)}")
        return ranked[self._endpoints.quorum - 1]

    async def _until_agreed(
        self, ask: Callable[[Reader], Awaitable[T]], same: Callable[[T], Hashable]
    ) -> list[EndpointAnswer[T]]:
        """Collects answers until a quorum agrees or no endpoint is left to ask.

        The others are asked if the first ones differ, or if one of them delays the rest: it is asked last
        from then on.
        """
        healthy = await self.enough()
        first, *more = self._in_turn(healthy)
        others = [endpoint for some in more for endpoint in some]
        answers: list[EndpointAnswer[T]] = []
        waiting = {asyncio.ensure_future(self._ask_one(endpoint, ask)): endpoint for endpoint in first}
        try:
            while waiting and not self._agreed(answers, same):
                patience = HEDGE_SECONDS if others else None
                done, _ = await asyncio.wait(waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                answers += [task.result() for task in done]
                waiting = {task: endpoint for task, endpoint in waiting.items() if task not in done}
                if others and (not done or not waiting) and not self._agreed(answers, same):
                    for late in waiting.values():
                        late.outvoted_until = self._endpoints.clock.now() + OUTVOTED_SECONDS
                    waiting |= {
                        asyncio.ensure_future(self._ask_one(endpoint, ask)): endpoint for endpoint in others
                    }
                    others = []
        finally:
            for task in waiting:
                task.cancel()
        return sorted(answers, key=lambda answer: healthy.index(answer.endpoint))

    def _in_turn(self, healthy: Sequence[Endpoint]) -> tuple[Sequence[Endpoint], ...]:
        quorum = self._endpoints.quorum
        return (healthy[:quorum], healthy[quorum:]) if len(healthy) > quorum else (healthy,)

    async def _asked(
        self, endpoints: Sequence[Endpoint], ask: Callable[[Reader], Awaitable[T]]
    ) -> list[EndpointAnswer[T]]:
        return list(await asyncio.gather(*(self._ask_one(endpoint, ask) for endpoint in endpoints)))

    async def _ask_one(self, endpoint: Endpoint, ask: Callable[[Reader], Awaitable[T]]) -> EndpointAnswer[T]:
        try:
            return EndpointAnswer(endpoint, await ask(self.reader(endpoint)))
        except (Refused, Unreadable, Transient) as error:
            return EndpointAnswer(endpoint, error=error)

    def _agreed(
        self, answers: Sequence[EndpointAnswer[T]], same: Callable[[T], Hashable]
    ) -> list[EndpointAnswer[T]]:
        """Returns the equal answers if they are a quorum; else none."""
        groups: dict[Hashable, list[EndpointAnswer[T]]] = {}
        for answer in answers:
            if answer.given:
                groups.setdefault(answer.key(same), []).append(answer)
        largest = max(groups.values(), key=len, default=[])
        return largest if len(largest) >= self._endpoints.quorum else []

    # --- deviating endpoints ---

    def _vote(
        self, what: str, answers: Sequence[EndpointAnswer[T]], agreed: Sequence[EndpointAnswer[T]]
    ) -> None:
        for answer in answers:
            if answer in agreed:
                self._agrees(answer.endpoint)
            elif answer.given:
                self._deviates(answer, what, agreed)

    def _agrees(self, endpoint: Endpoint) -> None:
        if not self._endpoints.is_outvoted(endpoint) and self._endpoints.ongoing.clear(
            "endpoint_outvoted", endpoint.url
        ):
            log.info("endpoint_agrees", endpoint=endpoint.url)

    def _deviates(self, answer: EndpointAnswer[T], what: str, agreed: Sequence[EndpointAnswer[T]]) -> None:
        endpoint, now = answer.endpoint, self._endpoints.clock.now()
        lately = [at for at in self._deviating.get(endpoint.url, []) if 0 <= now - at < OUTVOTED_SECONDS][
            -DEVIATIONS:
        ]
        self._deviating[endpoint.url] = [*lately, now]
        why = f"{what}: it returned {brief(answer)}; {len(agreed)} others returned {brief(agreed[0])}"
        if len(lately) + 1 < DEVIATIONS:
            log.info(
                "endpoint_deviates", endpoint=endpoint.url, why=why, next="the answer of the quorum is used"
            )
            return
        endpoint.outvoted_until = now + OUTVOTED_SECONDS
        if self._endpoints.ongoing.start("endpoint_outvoted", endpoint.url, now):
            following = (
                "the answer of the quorum is used, and this endpoint is queried last; check this endpoint"
            )
            log.warning("endpoint_outvoted", endpoint=endpoint.url, why=why, next=following)


def _verdict(outcome: TxOutcome) -> Hashable:
    """Returns the verdict on an answer. Bytes that the node already has count as accepted too."""
    accepted = outcome.ok or is_in_mempool(outcome.codespace, outcome.code)
    return (0, "") if accepted else (outcome.code, outcome.codespace)


def _said(answers: Sequence[EndpointAnswer[Any]]) -> str:
    return "; ".join(f"{answer.endpoint.url} returned {brief(answer)}" for answer in answers)


def brief(answer: EndpointAnswer[Any]) -> str:
    """Returns a short form of an answer for a log line."""
    if answer.error is not None:
        return f"{type(answer.error).__name__}: {str(answer.error)[:120]}"
    value = answer.value
    if isinstance(value, ChainJob):
        spec = value.spec
        return (
            f"{value.state}, customer {spec.customer}, created at {spec.created_ns}, record "
            f"{abs(hash(value)) % 10**6}"
        )
    if isinstance(value, TxOutcome):
        return f"in block {value.height} with code {value.code}"
    return "not found" if value is None else str(value)[:120]
