"""Fetching from IPFS gateways that cannot be trusted, over blocks that IPFS's own importer made."""

import asyncio
import hashlib
import ssl
import tracemalloc
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from provider_daemon.errors import Transient
from provider_daemon.sources.cid import parse_cid
from provider_daemon.sources.https import Http
from provider_daemon.sources.inputs import Input, Scheme
from provider_daemon.sources.ipfs import fetch
from provider_daemon.sources.refusals import InputRefusal, InputRefused
from tests.unit.sources.cases import QUICK, collect, policy
from tests.unit.sources.dag import Dag, section, text
from tests.unit.sources.far_end import Authority, Request, head, serve
from tests.unit.sources.gateway import DATA, HEADER, Gateway, blocks, car, root

WHOLE = {
    "raw": b"hello\n",
    "empty": b"",
    "chunks": DATA,
    "version0": DATA,
    "trickle": DATA,
    "repeated": bytes(65536),
}


def ipfs(uri: str, size: int | None = None, sha256: str | None = None) -> Input:
    return Input("data.bin", f"ipfs://{uri}", Scheme.IPFS, sha256, size, 10**7)


async def fetched(tls: ssl.SSLContext | None, source: Input, *gateways: Gateway, offset: int = 0) -> bytes:
    """Gateways on loopback, which the site configured, need no entry in allowed_hosts."""
    async with AsyncExitStack() as stack:
        urls = []
        for gateway in gateways:
            far = await stack.enter_async_context(serve({"*": gateway}, tls))
            urls.append(far.url("/", "127.0.0.1"))
        return await collect(fetch(Http(policy(), limits=QUICK), urls, source, offset))


@pytest.mark.parametrize(("fixture", "content"), WHOLE.items(), ids=WHOLE)
async def test_car(fixture: str, content: bytes) -> None:
    """One request brings the whole file, however its tree is built."""
    gateway = Gateway(fixture, car(fixture))
    assert await fetched(None, ipfs(root(fixture), len(content)), gateway) == content
    assert gateway.asked == ["car"]


@pytest.mark.parametrize(("fixture", "content"), WHOLE.items(), ids=WHOLE)
async def test_single_blocks(fixture: str, content: bytes) -> None:
    """A gateway without CAR is asked block by block, and for a repeated one only once."""
    gateway = Gateway(fixture)
    assert await fetched(None, ipfs(root(fixture)), gateway) == content
    assert gateway.asked == ["refused", *["raw"] * len(blocks(fixture))]


async def test_incomplete_car() -> None:
    """Blocks that a CAR lacks are fetched one by one: here it holds only those of another file."""
    gateway = Gateway("chunks", car("raw"))
    assert await fetched(None, ipfs(root("chunks")), gateway) == DATA
    assert gateway.asked.count("raw") == len(blocks("chunks"))


async def test_tls(tls: Authority) -> None:
    """A gateway with a certificate is checked like any other server."""
    gateway = Gateway("raw", car("raw"))
    async with serve({"*": gateway}, tls.server()) as far:
        http = Http(policy(), ca_file=str(tls.ca), limits=QUICK)
        assert await collect(fetch(http, [far.url("")], ipfs(root("raw")))) == b"hello\n"
        with pytest.raises(Transient, match="certificate"):
            await collect(fetch(Http(policy(), limits=QUICK), [far.url("")], ipfs(root("raw"))))


@pytest.mark.parametrize("offset", [1, 4095, 4096, 40000, 65535, 65536])
@pytest.mark.parametrize("fixture", ["chunks", "version0", "trickle"])
async def test_resumes(fixture: str, offset: int) -> None:
    """From an offset on, only the blocks that hold the rest are asked for."""
    gateway = Gateway(fixture)
    assert await fetched(None, ipfs(root(fixture)), gateway, offset=offset) == DATA[offset:]
    rest = -(-(65536 - offset) // 4096)
    assert gateway.asked.count("raw") <= rest + 6


async def test_resumes_with_checksum() -> None:
    """The declared checksum of a resumed input is left to whoever has the first part."""
    source = ipfs(root("chunks"), 65536, hashlib.sha256(DATA).hexdigest())
    async with serve({"*": Gateway("chunks", car("chunks"))}, None) as far:
        http = Http(policy(), limits=QUICK)
        rest = await collect(fetch(http, [far.url("")], source, 5000))
        assert rest == DATA[5000:]
        assert "entity-bytes=5000:*" in far.requests[0].target


@pytest.mark.parametrize("whole", [True, False], ids=["car", "single blocks"])
@pytest.mark.parametrize(
    ("fixture", "path", "content"),
    [
        ("directory", "a/b/data.bin", DATA),
        ("directory", "caf%C3%A9.txt", b"coffee\n"),
        ("sharded", "file-0.txt", b"0\n"),
        ("sharded", "file-217.txt", b"217\n"),
        ("sharded", "file-299.txt", b"299\n"),
    ],
)
async def test_path(fixture: str, path: str, content: bytes, whole: bool) -> None:
    """A file below a directory, also a sharded one; each directory on the way is verified."""
    gateway = Gateway(fixture, car(fixture) if whole else None)
    assert await fetched(None, ipfs(f"{root(fixture)}/{path}"), gateway) == content


@pytest.mark.parametrize("path", ["b", "a/b/c", "caf%C3%A9.txt2"])
async def test_no_such_path(path: str) -> None:
    """A name that the verified directory lacks is final."""
    with pytest.raises(InputRefused) as caught:
        await fetched(None, ipfs(f"{root('directory')}/{path}"), Gateway("directory"))
    assert caught.value.reason is InputRefusal.NOT_FOUND


@pytest.mark.parametrize("name", ["file-300.txt", "0", "FF"])
async def test_no_such_name_in_shards(name: str) -> None:
    """A name that is absent, or looks like a shard's own link."""
    with pytest.raises(InputRefused) as caught:
        await fetched(None, ipfs(f"{root('sharded')}/{name}"), Gateway("sharded"))
    assert caught.value.reason is InputRefusal.NOT_FOUND


@pytest.mark.parametrize("path", ["", "/a", "/readme/x"])
async def test_not_a_file(path: str) -> None:
    """A directory, or a path through a file, is final."""
    with pytest.raises(InputRefused) as caught:
        await fetched(None, ipfs(f"{root('directory')}{path}"), Gateway("directory"))
    assert caught.value.reason is InputRefusal.CONTENT


@pytest.mark.parametrize("size", [65535, 65537])
async def test_wrong_size(size: int) -> None:
    """The size that the verified root has is compared before the content is fetched."""
    gateway = Gateway("chunks")
    with pytest.raises(InputRefused) as caught:
        await fetched(None, ipfs(root("chunks"), size), gateway)
    assert caught.value.reason is InputRefusal.WRONG_SIZE
    assert gateway.asked.count("raw") == 1


async def test_next_gateway() -> None:
    """What one gateway lacks or damages in the middle comes from the next one, without repetition."""
    recorded = car("chunks")
    damaged = recorded[:30000] + bytes([recorded[30000] ^ 1]) + recorded[30001:]
    lacking, wrong, good = Gateway("raw", single=None), Gateway("chunks", damaged), Gateway("chunks")
    assert await fetched(None, ipfs(root("chunks")), lacking, wrong, good) == DATA
    assert lacking.asked == ["refused", "refused"]
    assert good.asked.count("raw") < len(blocks("chunks"))


async def test_inline_block() -> None:
    """A CID of the identity hash holds its block, so no gateway is asked for it."""
    cid = parse_cid("f0155000568656c6c6f")
    gateway = Gateway("raw")
    assert await fetched(None, ipfs(str(cid)), gateway) == b"hello"
    assert gateway.asked == ["refused"]


async def test_memory_stays_flat() -> None:
    """A file of 64 MiB passes without being held."""
    dag, size = Dag(), 1024 * 1024
    leaves = [dag.leaf(bytes([number]) * size) for number in range(64)]
    dag.blocks.clear()
    whole = dag.file([(leaf, size) for leaf in leaves])

    async def handler(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head("200 OK", {"Content-Type": "application/vnd.ipld.car"}) + HEADER)
        writer.write(section(whole, dag.blocks[text(whole)]))
        for number, leaf in enumerate(leaves):
            writer.write(section(leaf, bytes([number]) * size))
            await writer.drain()

    source = replace(ipfs(text(whole)), limit=64 * size)
    received = 0
    async with serve({"*": handler}, None) as far:
        tracemalloc.start()
        async with fetch(Http(policy(), limits=QUICK), [far.url("", "127.0.0.1")], source) as chunks:
            async for chunk in chunks:
                received += len(chunk)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert received == 64 * size
    assert peak < 32 * size
