"""A gRPC channel without a network: it passes bytes through one node, with all faults of a network."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from tests.simulation.gate import Gate
from tests.simulation.wire.faults import Wire
from tests.simulation.wire.node import Failure, Node
from tests.simulation.world import World

Code = grpc.StatusCode


class WireChannel:
    """The part of grpc.aio.Channel that generated stubs and chain/endpoints.py use."""

    def __init__(self, world: World, wire: Wire, gate: Gate, node: Node) -> None:
        self._world = world
        self._wire = wire
        self._gate = gate
        self._node = node

    async def close(self, grace: float | None = None) -> None:
        """Does nothing: no connection is open."""

    def unary_unary(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes],
        response_deserializer: Callable[[bytes], Any],
        **_: object,
    ) -> Callable[..., Awaitable[Any]]:
        async def call(request: Any, timeout: float) -> Any:
            answer = await self._carried(method, request_serializer(request), timeout)
            try:
                return response_deserializer(answer)
            except DecodeError:
                return None  # as grpc.aio does

        return call

    async def _carried(self, method: str, request: bytes, timeout: float) -> bytes:
        what = method.rpartition("/")[2]
        # otherwise it is there at once: a second wait in every call doubles the cost of a schedule
        if self._wire.dice.random() < 0.3:
            await self._gate.point(what)
        if self._node.unreachable() or self._wire.chain_strikes("lost_call"):
            raise _error(
                Code.UNAVAILABLE,
                "failed to connect to all addresses; last error: UNKNOWN: Connection refused",
            )
        answer, failure = self._asked(method, request)
        await self._waited(what, timeout)
        self._broken(what)
        if failure is not None:
            raise _error(failure.code, failure.details)
        return self._cut(what, answer)

    def _asked(self, method: str, request: bytes) -> tuple[bytes, Failure | None]:
        """Asks the node.

        A query may be repeated on the way; then the second answer is returned.
        """
        again = not method.endswith("/BroadcastTx") and self._wire.chain_strikes("duplicated_call")
        for _ in range(1 + again):
            try:
                answer, failure = self._node.answer(method, request), None
            except Failure as refused:
                answer, failure = b"", refused
        return answer, failure

    async def _waited(self, what: str, timeout: float) -> None:
        seconds = 0.05
        if self._wire.strikes("wire_deadline"):
            seconds = timeout + 1
        elif self._wire.chain_strikes("late_answer"):
            seconds = self._wire.dice.uniform(timeout / 2, timeout * 1.2)
        await self._gate.point(what, min(seconds, timeout))
        if seconds > timeout:
            raise _error(Code.DEADLINE_EXCEEDED, "Deadline Exceeded")

    def _broken(self, what: str) -> None:
        """The node executed the request, and its answer is lost."""
        if self._wire.chain_strikes("lost_answer"):
            self._world.note(f"answer lost: {what}")
            raise _error(Code.UNAVAILABLE, "Socket closed")
        if self._wire.strikes("wire_stream_broken"):
            raise _error(Code.INTERNAL, "Received RST_STREAM with error code 2")
        if self._wire.strikes("wire_busy"):
            raise _error(Code.RESOURCE_EXHAUSTED, "too many requests")

    def _cut(self, what: str, answer: bytes) -> bytes:
        """Cuts an answer.

        At least one byte of a non-empty answer is kept: an empty one is well-formed protobuf, and no adapter
        can detect the cut.
        """
        if len(answer) < 2 or not self._wire.strikes("wire_protobuf_cut"):
            return answer
        between_fields = self._wire.dice.random() < 0.5
        kept = (
            self._wire.dice.choice(fields(answer) or [1])
            if between_fields
            else self._wire.dice.randrange(1, len(answer))
        )
        self._world.note(f"{what}: only {kept} of {len(answer)} bytes came back")
        return answer[:kept]


def fields(answer: bytes) -> list[int]:
    """Returns where a message ends between two of its fields: the part before is well-formed."""
    ends, position = [], 0
    while position < len(answer):
        tag, position = _varint(answer, position)
        size, position = _varint(answer, position)
        position += size if tag & 7 == 2 else 0
        ends.append(position)
    return ends[:-1]


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        value, shift, position = value | (byte & 127) << shift, shift + 7, position + 1
        if byte < 128:
            return value, position


def _error(code: grpc.StatusCode, details: str) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details)
