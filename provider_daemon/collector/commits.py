"""Writes what many requests changed in one transaction, so that each answer waits for at most two commits."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import structlog

from provider_daemon.errors import Transient
from provider_daemon.node_store.rows import Change
from provider_daemon.node_store.writer import NodeStoreWriter

log = structlog.get_logger("provd.collector")
T = TypeVar("T")

GATHER_SECONDS = 0.02  # in which changes gather before a commit

Waiting = tuple[Sequence[Change], asyncio.Future[None]]


class Commits:
    """The only user of the writer, in a thread of its own.

    `problem`: why the last commit failed, "" if it did not.
    """

    def __init__(self, path: Path, observe: Callable[[float], None]) -> None:
        """`observe` is called with the seconds of each commit. Raises ConfigError as the writer does."""
        self._observe = observe
        self._thread = ThreadPoolExecutor(1, "commits")
        self._writer = self._thread.submit(NodeStoreWriter.open, path).result()
        self._waiting: list[Waiting] = []
        self._some = asyncio.Event()
        self.problem = ""

    async def call(self, method: Callable[[NodeStoreWriter], T]) -> T:
        """Calls a method of the writer. Raises Transient as it does."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, method, self._writer)

    async def write(self, changes: Sequence[Change]) -> None:
        """Returns when the changes are on disk. Raises Transient if they cannot be written."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((changes, done))
        self._some.set()
        await done

    async def run(self) -> None:
        """Commits until it is cancelled; what waits then is neither written nor answered."""
        while True:
            await self._some.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._some.clear()
            batch, self._waiting = self._waiting, []
            began = time.monotonic()
            try:
                self.problem = await self._apply(batch)
            except Exception:
                log.exception("commit_crashed", requests=len(batch), next="each is written alone")
                for each in batch:
                    await self._apply_alone(each)
            self._observe(time.monotonic() - began)

    def close(self) -> None:
        self._thread.submit(self._writer.close).result()
        self._thread.shutdown()

    async def _apply(self, batch: Sequence[Waiting]) -> str:
        """Returns why nothing was written, "" if all was."""
        changes = [each for of_one, _ in batch for each in of_one]
        try:
            await self.call(lambda writer: writer.apply(changes))
        except Transient as error:
            _finish(batch, str(error))
            return str(error)
        _finish(batch, "")
        return ""

    async def _apply_alone(self, waiting: Waiting) -> None:
        """A request that cannot be written must not stop those of other nodes."""
        try:
            await self._apply([waiting])
        except Exception as error:
            _finish([waiting], f"it cannot be stored: {type(error).__name__}")


def _finish(batch: Sequence[Waiting], problem: str) -> None:
    for _, done in batch:
        if done.done():  # its client is gone
            continue
        if problem:
            done.set_exception(Transient(problem))
        else:
            done.set_result(None)
