"""Reads a job's log: what is there, or as it is written, across lost connections."""

import asyncio
import json
from collections.abc import Callable

from provider_daemon.client.event_stream import Event
from provider_daemon.client.gateway import Gateway
from provider_daemon.client.gateway_facts import GatewayRefused
from provider_daemon.client.persistent import persistently
from provider_daemon.errors import Transient, Unreadable

POLL_SECONDS = 3.0  # between two questions for a job that the provider has not accepted
UNSEEN_POLLS = 200  # of them, about ten minutes

Write = Callable[[bytes], None]


class Log:
    """One log of one job. `offset`: how many of its bytes have been written to `write`."""

    def __init__(
        self,
        gateway: Gateway,
        job_id: str,
        write: Write,
        *,
        stream: str = "output",
        offset: int = 0,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._gateway = gateway
        self._job_id = job_id
        self._write = write
        self._stream = stream
        self._poll_seconds = poll_seconds
        self.offset = offset
        self._progress = 0

    async def copy(self) -> None:
        """Writes what the job has written so far."""

        async def attempt() -> None:
            async with self._gateway.log(self._job_id, self._stream, self.offset) as chunks:
                async for chunk in chunks:
                    self._put(chunk, self.offset + len(chunk))

        await persistently(attempt, lambda: self._progress, self._gateway.retry_seconds)

    async def follow(self) -> None:
        """Writes the log as it grows, and returns when the job has ended. Waits for the job to start.

        The gateway refuses a job until the provider has accepted it, which takes seconds: that refusal counts
        only after a while.
        """
        for _ in range(UNSEEN_POLLS):
            try:
                await persistently(self._attempt, lambda: self._progress, self._gateway.retry_seconds)
            except GatewayRefused as error:
                if error.reason != "not_yours":
                    raise
                refused = error
            else:
                return
            await asyncio.sleep(self._poll_seconds)
        raise refused

    async def _attempt(self) -> None:
        async with self._gateway.events(self._job_id, self._stream, self.offset) as events:
            self._progress += 1  # a connection: the gateway is there
            async for event in events:
                if event.name == "end":
                    return
                if event.name == "failed":
                    raise Transient(f"the gateway cannot read the log of {self._job_id}: {_text(event)}")
                if event.name == "log":
                    self._put(_text(event).encode(), _offset(event))
        raise Transient(f"the gateway ended the log of {self._job_id} before the job's end")

    def _put(self, content: bytes, offset: int) -> None:
        self._write(content)
        self._progress += 1
        self.offset = offset


def _text(event: Event) -> str:
    try:
        text = json.loads(event.data)
    except ValueError:
        text = None
    if not isinstance(text, str):
        raise Unreadable("the gateway's event has no text")
    return text


def _offset(event: Event) -> int:
    if not (event.id.isascii() and event.id.isdigit() and len(event.id) < 20):
        raise Unreadable(f"the gateway's event has no valid offset: {event.id!r}")
    return int(event.id)
