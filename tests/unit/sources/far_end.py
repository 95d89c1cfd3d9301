"""HTTP servers on loopback, with a private CA, that answer byte for byte as a test wants."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Handler = Callable[["Request", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Request:
    target: str
    headers: dict[str, str]

    @property
    def offset(self) -> int:
        return int(self.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))


@dataclass
class FarEnd:
    """`answers`: path, or `*` for all others, -> handler.

    `connections` counts every TCP connection, `requests` holds what was asked.
    """

    host: str
    port: int
    answers: dict[str, Handler]
    scheme: str = "https"
    connections: int = 0
    requests: list[Request] = field(default_factory=list)

    def url(self, path: str, host: str = "localhost") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"


@dataclass(frozen=True)
class Authority:
    """A private CA with one server certificate, for `names`. Files: `ca`, and `chain` with its key."""

    ca: Path
    chain: Path

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain)
        return context


def authority(directory: Path, *names: str) -> Authority:
    key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    root = _certificate(issuer, issuer, key, key, x509.BasicConstraints(True, 0))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
    alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
    leaf = _certificate(subject, issuer, server_key, key, alternatives)
    ca, chain = directory / "ca.pem", directory / "server.pem"
    ca.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    private = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain.write_bytes(private + leaf.public_bytes(serialization.Encoding.PEM))
    return Authority(ca, chain)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.now(UTC)
    usage = x509.KeyUsage(True, False, False, False, False, key is signer, False, False, False)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        # A CA's basic constraints must be critical (RFC 5280); Python 3.15 requires it.
        .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )


@asynccontextmanager
async def serve(
    answers: dict[str, Handler], tls: ssl.SSLContext | None, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[FarEnd]:
    far = FarEnd(host, port, answers, "https" if tls else "http")

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far.connections += 1
        with suppress(OSError, asyncio.IncompleteReadError):
            while await _exchange(far, reader, writer):
                pass
        writer.close()

    server = await asyncio.start_server(talk, host, port, ssl=tls)
    far.port = server.sockets[0].getsockname()[1]
    try:
        yield far
    finally:
        server.close()


async def _exchange(far: FarEnd, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Answers one request; returns whether the connection stays open."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    request = Request(lines[0].split()[1], headers)
    far.requests.append(request)
    handler = far.answers.get(request.target.partition("?")[0]) or far.answers["*"]
    await handler(request, writer)
    await writer.drain()
    return False


def answer(body: bytes = b"", status: str = "200 OK", **headers: str) -> Handler:
    """A whole answer with Content-Length; an underscore in a header's name stands for a hyphen."""

    async def handler(_: Request, writer: asyncio.StreamWriter) -> None:
        fields = {"Content-Length": str(len(body))}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        writer.write(head(status, fields) + body)

    return handler


def head(status: str, fields: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "Connection: close", "\r\n"]).encode()


def redirect(location: str, status: str = "302 Found") -> Handler:
    return answer(status=status, Location=location)


def ranged(body: bytes, cut: int | None = None) -> Handler:
    """Honours Range. `cut`: bytes after which an answer to a request without Range breaks off."""

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        rest = body[request.offset :]
        fields = {"Content-Length": str(len(rest))}
        if request.offset:
            fields["Content-Range"] = f"bytes {request.offset}-{len(body) - 1}/{len(body)}"
            writer.write(head("206 Partial Content", fields) + rest)
        else:
            writer.write(head("200 OK", fields) + rest[:cut])

    return handler


def raw(*pieces: bytes, hang: bool = False) -> Handler:
    """Sends exactly these bytes. `hang`: leaves the connection open and silent."""

    async def handler(_: Request, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if hang:
            await asyncio.Event().wait()

    return handler


def endless(start: bytes, piece: bytes, pause: float = 0.0) -> Handler:
    """Sends `piece` again and again until the other side closes the connection."""

    async def handler(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return handler
