"""The control socket: an HTTP API of the running daemon, for operators on the same host.

The file's mode and group say who may connect, the kernel says who it is (SO_PEERCRED). `GET /v1/daemon`
describes the daemon, `POST /v1/<operation>` carries out an operation of the registry.
"""

import errno
import json
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web
from pydantic import ValidationError

from provider_daemon.control.address import address
from provider_daemon.control.daemon import DaemonDescription
from provider_daemon.control.operation import Context, Operation
from provider_daemon.control.peer import called_by, peer_uid, user_name
from provider_daemon.control.perform import perform
from provider_daemon.control.registry import OPERATIONS
from provider_daemon.errors import ConfigError, LedgerError, Refused

log = structlog.get_logger("provd.control")

MODE = 0o660
# Members of the daemon's group, because they read its ledger. They must not use its keys.
SERVICES = frozenset({"provd-collector", "provd-gateway", "provd-mover"})
MAX_REQUEST = 512 * 1024  # bytes
CLOSING_SECONDS = 5.0
SUDO_USER = "Provd-Sudo-User"  # header: who called sudo, if the command runs as root


class ControlSocket:
    """`contexts`: operator -> the context of an operation. `wake` pokes the loops of these names."""

    def __init__(
        self,
        path: str,
        describe: Callable[[], DaemonDescription],
        contexts: Callable[[str], Context],
        wake: Callable[[frozenset[str]], None],
    ) -> None:
        self._path = Path(path)
        self._describe = describe
        self._contexts = contexts
        self._wake = wake
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        """Serves until `close`. Raises ConfigError if the socket cannot be made."""
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=CLOSING_SECONDS)
        await self._runner.setup()
        try:
            await web.SockSite(self._runner, _bound(self._path)).start()
        except OSError as error:
            await self._runner.cleanup()
            self._runner = None
            raise ConfigError([f"control.socket: {self._path}: {error.strerror or error}"]) from error
        log.info("control_socket_open", socket=str(self._path))

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._path.unlink(missing_ok=True)

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_REQUEST)
        app.router.add_get("/v1/daemon", self._daemon)
        app.router.add_post("/v1/{operation:.+}", self._operate)
        return app

    async def _daemon(self, request: web.Request) -> web.Response:
        if (operator := _operator(request)) in SERVICES:
            return _not_permitted(operator)
        return _json(self._describe().model_dump_json())

    async def _operate(self, request: web.Request) -> web.Response:
        if (operator := _operator(request)) in SERVICES:
            return _not_permitted(operator)
        operation = OPERATIONS.get(request.match_info["operation"])
        if operation is None:
            return _error(404, "the daemon has no such operation: its version differs from the command's")
        try:
            asked = operation.asked.model_validate_json(await request.read())
        except ValidationError as error:
            return _error(400, "; ".join(_said(each["loc"], each["msg"]) for each in error.errors()))
        return self._performed(operation, asked, operator)

    def _performed(self, operation: Operation[Any, Any], asked: Any, operator: str) -> web.Response:
        try:
            answer = perform(operation, asked, self._contexts(operator))
        except Refused as error:
            return _error(409, str(error))
        except LedgerError as error:
            return _error(503, str(error))
        if operation.deeds is not None:
            log.info("operator_request", operation=operation.name, operator=operator)
        self._wake(operation.wakes)
        return _json(answer.model_dump_json())


def _bound(path: Path) -> socket.socket:
    """Returns the bound socket. Raises OSError. Nobody can connect before it listens, with its mode set.

    A socket that a killed daemon left behind is replaced.
    """
    if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
        raise OSError(errno.EEXIST, "the file exists and is not a socket")
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        with address(path) as where:
            if made.connect_ex(where) in (0, errno.EAGAIN):
                raise OSError(errno.EADDRINUSE, "another process listens there; set another path")
            path.unlink(missing_ok=True)
            made.bind(where)
        path.chmod(MODE)
    except OSError:
        made.close()
        raise
    return made


def _operator(request: web.Request) -> str:
    connection = request.transport.get_extra_info("socket") if request.transport else None
    if connection is None:
        raise web.HTTPForbidden(text="the connection is closed")
    uid = peer_uid(connection)
    return called_by(user_name(uid), uid, request.headers.get(SUDO_USER, ""))


def _said(where: tuple[int | str, ...], what: str) -> str:
    return ": ".join(filter(None, (".".join(map(str, where)), what)))


def _not_permitted(operator: str) -> web.Response:
    return _error(403, f"{operator} is a service and may not use the control socket")


def _json(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, content_type="application/json", status=status)


def _error(status: int, why: str) -> web.Response:
    return _json(json.dumps({"error": why}), status)
