"""Reloads the configuration while provd runs.

Changes that need no restart apply at once, and the others are logged. An invalid file changes nothing.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import structlog

from provider_daemon import log as logs
from provider_daemon import systemd
from provider_daemon.audit_log.recorder import Recorder
from provider_daemon.audit_log.records import Action
from provider_daemon.chain.endpoints import Endpoints
from provider_daemon.config.changes import Changes, changes
from provider_daemon.config.model import Config, load
from provider_daemon.daemon.loops import LoopSet
from provider_daemon.errors import ConfigError
from provider_daemon.ports import Clock

log = structlog.get_logger("provd.reload")


class Reload:
    """`asked` is the event that requests a reload (SIGHUP); `running` is the configuration in effect.

    `whole` means that all keys of the file, as last read, are in effect; `taken_at` is when that was last the
    case, in seconds since the epoch. `problems`: one line for each part of the file that is not in effect.
    """

    def __init__(
        self,
        file: Path,
        running: Config,
        loop_set: LoopSet,
        endpoints: Endpoints,
        clock: Clock,
        recorder: Recorder,
    ) -> None:
        self.asked = asyncio.Event()
        self.running = running
        self.whole = True
        self.problems: Sequence[str] = ()
        self.taken_at = clock.now()
        self._clock = clock
        self._file = file
        self._loop_set = loop_set
        self._endpoints = endpoints
        self._recorder = recorder

    async def whenever_asked(self) -> None:
        """Runs until it is cancelled."""
        while await self.asked.wait():
            self.asked.clear()
            await self.now()

    async def now(self) -> None:
        systemd.reloading()
        self.whole = False
        try:
            found = changes(self.running, load(self._file))
            await self._take(found)
        except ConfigError as error:
            self.problems = tuple(error.problems)
            log.error(
                "config_not_reloaded",
                why=error.problems,
                next="the running configuration stays in effect; correct the file, then reload again",
            )
        except Exception as error:
            self.problems = (f"{self._file}: {type(error).__name__} while it was applied; restart provd",)
            log.exception(
                "config_not_reloaded",
                next="restart provd: a part of the file may be in effect; report this as a bug",
            )
        else:
            self._tell(found)
            self._note(found)
        finally:
            systemd.notify("READY=1")

    async def _take(self, found: Changes) -> None:
        """Applies the changes. Templates are always read again, and first, as they may be invalid."""
        before, after = self.running, found.config
        self._loop_set.adopt(after)
        self.running = after
        if before.log != after.log:
            logs.configure(after.log.format, after.log.level)
        if (before.chain.endpoints, before.chain.quorum) != (after.chain.endpoints, after.chain.quorum):
            await self._endpoints.use(after.chain.endpoints, after.chain.quorum)

    def _note(self, found: Changes) -> None:
        self.problems = tuple(f"{key}: {why}" for key, why in found.kept.items())
        if not found.kept:
            self.whole, self.taken_at = True, self._clock.now()

    def _tell(self, found: Changes) -> None:
        log.info("config_reloaded", file=str(self._file), changed=list(found.changed))
        changed = " ".join(found.changed)
        self._recorder.record([self._recorder.deed(Action.RELOADED, detail=changed)], self._clock.now())
        if found.kept:
            log.error(
                "config_not_reloaded",
                why=dict(found.kept),
                next="these keys keep their old values; restart provd to change them",
            )
