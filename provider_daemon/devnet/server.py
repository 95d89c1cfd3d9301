"""The devnet as a server: gRPC services over the blocks, and a block producer."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc.aio

from provider_daemon.devnet.archive import Archive
from provider_daemon.devnet.blocks import Blocks
from provider_daemon.devnet.context import ChainRules
from provider_daemon.devnet.rest.gateway import Gateway
from provider_daemon.devnet.services.every import add_services
from provider_daemon.errors import ConfigError

MAX_ANSWER = 64 * 1024 * 1024
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - where to call what listens on every address


@dataclass(slots=True)
class Devnet:
    """The devnet's server.

    If `indexed` is False, GetTx and searches are refused. `queries`: none (the service is missing), published
    (six calls answer) or all. `listen` with port 0 selects a free port; so does `rest`, for which "" means no
    REST server.

    With `block_seconds` 0 no blocks are produced: tests call `produce_block`. While `halted`, no blocks are
    produced either; queries are answered from the last block, as on a chain whose validators do not agree.
    """

    path: str = ":memory:"
    listen: str = "127.0.0.1:0"
    rules: ChainRules = field(default_factory=ChainRules)
    queries: str = "all"
    indexed: bool = True
    block_seconds: float = 0.0
    funds: dict[str, dict[str, int]] = field(default_factory=dict)
    rest: str = ""
    port: int = 0
    rest_port: int = 0
    halted: bool = False
    blocks: Blocks = field(init=False)
    _archive: Archive = field(init=False)
    _server: grpc.aio.Server = field(init=False)
    _gateway: Gateway | None = None
    _maker: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Starts the server and returns its port; a new chain then has its first block.

        Raises ConfigError if the file or port cannot be used.
        """
        self._archive = Archive(self.path)
        async with contextlib.AsyncExitStack() as undo:
            undo.callback(self._archive.close)
            self.blocks = Blocks(self._archive, self.rules, self.funds)
            if self.blocks.is_new:
                self.produce_block()
            self._server = grpc.aio.server(
                options=[("grpc.max_send_message_length", MAX_ANSWER), ("grpc.so_reuseport", 0)]
            )
            undo.push_async_callback(self._server.stop, None)
            add_services(self._server, self.blocks, self.queries, indexed=self.indexed)
            self.port = self._bind()
            await self._server.start()
            await self._start_gateway()
            undo.pop_all()
        if self.block_seconds:
            self._maker = asyncio.create_task(self._make_blocks())
        return self.port

    def _bind(self) -> int:
        try:
            return self._server.add_insecure_port(self.listen)
        except RuntimeError as error:
            raise ConfigError(
                [
                    (
                        f"cannot listen on {self.listen}: the port is in use, or the address is not one "
                        "of this machine"
                    )
                ]
            ) from error

    async def _start_gateway(self) -> None:
        if self.rest:
            host = self.listen.rpartition(":")[0]
            self._gateway = Gateway(f"{EVERYWHERE.get(host, host)}:{self.port}", self.rest)
            self.rest_port = await self._gateway.start()

    def produce_block(self, at: int | None = None) -> None:
        """Produces a block. `at` is in nanoseconds since the epoch; None means now."""
        self.blocks.produce(time.time_ns() if at is None else at)

    async def stop(self) -> None:
        if self._maker is not None:
            self._maker.cancel()
            await asyncio.wait([self._maker])
        if self._gateway is not None:
            await self._gateway.stop()
        await self._server.stop(grace=0.2)
        self._archive.close()

    async def made_blocks_until(self, ended: asyncio.Event) -> None:
        """Waits for the event. Raises the error that ended block production, if that ends first."""
        waiting = [asyncio.create_task(ended.wait()), *([self._maker] if self._maker else [])]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def _make_blocks(self) -> None:
        while True:
            await asyncio.sleep(self.block_seconds)
            if not self.halted:
                self.produce_block()

    def halt(self) -> None:
        self.halted = True

    def resume(self) -> None:
        self.halted = False


async def serve(devnet: Devnet, say: Callable[[str], object]) -> None:
    """Serves until SIGINT or SIGTERM. SIGUSR1 halts the chain, SIGUSR2 resumes it.

    `say` receives one line when the chain is ready.
    """
    ended = asyncio.Event()
    handlers = {
        signal.SIGINT: ended.set,
        signal.SIGTERM: ended.set,
        signal.SIGUSR1: devnet.halt,
        signal.SIGUSR2: devnet.resume,
    }
    for number, handler in handlers.items():
        asyncio.get_running_loop().add_signal_handler(number, handler)
    port = await devnet.start()
    host = devnet.listen.rpartition(":")[0]
    rest = f" and REST on {devnet.rest.rpartition(':')[0]}:{devnet.rest_port}" if devnet.rest else ""
    say(
        f"devnet {devnet.rules.chain_id} serves gRPC on {host}:{port}{rest} at height "
        f"{devnet.blocks.height}, file {devnet.path}"
    )
    try:
        await devnet.made_blocks_until(ended)
    finally:
        await devnet.stop()
