"""A collector on loopback that checks what an agent sends, and answers as a test wants."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from provider_daemon.chain.sign import LocalSigner
from provider_daemon.node_protocol import answer as answers
from provider_daemon.node_protocol import request, signature
from provider_daemon.node_protocol import token as node_token
from provider_daemon.node_protocol.answer import Answer, Neighbour, RequestError
from provider_daemon.node_protocol.rejection import STATUS, Rejection
from provider_daemon.node_protocol.request import REGISTER_PATH, Request
from provider_daemon.node_protocol.signature import Purpose, Scheme, Stamp
from provider_daemon.node_protocol.token import NodeToken
from provider_daemon.nodes import reading
from provider_daemon.nodes.command import SignedCommand
from provider_daemon.nodes.report import Heartbeat, Registration

SIGNER = LocalSigner(bytes([7] * 32))
NOW = 1_796_054_400
NODE, CLUSTER, HOST = "alpha.c1", "HPC-1", "c1"


def token(url: str, **changes: object) -> str:
    issued = NodeToken(
        chain_id="virtengine-1",
        cluster_id=CLUSTER,
        node_id=NODE,
        hostname=HOST,
        provider_address=SIGNER.address,
        provider_pubkey=SIGNER.public_key.hex(),
        collector_url=url,
        nonce="00" * 32,
        issued_at=NOW - 10,
        expires_at=NOW + 86_400,
    )
    return node_token.issue(replace(issued, **changes), SIGNER)  # type: ignore[arg-type]


@dataclass
class FarCollector:
    """`reply`: the raw answer to everything, if set. `refusal`: how it refuses; None for accepting.

    `errors`: what was wrong with requests; a test asserts that there are none.
    """

    url: str = ""
    commands: tuple[SignedCommand, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    next_seconds: int = 30
    clock: int = NOW
    sequence_ack: int = 0
    refusal: Rejection | None = None
    reply: tuple[int, bytes] | None = None
    closes: bool = False
    registrations: list[Registration] = field(default_factory=list)
    heartbeats: list[Heartbeat] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    nonces: set[str] = field(default_factory=set)
    connections: int = 0
    errors: list[str] = field(default_factory=list)

    def answer(self, path: str, body: bytes) -> tuple[int, bytes]:
        self.paths.append(path)
        if self.reply is not None:
            return self.reply
        if self.refusal is not None:
            error = RequestError(self.refusal, "refused by the test")
            return STATUS[self.refusal], answers.encode(
                Answer(False, self.sequence_ack, self.clock, self.next_seconds, errors=(error,))
            )
        name = "registration" if path == REGISTER_PATH else "heartbeat"
        found = request.read(name, body)
        getattr(self, f"_read_{name}")(found)
        return 200, answers.encode(
            Answer(True, self.sequence_ack, self.clock, self.next_seconds, self.commands, self.neighbours)
        )

    def _read_registration(self, found: Request) -> None:
        registration = reading.registration(found.payload)
        issued = node_token.read(found.token)
        self._check(found, Purpose.REGISTRATION, registration.agent_pubkey, issued.node_id)
        self.registrations.append(registration)

    def _read_heartbeat(self, found: Request) -> None:
        beat = reading.heartbeat(found.payload)
        self._check(found, Purpose.HEARTBEAT, self.registrations[-1].agent_pubkey, beat.node_id)
        if beat.sequence_number <= self.sequence_ack:
            self.errors.append(f"old sequence {beat.sequence_number}")
        self.sequence_ack = beat.sequence_number
        self.heartbeats.append(beat)

    def _check(self, found: Request, purpose: Purpose, key: str, node_id: str) -> None:
        assert found.auth is not None
        assert found.auth.scheme is Scheme.PROVD
        stamp = Stamp(node_id, CLUSTER, found.auth.timestamp, found.auth.nonce)
        base = signature.base_text(purpose, stamp, found.payload)
        if not signature.verify(key, base, found.auth.signature):
            self.errors.append("bad signature")
        if found.auth.scheme is not Scheme.PROVD:
            self.errors.append(f"scheme {found.auth.scheme}")
        if found.auth.nonce in self.nonces:
            self.errors.append("nonce used twice")
        self.nonces.add(found.auth.nonce)


@contextmanager
def collector(chain: Path | None = None) -> Iterator[FarCollector]:
    """Serves over TLS with the certificate and key in `chain`, or over plain HTTP."""
    far = FarCollector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            far.connections += 1
            super().setup()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                status, data = far.answer(self.path, body)
            except Exception as error:
                far.errors.append(repr(error))
                status, data = 500, json.dumps(str(error)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            self.close_connection = far.closes

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if chain is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    far.url = f"{'https' if chain else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield far
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
