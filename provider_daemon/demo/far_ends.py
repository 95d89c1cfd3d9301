"""The far ends of the demo's data, on one local port: a store that speaks S3, and an IPFS gateway."""

import base64
import hashlib
import socket
from collections.abc import Iterable

from aiohttp import web

from provider_daemon.sources.cid import write_varint

BUCKET = "demo"
CHUNK = 1024 * 1024
RAW_PREFIX, DAG_PREFIX = b"\x01\x55\x12\x20", b"\x01\x70\x12\x20"  # CIDv1 of raw and of dag-pb, sha2-256


class FarEnds:
    """`objects`: the store's content by key; `blocks`: the gateway's, by the text of the CID."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.blocks: dict[str, bytes] = {}
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application(client_max_size=256 * 1024 * 1024)
        app.router.add_get(f"/{BUCKET}/{{key:.+}}", self._get)
        app.router.add_put(f"/{BUCKET}/{{key:.+}}", self._put)
        app.router.add_get("/ipfs/{cid}", self._block)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        await web.SockSite(self._runner, listening).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def add_file(self, content: bytes) -> str:
        """Adds a file to the gateway and returns its CID."""
        leaves = [content[start : start + CHUNK] for start in range(0, len(content), CHUNK)]
        cids = [RAW_PREFIX + hashlib.sha256(leaf).digest() for leaf in leaves]
        root = _file_node(zip(cids, map(len, leaves), strict=True), len(content))
        self.blocks |= {_text(cid): leaf for cid, leaf in zip(cids, leaves, strict=True)}
        cid = DAG_PREFIX + hashlib.sha256(root).digest()
        self.blocks[_text(cid)] = root
        return _text(cid)

    async def _get(self, request: web.Request) -> web.Response:
        content = self.objects.get(request.match_info["key"])
        return web.Response(status=404) if content is None else web.Response(body=content)

    async def _put(self, request: web.Request) -> web.Response:
        self.objects[request.match_info["key"]] = await request.read()
        return web.Response()

    async def _block(self, request: web.Request) -> web.Response:
        """Serves single blocks only; provd then asks for each."""
        block = self.blocks.get(request.match_info["cid"])
        if block is None or request.query.get("format") != "raw":
            return web.Response(status=404)
        return web.Response(body=block, content_type="application/vnd.ipld.raw")


def _file_node(leaves: Iterable[tuple[bytes, int]], size: int) -> bytes:
    """Returns the dag-pb node of a UnixFS file.

    Field 2 holds the links {Hash 1, Name 2, Tsize 3}, field 1 the data {Type 1, filesize 3, blocksizes 4}.
    """
    links, data = b"", b"\x08\x02\x18" + write_varint(size)
    for cid, length in leaves:
        link = _bytes(1, cid) + _bytes(2, b"") + b"\x18" + write_varint(length)
        links += _bytes(2, link)
        data += b"\x20" + write_varint(length)
    return links + _bytes(1, data)


def _bytes(field: int, value: bytes) -> bytes:
    return write_varint(field << 3 | 2) + write_varint(len(value)) + value


def _text(cid: bytes) -> str:
    return "b" + base64.b32encode(cid).decode().lower().rstrip("=")
