"""The REST server: each path of the table becomes a gRPC call to the devnet, as in a Cosmos gateway."""

import json
from typing import Any

import grpc
import grpc.aio
from aiohttp import web
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from provider_daemon.chain.gateway_json import render
from provider_daemon.devnet.rest import read
from provider_daemon.devnet.rest.routes import Route, every
from provider_daemon.devnet.services import rawlog
from provider_daemon.errors import ConfigError

MAX_ANSWER = 64 * 1024 * 1024
MAX_BODY = 4 * 1024 * 1024  # a transaction in base64, and some room

# grpc-gateway's HTTPStatusFromCode
STATUS = {
    grpc.StatusCode.CANCELLED: 408,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
}


class Gateway:
    """The REST server. `target` is host:port of the gRPC server. `listen` with port 0 selects a free port."""

    def __init__(self, target: str, listen: str) -> None:
        self._listen = listen
        self._channel = grpc.aio.insecure_channel(
            target, options=[("grpc.max_receive_message_length", MAX_ANSWER)]
        )
        self._runner = web.AppRunner(self._application(), access_log=None)

    async def start(self) -> int:
        """Starts the server and returns its port. Raises ConfigError if the address cannot be bound."""
        host, _, port = self._listen.rpartition(":")
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host.strip("[]") or None, int(port)).start()
        except (OSError, ValueError, OverflowError) as error:
            await self.stop()
            raise ConfigError(
                [
                    (
                        f"REST cannot listen on {self._listen}: the port is in use, or the address is not "
                        "one of this machine"
                    )
                ]
            ) from error
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        await self._runner.cleanup()
        await self._channel.close()

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=MAX_BODY)
        for route in every():
            application.router.add_route(route.verb, route.path, self._handler(route))
        application.router.add_route("*", "/{rest:.*}", _unknown)
        return application

    def _handler(self, route: Route) -> Any:
        call: Any = self._channel.unary_unary(
            route.call,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=_deserializer(route),
        )

        async def handle(request: web.Request) -> web.Response:
            try:
                return _answer(200, render(await call(await _request(route, request))))
            except ValueError as error:
                return _failure(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            except grpc.aio.AioRpcError as error:
                return _failure(error.code(), error.details() or "")

        return handle


async def _request(route: Route, request: web.Request) -> Message:
    if route.verb == "POST":
        return read.from_body(route.method.input_type, await request.text())
    return read.from_query(route.method.input_type, request.match_info, request.query.items())


def _deserializer(route: Route) -> Any:
    if route.method.name == "BroadcastTx":
        return rawlog.readable
    return GetMessageClass(route.method.output_type).FromString


async def _unknown(request: web.Request) -> web.Response:
    return _failure(grpc.StatusCode.UNIMPLEMENTED, "Not Implemented")


def _failure(code: grpc.StatusCode, message: str) -> web.Response:
    return _answer(STATUS.get(code, 500), {"code": code.value[0], "message": message, "details": []})


def _answer(status: int, document: Any) -> web.Response:
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return web.Response(status=status, body=text.encode(errors="replace"), content_type="application/json")
