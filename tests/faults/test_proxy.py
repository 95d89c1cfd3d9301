"""The faults of the proxy that the fault runs use."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.faults.proxy import Proxy

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1000):
        writer.write(data)
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy in front of an echo server."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    made = Proxy(server.sockets[0].getsockname()[1])
    await made.start()
    async with asyncio.timeout(10):
        yield made
    await made.stop()
    server.close()


async def connect(proxy: Proxy) -> Pair:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def said(pair: Pair, words: bytes) -> bytes:
    """Returns what comes back: all of it, or what arrived before the end."""
    reader, writer = pair
    writer.write(words)
    try:
        return await reader.readexactly(len(words))
    except asyncio.IncompleteReadError as error:
        return error.partial


async def test_carries(proxy: Proxy) -> None:
    """Without a fault, bytes pass unchanged, on several connections."""
    pairs = [await connect(proxy) for _ in range(3)]
    words = b"x" * 200_000
    assert [await said(pair, words) for pair in pairs] == [words] * 3
    assert proxy.served == 3


async def test_latency(proxy: Proxy) -> None:
    """Each direction takes its time, and the order is kept when the latency ends."""
    pair, loop = await connect(proxy), asyncio.get_running_loop()
    proxy.latency = 0.2
    began = loop.time()
    pair[1].write(b"first ")
    await asyncio.sleep(0.1)
    await proxy.heal()
    assert await said(pair, b"second") == b"first "
    assert loop.time() - began >= 0.2
    assert await pair[0].readexactly(6) == b"second"


async def test_cut(proxy: Proxy) -> None:
    """A live connection is reset; the next one works."""
    pair = await connect(proxy)
    await said(pair, b"a")
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        await pair[0].read()
    assert await said(await connect(proxy), b"again") == b"again"


async def test_refuse(proxy: Proxy) -> None:
    """Connections are refused until `heal`, which listens on the same port."""
    port = proxy.port
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await connect(proxy)
    await proxy.heal()
    assert proxy.port == port
    assert await said(await connect(proxy), b"back") == b"back"


async def test_half_open(proxy: Proxy) -> None:
    """Bytes vanish without an end or a reset, on old connections forever and on new ones until `heal`."""
    old = await connect(proxy)
    await said(old, b"a")
    proxy.half_open()
    new = await connect(proxy)
    await proxy.heal()
    for reader, writer in (old, new):
        writer.write(b"anybody there?")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await reader.read()
    assert await said(await connect(proxy), b"back") == b"back"


async def test_truncate(proxy: Proxy) -> None:
    """Live and new connections get the given number of bytes and no more."""
    old = await connect(proxy)
    await said(old, b"a")
    proxy.truncate(4)
    for pair in (old, await connect(proxy)):
        try:
            assert await said(pair, b"12345678") == b"1234"
        except ConnectionResetError:
            pytest.fail("the bytes before the cut must arrive")
    await proxy.heal()
    assert await said(await connect(proxy), b"12345678") == b"12345678"
