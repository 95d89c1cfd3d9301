"""A small gateway in this process: the routes that customers use, over values in memory, with faults.

It checks logins with the real `Authenticator`, and its answers have the shapes of provider_daemon/gateway.
"""

import asyncio
import hashlib
import io
import json
import tarfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from provider_daemon.chain.sign import LocalSigner
from provider_daemon.client.gateway import Gateway
from provider_daemon.client.login import Login
from provider_daemon.tokens.identity import Audience, Identity
from provider_daemon.tokens.login import Authenticator
from provider_daemon.tokens.refusal import TokenRefusal, TokenRefused
from provider_daemon.tokens.replay import ReplayGuard
from provider_daemon.tokens.session import SessionKey
from tests.fakes.chain import ALICE, PROVIDER

CHAIN_ID = "test-1"
NOW = 1_800_000_000.0
REAL_TIME = 0.0
OUTPUT = "output.txt"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def manifest_of(files: dict[str, bytes]) -> bytes:
    listed = sorted(files.items(), key=lambda item: item[0].encode("utf-8", "surrogateescape"))
    return "".join(f"{sha256(data)} {len(data)} {json.dumps(path)}\n" for path, data in listed).encode()


@dataclass
class FarEnd:
    """`files` of each of the `jobs`. `cuts`: after how many bytes each of the next streams is cut.

    `known`: the chain has the customer's public key. `requests`: what was asked, in order. `reading`: the
    body of the client's latest answer, as the client in this process sees it.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    manifest: bytes | None = None
    ended: bool = True
    jobs: tuple[str, ...] = ("JOB-1",)
    customer: LocalSigner = ALICE
    provider: str = PROVIDER.address
    chain_id: str = CHAIN_ID
    known: bool = True
    cuts: list[int] = field(default_factory=list)
    failures: list[tuple[int, str]] = field(default_factory=list)
    archive: bytes | None = None
    detail: str = ""
    quota: int = 2**30
    uploads: dict[str, bytearray] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    bytes_sent: int = 0
    bytes_received: int = 0
    secret: bytes = b"s" * 32
    url: str = ""
    now: float = NOW
    reading: aiohttp.StreamReader | None = None

    def time(self) -> float:
        return time.time() if self.now == REAL_TIME else self.now

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._middleware], client_max_size=2**40)
        job = "/v1/jobs/{id}"
        app.add_routes(
            [
                web.get("/v1/info", self._info),
                web.post("/v1/login/challenge", self._challenge),
                web.post("/v1/login/session", self._session),
                web.get(job, self._job),
                web.get(f"{job}/files", self._list),
                web.get(f"{job}/files/{{path:.+}}", self._file),
                web.get(f"{job}/archive", self._archive),
                web.get(f"{job}/manifest", self._manifest),
                web.get(f"{job}/log", self._log),
                web.post(f"{job}/links", self._link),
                web.get("/v1/uploads", self._uploads),
                web.get("/v1/uploads/{sha256}", self._content, allow_head=False),
                web.head("/v1/uploads/{sha256}", self._head),
                web.patch("/v1/uploads/{sha256}", self._patch),
                web.delete("/v1/uploads/{sha256}", self._delete),
            ]
        )
        return app

    # --- who asks ---

    @property
    def authenticator(self) -> Authenticator:
        async def key_of(address: str) -> bytes | None:
            return self.customer.public_key if self.known and address == self.customer.address else None

        audience = Audience(self.url, self.chain_id, frozenset({self.provider}))
        return Authenticator(audience, SessionKey(self.secret), ReplayGuard(0.0), key_of)

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Any) -> Any:
        self.requests.append(f"{request.method} {request.rel_url.raw_path}")
        if request.path.startswith("/v1/clusters/"):
            return self._error(404, "not_found", "There is no catalogue of this cluster.")
        if self.failures and not request.path.startswith("/v1/login"):
            status, code = self.failures.pop(0)
            return self._error(status, code, "as the test wants", {"Retry-After": "0"})
        if request.path.startswith(("/v1/login", "/v1/info")):
            return await handler(request)
        try:
            identity = await self._identity(request)
        except TokenRefused as error:
            unknown = error.reason is TokenRefusal.UNKNOWN_ACCOUNT
            return self._error(401, "no_public_key" if unknown else error.reason.value, str(error))
        if (
            request.match_info.get("id", self.jobs[0]) not in self.jobs
            or identity.address != self.customer.address
        ):
            return self._error(403, "not_yours", "This is not a job of your account here.")
        return await handler(request)

    async def _identity(self, request: web.Request) -> Identity:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        return await self.authenticator.authenticate(token, self.time())

    def _error(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> web.Response:
        return web.json_response(
            {"error": {"code": code, "message": message}}, status=status, headers=headers or {}
        )

    async def _challenge(self, request: web.Request) -> web.Response:
        made = self.authenticator.challenge((await request.json())["address"], b"n" * 16, self.time())
        return web.json_response({"challenge": made.text, "expires_at": made.expires_at})

    async def _session(self, request: web.Request) -> web.Response:
        asked = await request.json()
        made = self.authenticator.log_in(
            asked["challenge"], asked["public_key"], asked["signature"], self.time()
        )
        return web.json_response({"token": made.token, "expires_at": made.expires_at})

    # --- jobs ---

    async def _info(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"url": self.url, "chain_id": self.chain_id, "providers": [self.provider], "clusters": []}
        )

    async def _job(self, request: web.Request) -> web.Response:
        root = sha256(self.manifest) if self.manifest is not None else None
        return web.json_response(
            {
                "id": request.match_info["id"],
                "state": "completed" if self.ended else "running",
                "ended": self.ended,
                "results": {"root": root, "files": len(self.files), "detail": self.detail},
                "inputs": None,
                "expires_at": None,
            }
        )

    async def _list(self, request: web.Request) -> web.Response:
        """At most two entries a page, of one directory."""
        prefix, after = request.query["prefix"], request.query["after"]
        base = f"{prefix}/" if prefix else ""
        entries: dict[str, dict[str, Any]] = {}
        for path, content in self.files.items():
            if path.startswith(base):
                name, slash, _ = path.removeprefix(base).partition("/")
                kind = "directory" if slash else "file"
                entries[base + name] = {"path": base + name, "kind": kind, "size": len(content)}
        left = [entry for path, entry in sorted(entries.items()) if path > after]
        return web.json_response({"files": left[:2], "more": len(left) > 2})

    async def _manifest(self, request: web.Request) -> web.StreamResponse:
        if self.manifest is None:
            return self._error(404, "no_manifest", "The job has no manifest yet.")
        return web.Response(body=self.manifest)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        content = self.files.get(request.match_info["path"])
        if content is None:
            return self._error(404, "not_found", "There is no such file.")
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        return await self._stream(request, content[start:], 206 if start else 200)

    async def _archive(self, request: web.Request) -> web.StreamResponse:
        return await self._stream(request, tar_of(self.files) if self.archive is None else self.archive)

    async def _stream(self, request: web.Request, content: bytes, status: int = 200) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        part, self.reading = content[: self.cuts.pop(0)] if self.cuts else content, None
        self.bytes_sent += len(part)
        await response.write(part)
        if len(part) < len(content):
            await self._cut(request, len(part))
        return response

    async def _cut(self, request: web.Request, sent: int) -> None:
        """Closes the connection once the client has read the `sent` bytes: aiohttp drops the others then."""
        while sent and not (self.reading and self.reading.total_bytes == sent and not self.reading._buffer):
            await asyncio.sleep(0.001)
        assert request.transport is not None
        request.transport.close()

    async def _log(self, request: web.Request) -> web.StreamResponse:
        offset = int(request.query["offset"])
        name = {"output": OUTPUT, "error": "error.txt"}[request.query["stream"]]
        content = self.files.get(name, b"")[offset:]
        if "text/event-stream" not in request.headers.get("Accept", ""):
            return await self._stream(request, content)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        part, self.reading = content[: self.cuts.pop(0)] if self.cuts else content, None
        data = json.dumps(part.decode())
        sent = f": hello\n\nid: {offset + len(part)}\nevent: log\ndata: {data}\n\n".encode()
        await response.write(sent)
        if len(part) < len(content):
            await self._cut(request, len(sent))
        elif self.ended:
            await response.write(f'id: {offset + len(part)}\nevent: end\ndata: "completed"\n\n'.encode())
        return response

    async def _link(self, request: web.Request) -> web.Response:
        seconds = (await request.json())["seconds"]
        return web.json_response({"url": f"{self.url}/x", "expires_at": self.time() + seconds}, status=201)

    # --- uploads ---

    async def _uploads(self, request: web.Request) -> web.Response:
        listed = [
            {"sha256": name, "offset": len(data), "length": self.lengths[name], "modified_at": 0}
            for name, data in self.uploads.items()
        ]
        used = sum(self.lengths.values())
        return web.json_response({"uploads": listed, "used_bytes": used, "quota_bytes": self.quota})

    async def _head(self, request: web.Request) -> web.Response:
        name = request.match_info["sha256"]
        if name not in self.uploads:
            return self._error(404, "not_found", "There is no such upload.")
        return web.Response(headers=self._offsets(name))

    async def _content(self, request: web.Request) -> web.StreamResponse:
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        content = bytes(self.uploads[request.match_info["sha256"]])
        return await self._stream(request, content[start:], 206 if start else 200)

    def _offsets(self, name: str) -> dict[str, str]:
        return {"Upload-Offset": str(len(self.uploads[name])), "Upload-Length": str(self.lengths[name])}

    async def _patch(self, request: web.Request) -> web.Response:
        name, offset = request.match_info["sha256"], int(request.headers["Upload-Offset"])
        length = int(request.headers["Upload-Length"])
        kept = self.uploads.setdefault(name, bytearray())
        self.lengths[name] = length
        if length > self.quota:
            return self._error(507, "quota_exceeded", "Your uploads would exceed the quota.")
        if offset != len(kept):
            return self._error(409, "offset_mismatch", f"{len(kept)} bytes have arrived.")
        cut = self.cuts.pop(0) if self.cuts else None
        if cut == 0:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        async for chunk in request.content.iter_chunked(4096):
            kept += chunk
            self.bytes_received += len(chunk)
            if cut is not None and len(kept) >= offset + cut:
                assert request.transport is not None
                request.transport.close()
                return web.Response()
        if len(kept) == length and sha256(bytes(kept)) != name:
            del self.uploads[name], self.lengths[name]
            return self._error(422, "wrong_hash", "The content does not have this SHA-256.")
        return web.Response(status=201 if len(kept) == length else 204, headers=self._offsets(name))

    async def _delete(self, request: web.Request) -> web.Response:
        name = request.match_info["sha256"]
        if self.uploads.pop(name, None) is None:
            return self._error(404, "not_found", "There is no such upload.")
        del self.lengths[name]
        return web.Response(status=204)


def tar_of(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(
        fileobj=packed, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape"
    ) as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@asynccontextmanager
async def served(far_end: FarEnd) -> AsyncIterator[str]:
    """Serves the far end, and yields its URL."""
    request = Gateway.request

    @asynccontextmanager
    async def observed(*args: Any, **options: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        async with request(*args, **options) as answer:
            if str(answer.url).startswith(far_end.url):
                far_end.reading = answer.content
            yield answer

    server = TestServer(far_end.app())
    await server.start_server()
    far_end.url = f"http://127.0.0.1:{server.port}"
    try:
        with mock.patch.object(Gateway, "request", observed):
            yield far_end.url
    finally:
        await server.close()


@asynccontextmanager
async def opened(far_end: FarEnd) -> AsyncIterator[Gateway]:
    """Yields a client of the far end, with ALICE's key."""
    async with served(far_end) as url:
        audience = Audience(url, CHAIN_ID, frozenset({PROVIDER.address}))
        async with Gateway(url, Login(ALICE, audience, far_end.time), 0) as gateway:
            yield gateway
