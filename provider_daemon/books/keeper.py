"""Takes the next step of the books: which jobs were paid since the last note, and what moved otherwise.

The daemon stores each step. A statement takes one more step to the present and stores nothing.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from provider_daemon.chain.accounts import movement_of
from provider_daemon.errors import Unreadable
from provider_daemon.ledger import books, meta
from provider_daemon.ledger.books import BookedJob
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.money.account import Accounted, Movement, Note, Reading, following, opening
from provider_daemon.money.settlement import DENOM
from provider_daemon.ports import Accounts

AT_ONCE = 64  # concurrent queries to the chain
MOST_JOBS = 10_000  # read in one step
ATTEMPTS = 4  # to read accounts and jobs at one moment, while blocks are made
PAUSE_SECONDS = 1.0  # between them: the node's index can be a block behind its state
SOONEST_SECONDS, LATEST_SECONDS = 60.0, 6 * 3600.0  # until an unpaid job is read again
OVERLAP_SECONDS = 3600.0  # closed jobs are searched so far back


@dataclass(frozen=True, slots=True)
class Step:
    """`jobs`: those whose row changes. `searched_to`: all jobs closed before that time were read."""

    jobs: tuple[BookedJob, ...]
    notes: tuple[Note, ...]
    searched_to: float

    @property
    def explained(self) -> bool:
        return all(note.explained for note in self.notes)


class Keeper:
    """`addresses`: of the provider's keys. `fee_denom`: the denomination of transaction fees."""

    def __init__(
        self,
        ledger: Ledger,
        accounts: Accounts,
        clusters: Sequence[str],
        addresses: Sequence[str],
        fee_denom: str,
    ) -> None:
        self._ledger = ledger
        self._accounts = accounts
        self._clusters = clusters
        self._addresses = addresses
        self._denoms = tuple(dict.fromkeys((DENOM, fee_denom)))

    async def step(self, now: float, *, thorough: bool = False) -> Step:
        """Returns the step to `now`. A thorough one reads every open and every unpaid job.

        It is repeated thoroughly while the balances changed meanwhile, or are not explained.
        """
        for attempt in range(ATTEMPTS):
            before = await self._readings(now)
            jobs, searched_to = await self._jobs(now, thorough or attempt > 0)
            after = await self._readings(now)
            step = Step(tuple(jobs), tuple(await self._notes(after, jobs, now)), searched_to)
            unchanged = all(_same(before[address], after[address]) for address in self._addresses)
            if attempt == ATTEMPTS - 1 or (unchanged and step.explained):
                break
            await asyncio.sleep(PAUSE_SECONDS)
        return step

    def store(self, step: Step) -> None:
        with self._ledger.write():
            for booked in step.jobs:
                books.save(self._ledger, booked)
            for note in step.notes:
                books.add_note(self._ledger, note)
            self._ledger.set(meta.BOOKED_TO, step.searched_to)

    # --- accounts ---

    async def _readings(self, now: float) -> dict[str, Reading]:
        return {
            address: await self._accounts.reading(address, self._denoms, now) for address in self._addresses
        }

    async def _notes(
        self, readings: Mapping[str, Reading], jobs: Sequence[BookedJob], now: float
    ) -> list[Note]:
        paid = [booked.job for booked in jobs if booked.booked_at == now]
        notes = []
        for address, reading in readings.items():
            before = books.last_note(self._ledger, address)
            if before is None:
                notes.append(opening(address, reading))
            else:
                notes.append(following(before, reading, await self._moved(before, reading), paid))
        return notes

    async def _moved(self, before: Note, reading: Reading) -> Movement:
        address, first, end = before.address, before.sequence, reading.sequence
        known = books.transactions(self._ledger, address, first, end)
        moved = await self._accounts.incoming(address, before.height, reading.height)
        for sequence in range(first, end):
            moved += await self._transaction(address, sequence, *known.get(sequence, (b"", 0)))
        return moved

    async def _transaction(self, address: str, sequence: int, tx_bytes: bytes, code: int) -> Movement:
        if tx_bytes:
            return movement_of(tx_bytes, code, address)
        return await self._accounts.by_sequence(address, sequence) or Movement(1, missing=1)

    # --- jobs ---

    async def _jobs(self, now: float, thorough: bool) -> tuple[list[BookedJob], float]:
        searched = self._ledger.get(meta.BOOKED_TO)
        fresh = [
            found
            for cluster in self._clusters
            for found in books.unread(self._ledger, cluster, searched, MOST_JOBS)
        ]
        due = books.due(self._ledger, math.inf if thorough else now, MOST_JOBS)
        opened = books.opened_at(self._ledger)
        ending = books.open_jobs(self._ledger, ending=not thorough)
        asked = dict.fromkeys([*ending, *(job_id for job_id, _ in fresh), *due])
        known = books.of(self._ledger, asked)
        wanted = [job_id for job_id in asked if job_id not in known or known[job_id].next_at is not None]
        changed = []
        for job_id, job in zip(wanted, await self._read(wanted), strict=True):
            if job is not None and (job.status or job.ended_at):
                changed.append(booked(job, known.get(job_id), now, opened))
        full = [closed_at for job_id, closed_at in fresh] if len(fresh) >= MOST_JOBS else []
        return changed, max(full, default=max(searched, now - OVERLAP_SECONDS))

    async def _read(self, job_ids: Sequence[str]) -> list[Accounted | None]:
        found: list[Accounted | None] = []
        for start in range(0, len(job_ids), AT_ONCE):
            found += await asyncio.gather(*map(self._one, job_ids[start : start + AT_ONCE]))
        return found

    async def _one(self, job_id: str) -> Accounted | None:
        """Returns None for a record that cannot be read: the reconciliation reports it."""
        try:
            return await self._accounts.accounted(job_id)
        except Unreadable:
            return None


def booked(job: Accounted, before: BookedJob | None, now: float, opened: float | None) -> BookedJob:
    """Returns the job's row. A payment is booked when it is first seen.

    `opened`: when the books were opened, None in their first step: what was paid before that is in the first
    balance already.
    """
    if not job.paid:
        wait = min(LATEST_SECONDS, max(SOONEST_SECONDS, (now - job.ended_at) / 4))
        return BookedJob(job, next_at=now + wait)
    earlier = opened is None or (before is None and 0 < job.settled_at < opened - OVERLAP_SECONDS)
    return BookedJob(job, booked_at=None if earlier else now)


def _same(one: Reading, other: Reading) -> bool:
    return replace(one, height=other.height) == other
