"""A TCP proxy with switchable faults: latency, cut, half-open, truncation after some bytes, refusal."""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field

CHUNK = 2**16
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST instead of FIN


@dataclass(eq=False, slots=True)
class _Link:
    """One connection through the proxy. `left`: bytes that the client may still get; None means no limit."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    left: int | None = None
    silent: bool = False

    def end(self, *, reset: bool = False) -> None:
        for side in (self.client, self.server):
            if side is not None and not side.transport.is_closing():
                if reset:
                    side.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                side.transport.abort()


@dataclass(slots=True)
class Proxy:
    """The proxy.

    `start` returns the port, which stays the same. A fault applies to live and new connections until `heal`.
    `served` counts connections that were forwarded to the target.
    """

    target: int
    port: int = 0
    latency: float = 0.0  # seconds, each way
    served: int = 0
    _limit: int | None = None
    _half_open: bool = False
    _links: set[_Link] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _listener: asyncio.Server | None = None

    async def start(self) -> int:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self.port

    async def stop(self) -> None:
        self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- faults ---

    def cut(self) -> None:
        """Resets every live connection."""
        for link in list(self._links):
            link.end(reset=True)

    def refuse(self) -> None:
        """Stops listening and cuts all connections."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.cut()

    def half_open(self) -> None:
        """Discards all bytes without an error.

        Affected connections stay so forever, as when the other end lost its power.
        """
        self._half_open = True
        for link in self._links:
            link.silent = True

    def truncate(self, count: int) -> None:
        """Cuts each connection, live or new, once its client got `count` bytes more."""
        self._limit = count
        for link in self._links:
            link.left = count

    async def heal(self) -> None:
        self.latency, self._limit, self._half_open = 0.0, None, False
        for link in self._links:
            link.left = None
        if self._listener is None:
            await self.start()

    # --- normal operation ---

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(writer, left=self._limit, silent=self._half_open)
        task = asyncio.current_task()
        assert task is not None
        self._links.add(link)
        self._tasks.add(task)
        try:
            await self._serve(reader, link)
        except (OSError, asyncio.CancelledError):
            pass  # reset by a peer, or the proxy stops: asyncio's streams would log it
        finally:
            link.end()
            self._links.discard(link)
            self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, link: _Link) -> None:
        if link.silent:
            while await reader.read(CHUNK):
                pass
            return
        answers, link.server = await asyncio.open_connection("127.0.0.1", self.target)
        self.served += 1
        ways = [
            asyncio.create_task(way)
            for way in (self._carry(reader, link.server, link), self._carry(answers, link.client, link))
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, link: _Link) -> None:
        """Copies bytes until one side ends, or the client got all that it may.

        A second task keeps the order while bytes wait for their time.
        """
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        reading = asyncio.create_task(self._read(source, waiting))
        try:
            while (item := await waiting.get())[1]:
                await asyncio.sleep(max(0.0, item[0] - asyncio.get_running_loop().time()))
                await _pass_on(item[1], sink, link)
                if link.left == 0 and sink is link.client:
                    return
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading

    async def _read(self, source: asyncio.StreamReader, waiting: asyncio.Queue[tuple[float, bytes]]) -> None:
        data = b"-"
        while data:
            try:
                data = await source.read(CHUNK)
            except OSError:
                data = b""
            waiting.put_nowait((asyncio.get_running_loop().time() + self.latency, data))


async def _pass_on(data: bytes, sink: asyncio.StreamWriter, link: _Link) -> None:
    if link.silent:
        return
    if sink is link.client and link.left is not None:
        data = data[: link.left]
        link.left -= len(data)
    sink.write(data)
    await sink.drain()
