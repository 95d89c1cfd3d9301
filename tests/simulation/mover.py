"""A model of the data mover: when a job's inputs and results are there, and what the daemon sees of it.

It has dice of its own, and half of the schedules have no mover at all.
"""

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from hashlib import sha256

from provider_daemon.errors import Transient
from provider_daemon.job.data import DataPolicy
from provider_daemon.job.references import DataReference
from provider_daemon.job.transfer import InputState, Results, Transfer
from tests.simulation.world import World

POLICY = DataPolicy(results_seconds=40)
NEVER = float("inf")
REASON = "in.dat: the server answered 403"


class Mover:
    """`ended`: whether SLURM has only ended jobs of a name; it is set by the schedule."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._dice = random.Random(world.seed ^ 0x5EED)
        self._down_until = 0.0
        self._ready_at: dict[str, float] = {}
        self._settled_at: dict[str, float] = {}
        self.present = self._dice.random() < 0.5
        self.ended: Callable[[str], bool] = lambda name: False
        self.brings: set[str] = set()
        self.failing: set[str] = set()
        self.ever_ready: set[str] = set()

    def references(self) -> tuple[DataReference, ...]:
        """Returns the inputs of the next job: none, or one."""
        if not self.present or self._dice.random() < 0.6:
            return ()
        return (DataReference("in", uri="https://data.example/in.dat", checksum="00" * 32),)

    def expect(self, name: str) -> None:
        """Begins to fetch the inputs of a job of that SLURM name."""
        self.brings.add(name)
        self._ready_at[name] = self._world.now() + self._dice.uniform(0, 150)
        if self._world.strikes("inputs_fail"):
            self.failing.add(name)

    def facts(self, names: Iterable[str]) -> Mapping[str, Transfer]:
        now = self._world.now()
        if now >= self._down_until and self._world.strikes("transfers_unreadable"):
            self._down_until = now + self._world.broken_for(5, 150)
        if now < self._down_until:
            raise Transient("the data mover's database cannot be read")
        if self._world.strikes("transfers_lost"):
            self._world.note("mover: its database is lost, and all is fetched again")
            self._ready_at = {name: now + self._dice.uniform(0, 150) for name in self._ready_at}
            self._settled_at = {}
        return {name: fact for name in names if (fact := self._fact(name, now)) is not None}

    def _fact(self, name: str, now: float) -> Transfer | None:
        results = self._results(name, now)
        if name not in self.brings:
            return results
        moved = replace(results or Transfer(), bytes_in=bytes_in(name))
        if now < self._ready_at[name]:
            return replace(moved, inputs=InputState.WAITING, bytes_in=0, settled=False, results=None)
        if name in self.failing:
            return replace(moved, inputs=InputState.FAILED, detail=REASON)
        self.ever_ready.add(name)
        return replace(moved, staged=staged(name))

    def _results(self, name: str, now: float) -> Transfer | None:
        if not self.ended(name):
            return None
        if name not in self._settled_at:
            late = self._world.strikes("results_late")
            delay = self._dice.choice((60.0, 90.0, NEVER)) if late else self._dice.uniform(0, 20)
            self._settled_at[name] = now + delay
        if now < self._settled_at[name]:
            return Transfer()
        return Transfer(settled=True, results=results(name), bytes_in=0)

    def wrong_submission(self, name: str, inputs: str) -> str:
        """Returns what is wrong with a submission; "" if it has its inputs, or the job brings none."""
        if name not in self.brings:
            return f"14 {name} got the inputs {inputs}" if inputs else ""
        if name in self.ever_ready and inputs == staged(name):
            return ""
        return f"14 {name} submitted without its inputs, with {inputs!r}"


def staged(name: str) -> str:
    return f"/work/.provd-inputs/{name}"


def bytes_in(name: str) -> int:
    return len(name) * 1_000_003


def results(name: str) -> Results:
    return Results(sha256(name.encode()).hexdigest(), len(name), 4_096)
