"""The way from the daemon to its two remotes: each call takes time, and may be lost, late, or the daemon's last."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from provider_daemon.errors import Transient
from tests.simulation.world import Killed, World

T = TypeVar("T")


class Gate:
    """One for each life of the daemon; after its death nothing passes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.dead = False
        self.on_death: Callable[[], None] = lambda: None

    async def point(self, what: str, seconds: float = 0.05) -> None:
        """A moment in which the daemon waits, and may die."""
        self.maybe_die("kill", what)
        await asyncio.sleep(seconds)
        self.maybe_die("kill", what)

    def maybe_die(self, fault: str, what: str) -> None:
        if self.dead:
            raise Killed
        if self._world.strikes(fault):
            self._world.note(f"KILL at {what}")
            self.dead = True
            self.on_death()
            raise Killed

    async def call(self, what: str, command: Callable[[], T]) -> T:
        """Runs the command at the far side."""
        await self.point(f"{what}, before")
        if self._world.strikes("lost_call"):
            raise Transient(f"{what}: connection refused")
        answer = command()
        await self.point(f"{what}, after", self._world.dice.uniform(5, 40) if self._world.strikes("late_answer") else 0.05)
        if self._world.strikes("lost_answer"):
            self._world.note(f"answer lost: {what}")
            raise Transient(f"{what}: no answer")
        return answer
