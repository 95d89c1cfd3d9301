"""Requests to the programs at a site, with failures that name the request and the path."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any

from provider_daemon.errors import Unreadable
from provider_daemon.site_files.values import Abandoned, Entry, Identity, Kind
from provider_daemon.site_files.workers import Worker, Workers
from provider_daemon.slurm.transport import StreamingTransport

WORKERS = 4  # programs for short requests and parts of files
LONG_WORKERS = 2  # programs for requests about whole trees
PATIENCE_SECONDS = 60.0  # for the consumer of an answer, from one item to the next
_LONG = frozenset({"archive", "manifest", "usage", "remove", "sha256", "digests"})
_SHA256 = re.compile("[0-9a-f]{64}")
_KINDS = frozenset(Kind)


class Requests:
    """Requests about whole trees take long, so that they have workers of their own."""

    def __init__(self, transport: StreamingTransport, workers: int) -> None:
        self._short = Workers(transport, workers)
        self._long = Workers(transport, LONG_WORKERS)

    async def close(self) -> None:
        await self._short.close()
        await self._long.close()

    async def ask(self, do: str, root: str, **asked: object) -> Any:
        """Returns the result of a request that has no other answer."""
        result = None
        async with self.request(do, {"root": root, **asked}) as answer:
            async for item in answer:
                result = item
        if not isinstance(result, list):
            raise odd(do, result)
        return result[0]

    @asynccontextmanager
    async def request(
        self, do: str, asked: dict[str, object], patience: float | None = None
    ) -> AsyncIterator[AsyncIterator[Any]]:
        """Yields the answer (Worker.answer). Its failures name the request and the path.

        A consumer that does not return for `patience` seconds (PATIENCE_SECONDS) loses the program, and gets
        Abandoned.
        """
        patience = PATIENCE_SECONDS if patience is None else patience
        async with self._worker(do) as (worker, abandon):
            await worker.send({"do": do, **asked})
            offered = _offered(worker, abandon, f"{do} {_where(asked)}", patience)
            async with aclosing(offered) as answer:
                yield answer

    async def upload(self, do: str, asked: dict[str, object], chunks: AsyncIterable[bytes]) -> Any:
        """Sends a request with its content, and returns the result."""
        async with self._worker(do) as (worker, _):
            await worker.send({"do": do, **asked})
            return await worker.upload(chunks, f"{do} {_where(asked)}")

    def _worker(self, do: str) -> AbstractAsyncContextManager[tuple[Worker, Callable[[], None]]]:
        return (self._long if do in _LONG else self._short).worker()


async def _offered(
    worker: Worker, abandon: Callable[[], None], what: str, patience: float
) -> AsyncGenerator[Any, None]:
    async with aclosing(worker.answer(what)) as answer:
        async for item in answer:
            timer = asyncio.get_running_loop().call_later(patience, abandon)
            try:
                yield item
            finally:
                timer.cancel()
            if worker.abandoned:
                raise Abandoned(f"{what}: the content was not taken for {patience:g} s")


def _where(asked: dict[str, object]) -> str:
    return printable("/".join(str(asked[part]) for part in ("root", "path") if asked.get(part)))


def printable(path: str) -> str:
    """Returns a path for messages and logs: names may hold line breaks and bytes that are not UTF-8."""
    return path.encode("utf-8", "backslashreplace").decode().encode("unicode_escape").decode("ascii")


def part(
    asked: dict[str, object], offset: int, size: int, *, inode: int = 0, whole: bool
) -> dict[str, object]:
    return {**asked, "offset": offset, "length": size, "inode": inode, "whole": whole}


def entry(value: Any) -> Entry:
    match value:
        case [str(path), str(kind), int(size), int(modified_at)] if kind in _KINDS:
            return Entry(path, Kind(kind), number("size", size), modified_at)
    raise odd("entry", value)


async def content(answer: AsyncIterator[Any], most: int | None = None) -> AsyncGenerator[bytes, None]:
    """Yields the content of an answer. Raises Unreadable if it is longer than `most`."""
    async for item in answer:
        if isinstance(item, bytes):
            if most is not None:
                most -= len(item)
                if most < 0:
                    raise odd("length of content", len(item))
            yield item


def number(what: str, value: Any) -> int:
    if type(value) is not int or value < 0:
        raise odd(what, value)
    return value


def hexadecimal(what: str, value: Any) -> str:
    """Returns a SHA-256."""
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise odd(what, value)
    return value


def identity(value: Any) -> Identity:
    match value:
        case [int(size), int(mtime_ns), int(ctime_ns), int(inode)]:
            return Identity(number("size", size), mtime_ns, ctime_ns, inode)
    raise odd("identity", value)


def several(what: str, value: Any, count: int) -> list[Any]:
    if not isinstance(value, list) or len(value) != count:
        raise odd(what, value)
    return value


def odd(what: str, value: object) -> Unreadable:
    return Unreadable(f"the remote file program returned an unexpected {what}: {value!r:.200}")
