"""Deliberately wrong versions of the real code, each of which the simulation must detect.

Run `python -m tests.simulation.mutants`. Every mutant is applied in this process by replacing names of the
real code (wrong/), and removed again.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from tests.simulation.crowd import play as play_crowd
from tests.simulation.nodes import play as play_nodes
from tests.simulation.pool.schedule import POOL as POOL_FAULTS
from tests.simulation.pool.schedule import PoolSchedule
from tests.simulation.pool.schedule import play as play_pool
from tests.simulation.schedule import play
from tests.simulation.wire.faults import CHAIN as WIRE_CHAIN
from tests.simulation.wire.faults import SLURM as WIRE_SLURM
from tests.simulation.wire.faults import Wire
from tests.simulation.wire.mutants import WIRE_MUTANTS
from tests.simulation.wire.play import play as play_wire
from tests.simulation.world import FAULTS, World
from tests.simulation.wrong import Changes
from tests.simulation.wrong.chain import CHAIN
from tests.simulation.wrong.claims import CLAIMS
from tests.simulation.wrong.crowd import CROWD
from tests.simulation.wrong.data import DATA
from tests.simulation.wrong.memory import MEMORY
from tests.simulation.wrong.names import NAMES
from tests.simulation.wrong.nodes import NODES
from tests.simulation.wrong.pool import POOL
from tests.simulation.wrong.records import RECORDS
from tests.simulation.wrong.sending import SENDING
from tests.simulation.wrong.slurm import SLURM

SEEDS = 1000
# Faults that these mutants meet in every schedule: their errors need two faults that seldom coincide.
WEATHER: dict[str, frozenset[str]] = {
    "a site's problem counts as an attempt": frozenset({"site_takes_nothing"}),
    "a site's problem proves that nothing was queued": frozenset({"site_takes_nothing"}),
    "a site's problem counts as a refusal": frozenset({"site_takes_nothing"}),
    "two pauses wait for each other": frozenset({"site_takes_nothing", "sbatch_full"}),
    "any record is signed": frozenset({"record_implausible"}),
    "inputs that cannot be had are waited for": frozenset({"inputs_fail"}),
    "a lease is not claimed again": frozenset({"other_daemon_returns", "other_daemon_leases"}),
    "unreadable facts count as no inputs": frozenset({"transfers_unreadable"}),
    "late records are not waited for": frozenset({"slurmdbd_away_all_along", "customer_cancel"}),
    "a cancel is not repeated": frozenset({"lost_call", "customer_cancel"}),
    "a lagging index is trusted": frozenset({"tx_at_its_timeout", "index_lag"}),
    "changes without an event are never seen": frozenset({"index_lag", "customer_cancel"}),
    "a sequence without explanation is used": frozenset({"sequence_lie"}),
    "a timeout height is what the endpoint says": frozenset({"height_lie"}),
    "a price has no ceiling": frozenset({"gas_price_lie"}),
    "simulated gas is what the endpoint says": frozenset({"gas_lie"}),
    "a rising price is paid exactly": frozenset({"gas_price_rises"}),
    "a replacement has a sequence of its own": frozenset({"gas_price_rises"}),
    "all records of one id belong to one job": frozenset({"ids_start_again", "gpus_unaccounted"}),
    "a failed node's record counts as final": frozenset(
        {"node_failure_requeue", "slurmdbd_falls_with_a_node"}
    ),
    "followed by id alone": frozenset({"ids_start_again"}),
    "cancelled by name": frozenset({"renames_itself", "customer_cancel"}),
    "whatever lives under the name is ours": frozenset(
        {"name_is_stolen", "sbatch_under_way", "receipts_cut"}
    ),
    "the batch script is not read": frozenset({"renames_itself", "requeue"}),
    "an endpoint that is behind parks a job": frozenset({"lagging_endpoint", "out_of_gas"}),
    "an unreadable record counts as absence": frozenset({"record_unreadable"}),
    "an unreadable record stops the key": frozenset(
        {
            "unreadable_later",
            "customer_cancel",
            "cancel_at_a_point",
            "mempool_drop",
            "tx_at_its_timeout",
            "chain_halt",
        }
    ),
    "the chain is not asked first": frozenset({"ledger_lost", "clock_jump", "sbatch_under_way", "kill"}),
    "a copy is taken for the ledger itself": frozenset({"ledger_restored", "kill_while_submitting"}),
    "a new ledger is not in doubt": frozenset({"ledger_lost", "kill_while_submitting"}),
    "our clock tells what is newer than a doubt": frozenset(
        {"ledger_lost", "kill_while_submitting", "clock_jump"}
    ),
    "no claim": frozenset({"second_daemon"}),
    "the claim comes after the prologue": frozenset({"second_daemon"}),
    "a duplicate counts as an end": frozenset({"second_daemon"}),
    "the exit code of a claim is trusted": frozenset({"exits_like_a_claim"}),
    "the exit codes of a claim are the program's": frozenset({"claim_fails"}),
    "an unreadable claim counts as none": frozenset({"exits_like_a_claim", "claims_unreadable"}),
    "a job that could not be claimed counts as ended": frozenset({"claim_fails"}),
    "the highest claim is the height": frozenset({"lie_height"}),
    "one endpoint's inclusion is trusted": frozenset({"lie_inclusion", "mempool_drop"}),
}
MUTANTS: dict[str, Changes] = {
    **SLURM,
    **NAMES,
    **CHAIN,
    **RECORDS,
    **SENDING,
    **MEMORY,
    **DATA,
    **CLAIMS,
    **POOL,
    **WIRE_MUTANTS,
    **CROWD,
    **NODES,
}


CHOOSE = World._choose
ON_THE_WIRE = {**WIRE_SLURM, **WIRE_CHAIN}


@contextmanager
def wearing(name: str) -> Iterator[None]:
    """Applies the mutant to the real code."""
    with ExitStack() as stack:
        weather = WEATHER.get(name, frozenset())
        stack.enter_context(
            patch.object(World, "_choose", lambda self: sorted({*CHOOSE(self), *(weather & FAULTS.keys())}))
        )
        stack.enter_context(
            patch.object(
                Wire,
                "_always",
                lambda self: {each: ON_THE_WIRE[each] for each in weather & ON_THE_WIRE.keys()},
            )
        )
        stack.enter_context(patch.object(PoolSchedule, "_always", lambda self: weather & POOL_FAULTS.keys()))
        for place, attribute, wrong in MUTANTS[name]:
            stack.enter_context(patch.object(place, attribute, wrong))
        yield


def hunt(
    name: str, first: int = 0, seeds: int = SEEDS, play_one: Callable[[int], Any] | None = None
) -> tuple[str, int, str]:
    """Returns the mutant's name, how many seeds it took (0: not detected), and the broken promise."""
    modes = {
        **dict.fromkeys(WIRE_MUTANTS, play_wire),
        **dict.fromkeys(POOL, play_pool),
        **dict.fromkeys(CROWD, play_crowd),
        **dict.fromkeys(NODES, play_nodes),
    }
    play_one = play_one or modes.get(name, play)
    with wearing(name):
        for number in range(seeds):
            wrongs = play_one(first + number).wrongs
            if wrongs and crashed(wrongs[0]):  # detected, but only because it no longer fits the real code
                return name, 0, wrongs[0]
            if wrongs:
                return name, number + 1, wrongs[0]
    return name, 0, ""


def crashed(wrong: str) -> bool:
    """Reports whether a tick ended because the wrong version itself calls what does not exist."""
    return wrong.startswith("3 ") and any(error in wrong for error in ("AttributeError:", "TypeError:"))


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 if every mutant is detected."""
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument("--only", choices=sorted(MUTANTS), nargs="+", help="these only")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--markdown", action="store_true", help="the table as Markdown")
    asked = parser.parse_args(argv)
    names, line = asked.only or list(MUTANTS), row_of(asked.markdown)
    began = time.monotonic()
    with ProcessPoolExecutor(2) as pool:
        found = []
        print(head_of(asked.markdown), flush=True)
        for name, seeds, wrong in pool.map(hunt, names, [asked.first] * len(names)):
            print(line(name, seeds, wrong), flush=True)
            found.append(seeds)
    print(
        f"\n{sum(map(bool, found))} of {len(found)} caught within {SEEDS} seeds each, "
        f"{time.monotonic() - began:.0f} s"
    )
    return 0 if all(found) else 1


def head_of(markdown: bool) -> str:
    plain = f"{'wrong version':48}{'seeds':>6}  caught by"
    return "| wrong version | seeds | the promise that broke |\n|---|---|---|" if markdown else plain


def row_of(markdown: bool) -> Callable[[str, int, str], str]:
    def plain(name: str, seeds: int, wrong: str) -> str:
        return f"{name:48}{seeds or 'never':>6}  {wrong[:100]}"

    def row(name: str, seeds: int, wrong: str) -> str:
        return f"| {name} | {seeds or 'never'} | {wrong.partition(' ')[0]} |"

    return row if markdown else plain


if __name__ == "__main__":
    sys.exit(main())
