"""A chain endpoint that forwards calls to a node, and changes the response while a lie is switched on."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

Context = Any  # grpc.aio.ServicerContext


class Denied(Exception):
    """A lie raises this to end a call with a gRPC status."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code, self.details = code, details


@dataclass(frozen=True, slots=True)
class Call:
    """A call.

    `method` is the last part of its name; `truth` asks the node, and raises Denied with the node's status.
    """

    service: str
    method: str
    request: bytes
    truth: Callable[[], Awaitable[bytes]]


Lie = Callable[[Call], Awaitable[bytes]]


@dataclass(slots=True)
class LyingProxy:
    """The proxy.

    `start` returns the port. `lie` None: answers are true. `lied`: how many answers a lie has changed.
    """

    target: int
    port: int = 0
    lie: Lie | None = None
    lied: int = 0
    _server: grpc.aio.Server | None = None
    _channel: grpc.aio.Channel | None = None

    async def start(self) -> int:
        self._channel = grpc.aio.insecure_channel(
            f"127.0.0.1:{self.target}", [("grpc.max_receive_message_length", -1)]
        )
        self._server = grpc.aio.server(
            options=[("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)]
        )
        self._server.add_generic_rpc_handlers((_Everything(self),))
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()
        return self.port

    async def stop(self) -> None:
        if self._server is not None and self._channel is not None:
            await self._server.stop(grace=0)
            await self._channel.close()

    async def answer(self, method: str, request: bytes, context: Context) -> bytes:
        service, _, name = method.lstrip("/").rpartition("/")

        async def truth() -> bytes:
            assert self._channel is not None
            try:
                ask: Any = self._channel.unary_unary(method)
                answered: bytes = await ask(request, timeout=10)
            except grpc.aio.AioRpcError as error:
                raise Denied(error.code(), error.details() or "") from None
            return answered

        try:
            if self.lie is None:
                return await truth()
            said = await self.lie(Call(service, name, request, truth))
        except Denied as denied:
            await context.abort(denied.code, denied.details)
            raise AssertionError from None
        self.lied += 1
        return said


class _Everything(grpc.GenericRpcHandler):
    """Accepts any method, as bytes."""

    def __init__(self, proxy: LyingProxy) -> None:
        self._proxy = proxy

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any]":
        method = handler_call_details.method

        async def call(request: bytes, context: Context) -> bytes:
            return await self._proxy.answer(method, request, context)

        return grpc.unary_unary_rpc_method_handler(call)


async def never(call: Call) -> bytes:
    """Accepts the call and does not answer."""
    await asyncio.sleep(3600)
    return b""
