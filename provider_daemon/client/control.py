"""Asks the daemon on this machine over its control socket, or does the same in the ledger if none runs."""

import http.client
import json
import os
import socket
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from provider_daemon.audit_log.operator import user
from provider_daemon.config.control import SOCKET, ControlConfig, possible_sockets
from provider_daemon.config.model import Config, LedgerConfig
from provider_daemon.control.address import address
from provider_daemon.control.daemon import DaemonDescription
from provider_daemon.control.operation import Answer, Asked, Context, Operation
from provider_daemon.control.peer import peer_uid, user_name
from provider_daemon.control.perform import perform
from provider_daemon.control.server import SUDO_USER
from provider_daemon.errors import ConfigError, LedgerError, ProvdError, Refused, Transient
from provider_daemon.ledger.ledger import Ledger

PATIENCE_SECONDS = 10.0  # a daemon in the middle of a long tick answers late
LISTENING = Path("/proc/net/unix")
ACCEPTING = 0x10000  # its flag of a socket that accepts connections
JOIN = "run this as root or as a member of the socket's group"
SERVICE_USER = "provd"  # of the packages' unit


class _Connection(http.client.HTTPConnection):
    """An HTTP connection to a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        try:
            with address(self._path) as where:
                self.sock.connect(where)
        except OSError:
            self.sock.close()
            raise


@dataclass(frozen=True, slots=True)
class Control:
    """The control socket of a running daemon."""

    path: Path
    daemon: DaemonDescription

    def ask(self, operation: Operation[Asked, Answer], asked: Asked) -> Answer:
        """Raises Refused with the daemon's reason, and Transient if it does not answer."""
        return operation.answer.model_validate(
            _request(self.path, "POST", f"/v1/{operation.name}", asked.model_dump_json())
        )


def operate(config: Config, operation: Operation[Asked, Answer], **fields: object) -> Answer:
    """Asks the running daemon of this configuration, or changes its ledger if none runs.

    `fields`: those of the request. Raises ConfigError for an invalid one, Refused if it cannot be done, and
    LedgerError if the daemon runs and its socket cannot be used.
    """
    asked = _request_of(operation, fields)
    if (control := of_config(config)) is not None:
        return control.ask(operation, asked)
    with closing(_ledger(config)) as ledger:
        return perform(operation, asked, Context(ledger, config, user(), time.time()))


def _ledger(config: Config) -> Ledger:
    """Opens the ledger in the daemon's place. Raises LedgerError if there is none, or the daemon runs."""
    path = Path(config.ledger.path)
    if not path.exists():
        return Ledger.open(path, readonly=True, lock=False)  # says what is wrong
    try:
        return Ledger.open(path)
    except LedgerError as error:
        raise LedgerError(f"{error}; {_unreachable(config)}") from error


def _request_of(operation: Operation[Asked, Answer], fields: dict[str, object]) -> Asked:
    try:
        return operation.asked.model_validate(fields)
    except ValidationError as error:
        raise ConfigError([f"{each['loc'][0]}: {each['msg']}" for each in error.errors()]) from None


def of_config(config: Config) -> Control | None:
    """Returns the running daemon of that configuration; None if its socket does not answer."""
    for path in possible_sockets(config.control, config.ledger.path):
        found = at(Path(path))
        if found is not None and found.daemon.ledger == config.ledger.path:
            return found
    return None


def of_key(signer: str, chain_id: str, config: Config | None, *, everywhere: bool = True) -> Control | None:
    """Returns the running daemon on this machine that signs with the key on that chain, or None.

    `signer`: the key's address, or its name in the daemon's configuration. `config`: of the daemon that is
    asked first, or alone unless `everywhere`.
    """
    places = [*map(Path, possible_sockets(config.control, config.ledger.path))] if config else []
    if everywhere:
        places += [*_usual(), *_listening()]
    for path in dict.fromkeys(places):
        found = at(path)
        if found is None or found.daemon.chain_id != chain_id:
            continue
        if signer in found.daemon.keys or signer in found.daemon.key_names:
            return found
    return None


def at(path: Path) -> Control | None:
    """Returns the daemon that listens there; None if none answers."""
    try:
        return Control(path, DaemonDescription.model_validate(_request(path, "GET", "/v1/daemon", "")))
    except (ProvdError, ValidationError):
        return None


def _usual() -> list[Path]:
    return [Path(each) for each in possible_sockets(ControlConfig(), LedgerConfig().path)]


def _listening() -> list[Path]:
    """Returns the sockets of that name on which root, this user or the service's user listens."""
    try:
        lines = LISTENING.read_text().splitlines()[1:]
    except OSError:
        return []
    rows = [line.split(maxsplit=7) for line in lines]
    paths = [
        Path(row[7]) for row in rows if len(row) == 8 and int(row[3], 16) & ACCEPTING and row[7][0] == "/"
    ]
    return [path for path in paths if path.name == SOCKET and _is_trusted(path)]


def _is_trusted(path: Path) -> bool:
    with closing(socket.socket(socket.AF_UNIX)) as probe:
        probe.settimeout(PATIENCE_SECONDS)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        uid = peer_uid(probe)
    return uid in (0, os.geteuid()) or user_name(uid) == SERVICE_USER


def _request(path: Path, method: str, target: str, body: str) -> Any:
    """Returns the answer. Raises Transient if nobody answers, and what the daemon's error means."""
    with closing(_Connection(path)) as connection:
        try:
            headers = {"Content-Type": "application/json", SUDO_USER: os.environ.get("SUDO_USER", "")}
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            found = json.load(answer)
        except OSError as error:
            raise Transient(f"{path}: {error.strerror or error}") from error
        except (http.client.HTTPException, ValueError) as error:
            raise Transient(f"{path}: the process that answers there is not provd") from error
    if answer.status == http.HTTPStatus.OK:
        return found
    why = str(found.get("error")) if isinstance(found, dict) else f"status {answer.status}"
    raise LedgerError(why) if answer.status == http.HTTPStatus.SERVICE_UNAVAILABLE else Refused(why)


def _unreachable(config: Config) -> str:
    """Returns why the running daemon cannot be asked."""
    for path in map(Path, possible_sockets(config.control, config.ledger.path)):
        try:
            _request(path, "GET", "/v1/daemon", "")
        except Transient as error:
            if path.exists():
                return f"its control socket cannot be used: {error}; {JOIN}"
        except ProvdError as error:
            return str(error)
    return "it has no control socket: it is of an older version, or control.socket differs"
