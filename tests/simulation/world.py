"""What every part of a simulated schedule shares.

That is virtual time, the seed's dice, the faults that they select, and the timeline.
"""

import asyncio
import heapq
import random
import selectors
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

# seconds since the epoch at the first moment of every schedule
START = 2_000_000_000.0

# Fault -> its maximum chance at each point where it can occur. Each schedule has some of them, at its own
# share of that chance.
MACHINE: dict[str, float] = {
    "kill": 0.03,
    "kill_at_commit": 0.04,
    "kill_in_transaction": 0.01,
    "kill_while_submitting": 0.6,
    "kill_while_sending": 0.2,
    "full_disk": 0.02,
    "clock_jump": 0.5,
    "ledger_lost": 0.3,
    "ledger_restored": 0.7,
    "operator_unparks": 0.5,
    "second_daemon": 1.0,
}
WAY: dict[str, float] = {  # to SLURM and to the chain
    "lost_call": 0.15,
    "lost_answer": 0.15,
    "late_answer": 0.10,
    "duplicated_call": 0.10,
}
SLURM: dict[str, float] = {
    "slurm_down": 0.02,
    "squeue_down": 0.10,
    "sacct_down": 0.25,
    "record_unreadable": 0.05,  # one row of squeue or sacct; shared by both modes
    "slurmdbd_lag": 0.8,
    "slurmdbd_falls_with_a_node": 0.8,
    "slurmdbd_away_all_along": 0.3,
    "record_purged": 0.25,
    "ids_start_again": 1.0,
    "sbatch_under_way": 0.4,
    "sbatch_refused": 0.06,
    "sbatch_full": 0.2,
    "site_takes_nothing": 0.6,
    "receipts_cut": 0.2,
    "requeue": 0.3,
    "node_failure": 0.2,
    "node_failure_requeue": 0.6,
    "record_never_closed": 0.1,
    "preempted": 0.1,
    "suspended": 0.3,
    "unknown_state": 0.2,
    "hopeless_reason": 0.3,
    "never_starts": 0.15,
    "outlives_limit": 0.2,
    "gpus_unaccounted": 0.5,
    "resized": 0.4,
    "record_repeated": 0.5,
    "record_implausible": 0.2,
    "renames_itself": 1.0,
    "takes_anothers_name": 1.0,
    "name_is_stolen": 0.4,
    "name_is_guessed": 0.4,
    "exits_like_a_claim": 0.4,
    "claim_fails": 0.3,
    "claims_unreadable": 0.3,
}
DATA: dict[str, float] = {  # of the data mover, as far as the daemon sees it
    "inputs_fail": 0.3,
    "transfers_unreadable": 0.05,
    "transfers_lost": 0.02,
    "results_late": 0.4,
}
CHAIN: dict[str, float] = {
    "customer_cancel": 0.5,
    "cancel_at_a_point": 0.004,
    "chain_halt": 0.01,
    "empty_wallet": 0.01,
    "foreign_tx": 0.10,
    "mempool_drop": 0.05,
    "tx_delivered_late": 0.3,
    "tx_delivered_twice": 0.3,
    "tx_at_its_timeout": 0.5,
    "out_of_gas": 0.15,
    "fee_too_low": 0.1,
    "rate_limited": 0.1,
    "strangers": 0.02,
    "gas_price_rises": 0.02,
    "gas_price_lie": 0.05,
    "gas_lie": 0.05,
    "sequence_lie": 0.05,
    "height_lie": 0.05,
    "index_lag": 0.6,
    "index_down": 0.1,
    "lagging_endpoint": 0.2,
    "stuck_endpoint": 0.02,
    "young_record_missing": 0.3,
    "unreadable_record": 0.2,
    "unreadable_later": 0.2,
    "altered_for_a_moment": 0.2,
    "invented_record": 0.2,
}
SITE = {**SLURM, **MACHINE}
FAULTS = {**MACHINE, **WAY, **SLURM, **CHAIN, **DATA}


class Killed(BaseException):
    """The process is killed at this instant; nothing of it continues."""


class Silent(selectors.SelectSelector):
    """A selector in which no file ever becomes ready: nothing real is awaited."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer as soon as nothing else can run."""

    def __init__(self) -> None:
        super().__init__(Silent())
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
    """The shared state.

    `calm_at`: the second (since START) from which no new fault occurs. `deeds` counts what happened by kind.
    `trouble_until`: the second until which something that was broken before the calm stays broken.
    """

    seed: int
    loop: VirtualLoop
    timeline: list[str] = field(default_factory=list)
    deeds: Counter[str] = field(default_factory=Counter)
    wrongs: list[str] = field(default_factory=list)
    clock_is_off: float = 0.0  # seconds by which the clock of the daemon's machine is wrong
    disk_full_until: float = 0.0
    cancel_some_job: Callable[[], None] = lambda: None
    two_daemons: bool = False  # at some moment a second daemon had a ledger of its own
    memory_lost: bool = False  # at some moment the ledger was lost or replaced with an older copy
    end_was_reported: Callable[[str], bool] = lambda name: False

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.calm_at = self.dice.uniform(60, 500)
        self.trouble_until = self.calm_at
        chosen = self._choose()
        self.chances = {fault: FAULTS[fault] * self.dice.uniform(0.2, 1) for fault in chosen}

    def _choose(self) -> list[str]:
        """Chooses some faults of everything, or many of one room.

        Where two faults of a room must coincide, they do often enough.
        """
        room = self.dice.choice((FAULTS, FAULTS, FAULTS, SITE | DATA, SITE, CHAIN | MACHINE))
        most = len(room) * 3 // 4 if room is FAULTS else len(room)
        return self.dice.sample(sorted(room), self.dice.randint(3, most))

    def now(self) -> float:
        return START + self.loop.time()

    def machine_clock(self) -> float:
        """Returns the current time of the daemon's machine."""
        return self.now() + self.clock_is_off

    @property
    def calm(self) -> bool:
        return self.loop.time() >= self.calm_at

    def strikes(self, fault: str) -> bool:
        """Reports whether this fault happens here. Always false once the schedule is calm."""
        chance = self.chances.get(fault)
        if chance is None or self.loop.time() >= self.calm_at or self.dice.random() >= chance:
            return False
        self.deeds[fault] += 1
        return True

    def broken_for(self, least: float, most: float) -> float:
        """Returns how long something stays broken, in seconds; the moment of its repair is stored."""
        seconds = self.dice.uniform(least, most)
        self.trouble_until = max(self.trouble_until, self.loop.time() + seconds)
        return seconds

    def note(self, text: str) -> None:
        self.timeline.append(f"{self.loop.time():8.1f}  {text}")

    def wrong(self, text: str) -> None:
        """Records a broken invariant."""
        self.wrongs.append(text)
        self.note(f"VIOLATION {text}")

    def later(self, seconds: float, deed: Callable[[], object]) -> None:
        self.loop.call_later(seconds, deed)
