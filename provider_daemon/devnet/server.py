"""The devnet as a server: gRPC services over the blocks, and somebody who makes blocks."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc.aio

from provider_daemon.chain.proto.cosmos.auth.v1beta1 import auth_pb2_grpc
from provider_daemon.chain.proto.cosmos.bank.v1beta1 import bank_pb2_grpc
from provider_daemon.chain.proto.cosmos.base.node.v1beta1 import query_pb2_grpc as config_grpc
from provider_daemon.chain.proto.cosmos.base.tendermint.v1beta1 import query_pb2_grpc as tendermint_grpc
from provider_daemon.chain.proto.virtengine.hpc.v1 import query_pb2_grpc
from provider_daemon.devnet.archive import Archive
from provider_daemon.devnet.blocks import Blocks
from provider_daemon.devnet.context import Rules
from provider_daemon.devnet.services import rawlog
from provider_daemon.devnet.services.hpc import HpcQuery, only_published
from provider_daemon.devnet.services.node import AuthService, BankService, ConfigService, TendermintService
from provider_daemon.devnet.services.txs import TxService
from provider_daemon.errors import ConfigError

MAX_ANSWER = 64 * 1024 * 1024


@dataclass(slots=True)
class Devnet:
    """`queries`: none (the service is not there), published (six answer) or all. `listen` with port 0 takes a free one.

    With `block_seconds` 0 nobody makes blocks: tests call `produce_block` themselves. While `halted` none are made either, and queries
    are answered from the last one, as by a chain whose validators do not agree.
    """

    path: str = ":memory:"
    listen: str = "127.0.0.1:0"
    rules: Rules = field(default_factory=Rules)
    queries: str = "all"
    block_seconds: float = 0.0
    funds: dict[str, dict[str, int]] = field(default_factory=dict)
    port: int = 0
    halted: bool = False
    blocks: Blocks = field(init=False)
    _archive: Archive = field(init=False)
    _server: grpc.aio.Server = field(init=False)
    _maker: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """The port that it serves on. A new chain has its first block by then. Raises ConfigError for an unusable file or port."""
        self._archive = Archive(self.path)
        async with contextlib.AsyncExitStack() as undo:
            undo.callback(self._archive.close)
            self.blocks = Blocks(self._archive, self.rules, self.funds)
            if not self.blocks.height:
                self.produce_block()
            self._server = grpc.aio.server(options=[("grpc.max_send_message_length", MAX_ANSWER), ("grpc.so_reuseport", 0)])
            undo.push_async_callback(self._server.stop, None)
            self._add_services()
            self.port = self._bind()
            await self._server.start()
            undo.pop_all()
        if self.block_seconds:
            self._maker = asyncio.create_task(self._make_blocks())
        return self.port

    def _bind(self) -> int:
        try:
            return self._server.add_insecure_port(self.listen)
        except RuntimeError as error:
            raise ConfigError([f"cannot listen on {self.listen}: the port is taken, or it is no address of this machine"]) from error

    def produce_block(self, at: int | None = None) -> None:
        """`at`: nanoseconds since the epoch; now when None."""
        self.blocks.produce(time.time_ns() if at is None else at)

    async def stop(self) -> None:
        if self._maker is not None:
            self._maker.cancel()
            await asyncio.wait([self._maker])
        await self._server.stop(grace=0.2)
        self._archive.close()

    async def made_blocks_until(self, ended: asyncio.Event) -> None:
        """Raises what ended the making of blocks, should it end first."""
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

    def _add_services(self) -> None:
        tendermint_grpc.add_ServiceServicer_to_server(TendermintService(self.blocks), self._server)
        rawlog.add_to_server(TxService(self.blocks), self._server)
        auth_pb2_grpc.add_QueryServicer_to_server(AuthService(self.blocks), self._server)
        bank_pb2_grpc.add_QueryServicer_to_server(BankService(self.blocks), self._server)
        config_grpc.add_ServiceServicer_to_server(ConfigService(self.blocks), self._server)
        if self.queries != "none":
            service = HpcQuery(self.blocks)
            query_pb2_grpc.add_QueryServicer_to_server(only_published(service) if self.queries == "published" else service, self._server)


async def serve(devnet: Devnet, say: Callable[[str], object]) -> None:
    """Until SIGINT or SIGTERM; SIGUSR1 halts the chain, SIGUSR2 lets it go on. `say` gets one line once the chain can be used."""
    ended = asyncio.Event()
    handlers = {signal.SIGINT: ended.set, signal.SIGTERM: ended.set, signal.SIGUSR1: devnet.halt, signal.SIGUSR2: devnet.resume}
    for number, handler in handlers.items():
        asyncio.get_running_loop().add_signal_handler(number, handler)
    port = await devnet.start()
    host = devnet.listen.rpartition(":")[0]
    say(f"devnet {devnet.rules.chain_id} serves gRPC on {host}:{port} at height {devnet.blocks.height}, file {devnet.path}")
    try:
        await devnet.made_blocks_until(ended)
    finally:
        await devnet.stop()
