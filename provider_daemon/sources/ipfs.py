"""Fetches ipfs:// inputs from gateways that are not trusted: every block is checked against its CID.

A gateway is asked for one stream of all blocks (CAR). A block that the stream lacks is asked for by itself.
So a gateway without CAR, with another order or without repeated blocks works too.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from urllib.parse import quote

from provider_daemon.errors import Transient
from provider_daemon.sources.answers import read_answer
from provider_daemon.sources.car import MAX_BLOCK, BadCar, CarReader
from provider_daemon.sources.checks import Check
from provider_daemon.sources.cid import IDENTITY, Cid, parse_cid
from provider_daemon.sources.directory import step
from provider_daemon.sources.https import CHUNK, Http, Session
from provider_daemon.sources.inputs import Input
from provider_daemon.sources.reference import split_ipfs
from provider_daemon.sources.refusals import InputRefusal, InputRefused
from provider_daemon.sources.unixfs import BadNode, Link, Node, decode
from provider_daemon.sources.weburl import WebUrl, parse_url

KEPT_BYTES = 2 * MAX_BLOCK
STRAY_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 32
_CAR = "application/vnd.ipld.car"
_CAR_FORM = "&dag-scope=entity&car-version=1&car-order=dfs&car-dups=y"
_RAW = "application/vnd.ipld.raw"


class Blocks:
    """The blocks of one path from one gateway. `get` returns only blocks that match their CID."""

    def __init__(self, session: Session, gateway: str, path: str, query: str) -> None:
        self._session = session
        self._gateway = gateway.rstrip("/")
        self._path = path
        self._query = query
        self._stream: AsyncIterator[tuple[Cid, bytes]] | None = None
        self._kept: OrderedDict[Cid, bytes] = OrderedDict()
        self._kept_bytes = 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Blocks"]:
        """Opens the CAR stream, if the gateway has one."""
        async with AsyncExitStack() as stack:
            headers = {"Accept": f"{_CAR}; version=1; order=dfs; dups=y"}
            url = self._url(f"/ipfs/{self._path}?format=car{_CAR_FORM}{self._query}")
            with _not_final():
                response = await stack.enter_async_context(self._session.get(url, headers))
                if response.status == 200 and response.content_type == _CAR:
                    read_answer(response.status, response.headers, 0, url.shown)
                    self._stream = _car(self._session.body(response, url.shown), url.shown)
                else:
                    response.close()
            yield self

    def _url(self, path: str) -> WebUrl:
        return parse_url(f"{self._gateway}{path}")

    async def get(self, cid: Cid) -> bytes:
        """Raises Transient: whatever a gateway does wrong, another one or a later attempt may do right."""
        if cid.hash == IDENTITY:
            return cid.digest
        if cid not in self._kept:
            await self._read_until(cid)
        if cid not in self._kept:
            with _not_final():
                self._keep(cid, await self._single(cid))
        self._kept.move_to_end(cid)
        return self._kept[cid]

    async def _read_until(self, cid: Cid) -> None:
        stray = 0
        while self._stream is not None:
            try:
                found, block = await anext(self._stream)
            except StopAsyncIteration:
                self._stream = None
                return
            self._keep(found, block)
            if found == cid:
                return
            stray += len(block)
            if stray > STRAY_BYTES:
                self._stream = None

    def _keep(self, cid: Cid, block: bytes) -> None:
        """Keeps the last blocks: a file may repeat one, and a stream may bring some early."""
        if cid not in self._kept:
            self._kept[cid] = block
            self._kept_bytes += len(block)
        while self._kept_bytes > KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1])

    async def _single(self, cid: Cid) -> bytes:
        url = self._url(f"/ipfs/{cid}?format=raw")
        async with self._session.get(url, {"Accept": _RAW}) as response:
            read_answer(response.status, response.headers, 0, url.shown)
            block = bytearray()
            async for chunk in self._session.body(response, url.shown):
                block += chunk
                if len(block) > MAX_BLOCK:
                    raise Transient(f"{url.shown}: more than {MAX_BLOCK} bytes for one block")
        if not cid.matches(bytes(block)):
            raise Transient(f"{url.shown}: the block does not match its CID")
        return bytes(block)


@contextmanager
def _not_final() -> Iterator[None]:
    """A gateway's refusal, such as 404, says nothing about the content: another one may have it."""
    try:
        yield
    except InputRefused as error:
        raise Transient(str(error)) from None


async def _car(chunks: AsyncIterator[bytes], shown: str) -> AsyncIterator[tuple[Cid, bytes]]:
    reader = CarReader()
    try:
        async for chunk in chunks:
            for found in reader.feed(chunk):
                yield found
        reader.finish()
    except BadCar as error:
        raise Transient(f"{shown}: {error}") from None


@asynccontextmanager
async def fetch(
    http: Http,
    gateways: Sequence[str],
    source: Input,
    offset: int = 0,
    *,
    hashing: bool = True,
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Yields the bytes of an input from `offset` on, from the first gateway that has them.

    Raises InputRefused for content that is not a file or not the declared one, and Transient if no gateway
    has all of it.
    """
    check = Check(source, offset, hashing=hashing)
    yield _from_any(http, gateways, source, check)


async def _from_any(http: Http, gateways: Sequence[str], source: Input, check: Check) -> AsyncIterator[bytes]:
    failures = []
    for gateway in gateways:
        try:
            async for chunk in _from_one(http, gateway, source, check):
                yield chunk
        except Transient as error:
            failures.append(str(error))
        else:
            check.finish()
            return
    raise Transient("; ".join(failures) or "no IPFS gateway is configured")


async def _from_one(http: Http, gateway: str, source: Input, check: Check) -> AsyncIterator[bytes]:
    text, parts = split_ipfs(source.uri)
    trusted = frozenset({parse_url(f"{gateway.rstrip('/')}/").authority})
    path = "/".join((text, *(quote(part, safe="") for part in parts)))
    query = f"&entity-bytes={check.received}:*" if check.received else ""
    async with (
        http.session(trusted) as session,
        Blocks(session, gateway, path, query).opened() as blocks,
    ):
        cid, node = await _resolve(blocks, parse_cid(text), parts, source)
        if not node.is_file:
            raise _refused(source, "is a directory; end the URI with the path of a file in it")
        check.announced(node.size)
        async for data in _file(blocks, Link("", cid, node.size), check.received, source):
            for at in range(0, len(data), CHUNK):
                check.update(data[at : at + CHUNK])
                yield data[at : at + CHUNK]


async def _resolve(blocks: Blocks, cid: Cid, parts: Sequence[str], source: Input) -> tuple[Cid, Node]:
    node = await _node(blocks, cid, source)
    for name in parts:
        depth, there = 0, False
        while not there:
            try:
                found, there = step(node, name, depth)
            except BadNode as error:
                raise _refused(source, str(error)) from None
            if found is None:
                raise InputRefused(InputRefusal.NOT_FOUND, f"{source.shown}: there is no {name!r} in it")
            cid, depth = found, depth + 1
            node = await _node(blocks, cid, source)
    return cid, node


async def _file(blocks: Blocks, root: Link, skip: int, source: Input) -> AsyncIterator[bytes]:
    """Walks the tree of a file from left to right, and leaves out what lies within the first `skip` bytes."""
    waiting = [(root, 0)]
    while waiting:
        link, depth = waiting.pop()
        if skip >= link.size:
            skip -= link.size
            continue
        node = await _node(blocks, link.cid, source)
        if node.size != link.size or depth > MAX_DEPTH:  # a directory has size 0, which no part has
            raise _refused(source, "its parts contradict each other")
        if skip < len(node.data):
            yield node.data[skip:]
        skip = max(0, skip - len(node.data))
        waiting.extend((child, depth + 1) for child in reversed(node.links))


async def _node(blocks: Blocks, cid: Cid, source: Input) -> Node:
    block = await blocks.get(cid)
    try:
        return decode(cid, block)
    except BadNode as error:
        raise _refused(source, str(error)) from None


def _refused(source: Input, text: str) -> InputRefused:
    return InputRefused(InputRefusal.CONTENT, f"{source.shown}: {text}")
