"""The path from the daemon to SLURM and the chain.

Each call takes time, and may be lost, late, duplicated, or the daemon's last.
"""

import asyncio
from collections.abc import Callable
from typing import NoReturn, TypeVar

from provider_daemon.errors import Transient
from tests.simulation.world import Killed, World

T = TypeVar("T")
STEP = 0.05  # seconds that each direction takes


class Gate:
    """The path of one life of the daemon; after its death nothing passes.

    `memory_lost_at`: when the ledger could not be written.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.dead = False
        self.on_death: Callable[[], None] = lambda: None
        self.memory_lost_at: float | None = None

    async def point(self, what: str, seconds: float = STEP) -> None:
        """A moment in which the daemon waits, and may be killed."""
        self.maybe_die("kill", what)
        if self._world.strikes("cancel_at_a_point"):
            self._world.cancel_some_job()
        await asyncio.sleep(seconds)
        self.maybe_die("kill", what)

    def maybe_die(self, fault: str, what: str) -> None:
        if self.dead:
            raise Killed
        if self._world.strikes(fault):
            self.die(what)

    def die(self, what: str) -> NoReturn:
        self._world.note(f"KILL at {what}")
        self.dead = True
        self.on_death()
        raise Killed

    async def call(self, what: str, command: Callable[[], T], *, latest: float = 30, once: bool = False) -> T:
        """Runs the command on the remote. `latest`: seconds that the caller waits for an answer.

        Clients repeat a call without an answer within the same call (retry.quickly), so a command can arrive
        twice, and the second answer counts; `once` is for what a client never repeats.
        """
        if self.memory_lost_at is not None and self._world.loop.time() > self.memory_lost_at:
            self._world.wrong(f"4 {what}: the daemon goes on without its memory")
        if self._world.calm and not self.dead:
            await asyncio.sleep(STEP)
            return command()
        await self.point(what)
        if self._world.strikes("lost_call"):
            raise Transient(f"{what}: connection refused")
        answer = command()
        if not once and self._world.strikes("duplicated_call"):
            answer = command()
        await self.point(
            what, self._world.dice.uniform(5, latest) if self._world.strikes("late_answer") else STEP
        )
        if self._world.strikes("lost_answer"):
            self._world.note(f"answer lost: {what}")
            raise Transient(f"{what}: no answer")
        return answer
