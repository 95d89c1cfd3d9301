"""Attacks by an IPFS gateway, or by who made the content. Each row is one attack; all fail."""

import asyncio

import pytest

from provider_daemon.errors import ProvdError, Transient
from provider_daemon.sources.https import Http
from provider_daemon.sources.inputs import Input, Scheme
from provider_daemon.sources.ipfs import fetch
from provider_daemon.sources.refusals import InputRefusal, InputRefused
from tests.unit.sources.cases import QUICK, collect, policy
from tests.unit.sources.dag import Dag, section, text, varint
from tests.unit.sources.far_end import Handler, Request, answer, head, redirect, serve
from tests.unit.sources.gateway import DATA, HEADER, Gateway, blocks, car, root

CAR_HEAD = head("200 OK", {"Content-Type": "application/vnd.ipld.car"})


async def endless_car(_: Request, writer: asyncio.StreamWriter) -> None:
    """Valid blocks that nobody asked for, without end; no single block is served."""
    writer.write(CAR_HEAD + HEADER)
    dag = Dag()
    stray = section(dag.leaf(bytes(10**6)), bytes(10**6))
    while not writer.is_closing():
        writer.write(stray)
        await writer.drain()


def changed(block: bytes) -> bytes:
    return block[:-1] + bytes([block[-1] ^ 1])


GATEWAYS: dict[str, Handler] = {
    "damaged single blocks": Gateway("chunks", single=changed),
    "another file's block": Gateway("chunks", single=lambda _: blocks("raw").popitem()[1]),
    "damaged block in a CAR": Gateway("chunks", changed(car("chunks")), single=None),
    "CAR of another file alone": Gateway("chunks", car("raw"), single=None),
    "CAR that is cut": Gateway("chunks", car("chunks")[:40000], single=None),
    "CAR with a huge section": Gateway("chunks", HEADER + b"\xff\xff\xff\xff\x7f", single=None),
    "CAR that is a web page": Gateway("chunks", b"<html>" * 100, single=None),
    "endless CAR of other blocks": endless_car,
    "huge single block": Gateway("chunks", single=lambda _: bytes(5 * 10**6)),
    "the file itself in place of blocks": answer(DATA),
    "redirect to loopback": redirect("https://127.0.0.1/ipfs/x"),
    "redirect to cloud metadata": redirect("http://169.254.169.254/"),
    "compressed answers": answer(b"x", Content_Encoding="gzip"),
    "not found": answer(b"", "404 Not Found"),
}


@pytest.mark.parametrize("handler", GATEWAYS.values(), ids=GATEWAYS)
async def test_gateway(handler: Handler) -> None:
    """Not one wrong byte is passed on, and the input is not given up for it: a gateway proves nothing."""
    caught, received = await attempt(handler, root("chunks"))
    assert isinstance(caught, Transient)
    assert DATA.startswith(received)
    assert len(received) < len(DATA)


DAG = Dag()
LEAF = DAG.leaf(b"ab")


def deep(levels: int) -> bytes:
    cid = DAG.file([(LEAF, 2)])
    for _ in range(levels):
        cid = DAG.file([(cid, 2)])
    return cid


def bomb(levels: int) -> bytes:
    """2 ** levels visits of one empty leaf, if somebody walks them."""
    cid = DAG.leaf(b"")
    for _ in range(levels):
        cid = DAG.file([(cid, 0), (cid, 0)], b"", 0)
    return DAG.file([(cid, 0), (LEAF, 2)], b"", 2)


def huge(levels: int) -> bytes:
    """2 ** (levels + 1) bytes in a few blocks."""
    cid, size = LEAF, 2
    for _ in range(levels):
        cid, size = DAG.file([(cid, size), (cid, size)]), 2 * size
    return cid


CONTENT = {
    "part larger than declared": (DAG.file([(DAG.leaf(b"abcdef"), 2)]), InputRefusal.CONTENT),
    "part smaller than declared": (DAG.file([(LEAF, 20)]), InputRefusal.CONTENT),
    "whole larger than declared": (DAG.file([(LEAF, 2)], size=1), InputRefusal.CONTENT),
    "negative size": (DAG.file([(LEAF, 2)], size=2**62), InputRefusal.CONTENT),
    "directory as a part": (DAG.file([(DAG.directory([("a", LEAF)]), 2)]), InputRefusal.CONTENT),
    "tree of empty parts": (bomb(60), InputRefusal.CONTENT),
    "tree that is too deep": (deep(100), InputRefusal.CONTENT),
    "small tree of a huge file": (huge(50), InputRefusal.TOO_LARGE),
    "symbolic link": (DAG.node([], varint(1, 4) + b"\x12\x0b/etc/passwd"), InputRefusal.CONTENT),
    "no UnixFS": (DAG.add(b""), InputRefusal.CONTENT),
}


@pytest.mark.parametrize(("cid", "reason"), CONTENT.values(), ids=CONTENT)
async def test_content(cid: bytes, reason: InputRefusal) -> None:
    """Content that matches its CID and harms whoever walks it is refused for good."""
    caught, received = await attempt(Gateway(DAG.blocks), text(cid))
    assert isinstance(caught, InputRefused)
    assert caught.reason is reason
    assert received == b""


async def test_block_over_the_limit() -> None:
    """A block that matches its CID is not held if it is larger than any of IPFS."""
    dag = Dag()
    caught, received = await attempt(Gateway(dag.blocks), text(dag.leaf(bytes(5 * 10**6))))
    assert isinstance(caught, Transient)
    assert received == b""


NAMES = {
    "name twice in a directory": DAG.directory([("a", LEAF), ("a", DAG.leaf(b"cd"))]),
    "name below a file": LEAF,
}


@pytest.mark.parametrize("cid", NAMES.values(), ids=NAMES)
async def test_path(cid: bytes) -> None:
    """A path with no single meaning is refused."""
    caught, _ = await attempt(Gateway(DAG.blocks), f"{text(cid)}/a")
    assert isinstance(caught, InputRefused)
    assert caught.reason is InputRefusal.CONTENT


async def attempt(handler: Handler, uri: str) -> tuple[ProvdError, bytes]:
    """Returns the error, and the bytes that were passed on before it."""
    parts: list[bytes] = []
    source = Input("data.bin", f"ipfs://{uri}", Scheme.IPFS, None, None, 10**7)
    async with serve({"*": handler}, None) as far:
        stream = fetch(Http(policy(), limits=QUICK), [far.url("", "127.0.0.1")], source)
        with pytest.raises(ProvdError) as caught:
            await collect(stream, parts.append)
    return caught.value, b"".join(parts)
