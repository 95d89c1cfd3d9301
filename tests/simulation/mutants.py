"""`python -m tests.simulation.mutants`: deliberate wrong versions of the real code, each of which the simulation must catch.

Every mutant is put on in this process by replacing one name of the real code, and taken off again.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from provider_daemon.errors import Transient
from provider_daemon.job import lifecycle, usage
from provider_daemon.job.lifecycle import Job, Submit
from provider_daemon.job.snapshot import Snapshot
from provider_daemon.job.state import TERMINAL, State
from provider_daemon.loops import advance, blame, outbox, reporting
from provider_daemon.ports import TxOutcome
from tests.simulation.schedule import play
from tests.simulation.scheduler import SimulatedScheduler

SEEDS = 1000
LOOK = SimulatedScheduler.snapshot
SIGHTINGS = lifecycle._pick
DECIDE = lifecycle.decide


async def _failed_poll_is_absence(self: Any, watch: Any) -> Snapshot:
    try:
        return await LOOK(self, watch)
    except Transient:
        return Snapshot(self._world.now(), True, {})


async def _incomplete_is_complete(self: Any, watch: Any) -> Snapshot:
    return replace(await LOOK(self, watch), complete=True)


def _known_by_id_only(job: Job, sightings: Any) -> Any:
    return SIGHTINGS(job, sightings) if job.slurm_id else None


def _empty_means_new(job: Job, snapshot: Snapshot) -> Any:
    never_tried = job.intent_at is None and not job.slurm_id and job.program is not None
    return Submit() if never_tried and job.state is job.reported is State.PENDING else DECIDE(job, snapshot)


def _nothing_learned_before_submission(job: Job, snapshot: Snapshot, now: float) -> Job:
    return job if job.intent_at is None and job.reported is State.PENDING else lifecycle.observe(job, snapshot, now)


async def _stored_after_the_send(self: Any) -> None:
    messages = self._ledger.waiting_messages(self._signer.address, self._settings.max_messages)
    draft = await self._draft(messages) if messages else None
    if draft is None:
        return
    tx = self._sign(draft)
    answer = await self._chain.broadcast(tx.tx_bytes)
    if answer.ok:
        with self._ledger.write():
            self._ledger.add_tx(tx, draft.messages)


async def _confirmed_by_check_tx(self: Any) -> None:
    await SEND_NEXT(self)
    if (tx := self._ledger.open_tx(self._signer.address)) is not None:
        self._included(tx, TxOutcome(tx.tx_hash, 1, 0, "", ""))


SEND_NEXT = outbox.Outbox._send_next
START_OUTBOX = outbox.Outbox.__init__


def _never_expires(self: Any, ledger: Any, chain: Any, signer: Any, settings: Any, clock: Any, poke: Any) -> None:
    START_OUTBOX(self, ledger, chain, signer, replace(settings, timeout_blocks=10**9), clock, poke)


def _intend_in_memory(self: Any, orders: Any) -> list[Any]:
    return list(orders.values())


def _straight(reported: State, state: State, *, ran: bool = False) -> tuple[State, ...]:
    return () if reported == state or reported in TERMINAL else (state,)


LEARN = lifecycle._learn


def _last_run_only(runs: Sequence[Any], gpus: int) -> Any:
    return MEASURE(runs[-1:], gpus)


MEASURE = usage.measure


def _end_word_without_record(job: Job, seen: Any, now: float) -> Job:
    ending = seen.phase.value == "ending"
    return replace(job, state=State.COMPLETED, usage=MEASURE((), 0)) if ending else LEARN(job, seen, now)


Changes = tuple[tuple[Any, str, Any], ...]

MUTANTS: dict[str, Changes] = {
    "no waiting window": ((lifecycle, "WAITING_WINDOW", 0),),
    "a failed poll is absence": ((SimulatedScheduler, "snapshot", _failed_poll_is_absence),),
    "an incomplete look is complete": ((SimulatedScheduler, "snapshot", _incomplete_is_complete),),
    "no look-up by name": ((lifecycle, "_pick", _known_by_id_only),),
    "a lost ledger is an empty one": ((advance, "decide", _empty_means_new), (advance, "observe", _nothing_learned_before_submission)),
    "the intent is not durable": ((advance.Advance, "_intend", _intend_in_memory),),
    "no timeout_height": ((outbox.Outbox, "__init__", _never_expires),),
    "a transaction stored after the send": ((outbox.Outbox, "_send_next", _stored_after_the_send),),
    "confirmed by CheckTx": ((outbox.Outbox, "_send_next", _confirmed_by_check_tx),),
    "no way through the states between": ((reporting, "route", _straight),),
    "ended before sacct says so": ((lifecycle, "_learn", _end_word_without_record),),
    "only the last run is billed": ((lifecycle, "measure", _last_run_only),),
    "refused evidence is dropped": ((blame, "ENDED_BY_CHAIN", frozenset()),),
    "late records are not waited for": ((lifecycle, "_asked_for", lambda job, snapshot: True),),
}


@contextmanager
def wearing(name: str) -> Iterator[None]:
    """The real code with one mistake in it."""
    with ExitStack() as stack:
        for place, attribute, wrong in MUTANTS[name]:
            stack.enter_context(patch.object(place, attribute, wrong))
        yield


def hunt(name: str, first: int = 0, seeds: int = SEEDS, play_one: Callable[[int], Any] = play) -> tuple[str, int, str]:
    """The mutant's name, how many seeds it took (0: not caught), and the promise that broke."""
    with wearing(name):
        for number in range(seeds):
            wrongs = play_one(first + number).wrongs
            if wrongs:
                return name, number + 1, wrongs[0]
    return name, 0, ""


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every mutant is caught."""
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument("--only", choices=sorted(MUTANTS), help="this one only")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    asked = parser.parse_args(argv)
    names = [asked.only] if asked.only else list(MUTANTS)
    with ProcessPoolExecutor(2) as pool:
        print(f"{'wrong version':40}{'seeds':>6}  caught by")
        found = []
        for name, seeds, wrong in pool.map(hunt, names, [asked.first] * len(names)):
            print(f"{name:40}{seeds or 'never':>6}  {wrong[:100]}", flush=True)
            found.append((name, seeds, wrong))
    missed = [name for name, seeds, _ in found if not seeds]
    print(f"{len(found) - len(missed)} of {len(found)} caught within {SEEDS} seeds")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
