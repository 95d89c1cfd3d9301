"""The far end of the OCI distribution API on loopback, and images made from files."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"
TOKEN = "anonymous-token"


def digest(raw: bytes) -> str:
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def layer(files: Mapping[str, bytes | str], modes: Mapping[str, int] | None = None) -> bytes:
    """A layer as an uncompressed tar. A text is the target of a symbolic link."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                tar.addfile(entry)
            else:
                entry.size, entry.mode = len(content), (modes or {}).get(name, 0o755)
                tar.addfile(entry, io.BytesIO(content))
    return made.getvalue()


@dataclass
class FakeRegistry:
    """`manifests`: by (repository, tag or digest). `login`: whether a token is required."""

    port: int = 0
    login: bool = False
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def push(self, repository: str, tag: str, layers: Iterable[bytes], *, docker: bool = False) -> str:
        """Adds an image; returns the digest of its manifest."""
        tars = list(layers)
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest(each) for each in tars]},
        }
        kind = f"{DOCKER}.image.rootfs.diff.tar.gzip" if docker else f"{OCI}.layer.v1.tar+gzip"
        manifest = {
            "schemaVersion": 2,
            "mediaType": self._type(docker),
            "config": self.blob(json.dumps(config).encode(), f"{OCI}.config.v1+json"),
            "layers": [self.blob(gzip.compress(each, mtime=0), kind) for each in tars],
        }
        return self.put(repository, tag, self._type(docker), json.dumps(manifest).encode())

    def _type(self, docker: bool) -> str:
        return f"{DOCKER}.distribution.manifest.v2+json" if docker else f"{OCI}.manifest.v1+json"

    def index(self, repository: str, tag: str, images: Mapping[str, str]) -> str:
        """Adds an index of images by architecture."""
        listed = [
            {
                "mediaType": self._type(docker=False),
                "digest": image,
                "size": len(self.manifests[repository, image][1]),
                "platform": {"os": "linux", "architecture": architecture},
            }
            for architecture, image in images.items()
        ]
        raw = json.dumps({"schemaVersion": 2, "manifests": listed}).encode()
        return self.put(repository, tag, f"{OCI}.index.v1+json", raw)

    def blob(self, raw: bytes, media_type: str) -> dict[str, object]:
        self.blobs[digest(raw)] = raw
        return {"mediaType": media_type, "digest": digest(raw), "size": len(raw)}

    def put(self, repository: str, tag: str, media_type: str, raw: bytes) -> str:
        for name in (tag, digest(raw)):
            self.manifests[repository, name] = media_type, raw
        return digest(raw)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request.path)
        if request.path == "/token":
            return web.json_response({"token": TOKEN})
        if self.login and request.headers.get("Authorization") != f"Bearer {TOKEN}":
            realm = f'Bearer realm="http://{self.host}/token",service="test",scope="repository:x:pull"'
            return web.Response(status=401, headers={"WWW-Authenticate": realm})
        repository, kind, name = request.path.removeprefix("/v2/").rsplit("/", 2)
        if kind == "blobs" and name in self.blobs:
            return web.Response(body=self.blobs[name])
        if kind == "manifests" and (repository, name) in self.manifests:
            media_type, raw = self.manifests[repository, name]
            return web.Response(body=raw, content_type=media_type)
        return web.Response(status=404)


@asynccontextmanager
async def registry() -> AsyncIterator[FakeRegistry]:
    fake = FakeRegistry()
    app = web.Application()
    app.router.add_get("/{path:.*}", fake.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.port = runner.addresses[0][1]
    try:
        yield fake
    finally:
        await runner.cleanup()
