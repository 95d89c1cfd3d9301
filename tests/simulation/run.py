"""Runs the simulation.

`python -m tests.simulation.run --n 10000` plays fresh seeds in two processes; `--seed N` replays one with its
timeline. `--wire`, `--pool`, `--crowd` and `--nodes` select the other modes: the real adapters, a Unix user
for each customer, one customer who floods the provider, and compute nodes with agents.
"""

import argparse
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from tests.simulation.agents import AGENTS
from tests.simulation.crowd import play as play_crowd
from tests.simulation.nodes import play as play_nodes
from tests.simulation.pool import schedule as pool
from tests.simulation.pool.schedule import play as play_pool
from tests.simulation.schedule import Result, play
from tests.simulation.wire.faults import CHAIN, SLURM
from tests.simulation.wire.play import play as play_wire
from tests.simulation.world import FAULTS


@dataclass(frozen=True)
class Mode:
    """A mode of the simulation.

    It has the border between real and simulated, the command that replays a seed, and faults of its own.
    """

    play: Callable[[int], Result]
    replay: str
    faults: frozenset[str]


PORTS = Mode(play, "make simulate SEED=", frozenset(FAULTS))
CROWD = Mode(play_crowd, "make simulate MODE=crowd SEED=", frozenset())
NODES = Mode(play_nodes, "make simulate MODE=nodes SEED=", frozenset(AGENTS))
WIRE = Mode(play_wire, "make simulate MODE=wire SEED=", frozenset({*SLURM, *CHAIN}))
POOL = Mode(play_pool, "make simulate MODE=pool SEED=", frozenset({*pool.POOL}))
PROCESSES = 2
# schedules in which every kind of fault must have occurred: one that cannot occur proves nothing
MANY = 1000
SHOWN = 5  # failing seeds whose timeline is printed


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 if no promise broke."""
    parser = argparse.ArgumentParser(prog="simulate", description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="how many schedules (1000)")
    parser.add_argument("--seed", type=int, help="replay this one and print its timeline")
    parser.add_argument("--first", type=int, help="the first of the seeds (fresh each time)")
    parser.add_argument(
        "--wire", action="store_true", help="the second mode: the real adapters under the schedule too"
    )
    parser.add_argument("--pool", action="store_true", help="the third mode: customers with a Unix user each")
    parser.add_argument("--crowd", action="store_true", help="the fourth mode: one customer floods another")
    parser.add_argument("--nodes", action="store_true", help="the fifth mode: compute nodes with agents")
    asked = parser.parse_args(argv)
    modes = {"wire": WIRE, "pool": POOL, "crowd": CROWD, "nodes": NODES}
    mode = next((mode for name, mode in modes.items() if getattr(asked, name)), PORTS)
    if asked.seed is not None:
        return _show(mode, mode.play(asked.seed))
    first = asked.first if asked.first is not None else secrets.randbelow(10**9)
    print(f"seeds {first} to {first + asked.n - 1}")
    return _many(mode, range(first, first + asked.n))


def _many(mode: Mode, seeds: Sequence[int]) -> int:
    began = time.monotonic()
    with ProcessPoolExecutor(PROCESSES) as pool:
        deeds, bad = tally(pool.map(mode.play, seeds, chunksize=20))
    for result in bad[:SHOWN]:
        _show(mode, result)
    kills = sum(count for fault, count in deeds.items() if fault.startswith("kill"))
    idle = never_struck(mode, deeds) if len(seeds) >= MANY else []
    print("\n".join(f"{fault:26}{count:>9}" for fault, count in sorted(deeds.items())))
    print(
        f"schedules {len(seeds)}  kills {kills}  faults {sum(deeds.values())}  violations {len(bad)}  "
        f"{time.monotonic() - began:.0f} s"
    )
    if bad:
        print("replay: " + "  ".join(f"{mode.replay}{result.seed}" for result in bad[:20]))
    if idle:
        print("never struck, so nothing is proven of it: " + ", ".join(idle))
    return 1 if bad or idle else 0


def never_struck(mode: Mode, deeds: Counter[str]) -> list[str]:
    return sorted(fault for fault in mode.faults if not deeds[fault])


def tally(results: Iterable[Result]) -> tuple[Counter[str], list[Result]]:
    """Counts what happened in all schedules, and collects those in which a promise broke."""
    deeds: Counter[str] = Counter()
    bad: list[Result] = []
    for result in results:
        deeds += result.deeds
        if result.wrongs:
            bad.append(result)
    return deeds, bad


def _show(mode: Mode, result: Result) -> int:
    print(f"--- seed {result.seed} ---", *result.timeline, sep="\n")
    print(*(f"VIOLATION {line}" for line in result.wrongs), sep="\n")
    print(f"seed {result.seed}: {len(result.wrongs)} violations; replay: {mode.replay}{result.seed}")
    return 1 if result.wrongs else 0


if __name__ == "__main__":
    sys.exit(main())
