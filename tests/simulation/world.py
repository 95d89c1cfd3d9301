"""What every part of a simulated schedule shares: virtual time, the seed's dice, the faults that they throw, and the timeline."""

import asyncio
import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

START = 2_000_000_000.0  # seconds since the epoch at the first moment of every schedule

# Fault -> the highest chance at one point where it can strike. Each schedule takes some of them, at its own share of that chance.
FAULTS: dict[str, float] = {
    "kill": 0.03,
    "kill_at_commit": 0.04,
    "lost_call": 0.15,
    "lost_answer": 0.15,
    "late_answer": 0.10,
    "sbatch_under_way": 0.4,
    "sbatch_refused": 0.05,
    "sbatch_full": 0.10,
    "sacct_down": 0.25,
    "slurmdbd_lag": 0.5,
    "record_purged": 0.05,
    "requeue": 0.3,
    "node_failure": 0.2,
    "hopeless_reason": 0.3,
    "never_starts": 0.15,
    "customer_cancel": 0.5,
    "outlives_limit": 0.2,
    "tx_delivered_late": 0.3,
    "tx_delivered_twice": 0.3,
    "mempool_drop": 0.05,
    "foreign_tx": 0.10,
    "out_of_gas": 0.15,
    "chain_halt": 0.01,
    "empty_wallet": 0.01,
    "index_lag": 0.3,
    "index_down": 0.1,
    "young_record_missing": 0.3,
    "lost_ledger": 0.10,
    "slurm_down": 0.02,
}


class Killed(BaseException):
    """The process is gone at this instant; nothing of it runs on."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer as soon as nothing else can run."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual = 0.0

    def time(self) -> float:
        return self._virtual

    def _run_once(self) -> None:
        scheduled = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._cancelled:
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
            heapq.heappop(scheduled)._scheduled = False
        if not self._ready:  # type: ignore[attr-defined]
            assert scheduled, "the schedule waits for something that never comes"
            self._virtual = max(self._virtual, scheduled[0]._when)
        super()._run_once()  # type: ignore[misc]


@dataclass
class World:
    """`calm_at`: the second (since START) from which no new fault is thrown. `deeds` counts what happened by kind."""

    seed: int
    loop: VirtualLoop
    timeline: list[str] = field(default_factory=list)
    deeds: Counter[str] = field(default_factory=Counter)
    wrongs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.calm_at = self.dice.uniform(60, 500)
        chosen = self.dice.sample(sorted(FAULTS), self.dice.randint(2, len(FAULTS) - 6))
        self.chances = {fault: FAULTS[fault] * self.dice.uniform(0.2, 1) for fault in chosen}

    def now(self) -> float:
        return START + self.loop.time()

    @property
    def calm(self) -> bool:
        return self.loop.time() >= self.calm_at

    def strikes(self, fault: str) -> bool:
        """Whether this fault happens here. Always false once the schedule is calm."""
        if self.calm or fault not in self.chances or self.dice.random() >= self.chances[fault]:
            return False
        self.deeds[fault] += 1
        return True

    def note(self, text: str) -> None:
        self.timeline.append(f"{self.loop.time():8.1f}  {text}")

    def wrong(self, text: str) -> None:
        """An invariant is broken."""
        self.wrongs.append(text)
        self.note(f"VIOLATION {text}")

    def later(self, seconds: float, deed: Callable[[], object]) -> None:
        self.loop.call_later(seconds, deed)
