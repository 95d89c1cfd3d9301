"""Queries sacct over a period, split into windows that the site's MaxQueryTimeRange allows."""

import math
from collections.abc import Awaitable, Callable

import structlog

from provider_daemon.errors import ProvdError, Transient, TurnedAway, Unreadable
from provider_daemon.ports import Clock
from provider_daemon.slurm import commands
from provider_daemon.slurm.commands import Command
from provider_daemon.slurm.query_range import query_range, windows

log = structlog.get_logger("provd.slurm")

RETRY_SECONDS = 300  # minimum time between two reads of the limit after failures
REREAD_SECONDS = 3600  # a limit is read again after this time: sites raise it
DAY = 86_400  # the search ends this long after now, as the site's clock may be ahead


class History:
    """`ask` runs one command. The limit is read only when a search fails: sites without one need no query."""

    def __init__(self, ask: Callable[[str, Command], Awaitable[str]], clock: Clock, cluster: str) -> None:
        self._ask = ask
        self._clock = clock
        self._cluster = cluster
        self._widest = 0
        self._read_at = -math.inf

    async def search(self, make: Callable[[int, int], Command], since: int) -> list[str]:
        """Returns the output of `make(since, until)` for each window; `until` 0 means no upper bound."""
        if self._widest and self._clock.now() - self._read_at >= REREAD_SECONDS:
            await self._reread()
        try:
            return await self._answers(make, since)
        except TurnedAway:
            raise
        except (Transient, Unreadable):
            if self._clock.now() - self._read_at < RETRY_SECONDS or not await self._reread():
                raise
            return await self._answers(make, since)

    async def _answers(self, make: Callable[[int, int], Command], since: int) -> list[str]:
        if not self._widest:
            return [await self._ask("sacct", make(since, 0))]
        parts = windows(since, int(self._clock.now()) + DAY, self._widest)
        return [await self._ask("sacct", make(*part)) for part in parts]

    async def _reread(self) -> bool:
        """Reads the limit and returns whether it changed. If reading fails, the old limit stays."""
        self._read_at, before = self._clock.now(), self._widest
        try:
            self._widest = query_range(
                await self._ask("sacctmgr", Command(commands.QUERY_RANGE, seconds=commands.INSPECT_SECONDS))
            )
        except ProvdError:
            return False
        if self._widest != before:
            log.info(
                "sacct_window_changed",
                cluster=self._cluster,
                seconds=self._widest,
                next="sacct is queried in windows of at most this length",
            )
        return self._widest != before
