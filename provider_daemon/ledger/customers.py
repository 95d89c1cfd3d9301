"""What the ledger has of each customer: recent admissions, and the jobs that were left on chain.

Job numbers that are not in the ledger yet are stored as ranges, so that 100,000 jobs of one customer are one
row. Functions that write run inside `with ledger.write():`.
"""

from dataclasses import dataclass
from itertools import chain, islice

from provider_daemon.job.customer_limits import DAY, MINUTE, History, core_seconds
from provider_daemon.job.job import Job
from provider_daemon.job.state import State
from provider_daemon.ledger.ledger import Ledger

UNREAD = ""  # in place of the customer of numbers that intake has not read
FEW = 20  # customers shown


@dataclass(frozen=True, slots=True)
class HeldCustomer:
    """A customer with jobs left on chain. `reason` is a Limit; `since` is when the oldest was left there."""

    cluster_id: str
    customer: str
    reason: str
    jobs: int
    since: float


@dataclass(frozen=True, slots=True)
class HeldJobs:
    """The jobs left on chain for one reason, '' of those that were not read yet."""

    reason: str
    jobs: int
    customers: int
    since: float


@dataclass(frozen=True, slots=True)
class _Range:
    first: int
    last: int
    cluster_id: str
    customer: str
    reason: str
    since: float


# --- what was taken ---


def history(ledger: Ledger, cluster_id: str, customer: str, now: float) -> History:
    found = ledger._all(
        "count_admissions", cluster_id=cluster_id, customer=customer, minute=now - MINUTE, day=now - DAY
    )[0]
    waiting = ledger._all("count_waiting_jobs", cluster_id=cluster_id, customer=customer)[0]["jobs"]
    return History(waiting, found["taken"], found["refused"], found["core_seconds"])


def admit(ledger: Ledger, job: Job, now: float) -> None:
    """Counts a job that was just taken, or refused, against its customer's limits."""
    refused = job.state is State.FAILED
    ledger._run(
        "add_admission",
        job_id=job.spec.job_id,
        cluster_id=job.spec.cluster_id,
        customer=job.spec.customer,
        at=now,
        refused=int(refused),
        core_seconds=0 if refused else core_seconds(job.spec),
    )


def used(ledger: Ledger, job: Job) -> None:
    """Replaces what the ended job asked for by what it used."""
    seconds = job.usage.cpu_core_seconds if job.usage else 0
    ledger._run("set_core_seconds", job_id=job.spec.job_id, core_seconds=seconds)


def prune(ledger: Ledger, now: float) -> None:
    ledger._run("prune_admissions", before=now - DAY)


# --- what was left on chain ---


def leave_unread(ledger: Ledger, first: int, last: int, now: float) -> None:
    _add(ledger, _Range(first, last, "", UNREAD, "", now))


def postpone(ledger: Ledger, number: int, cluster_id: str, customer: str, reason: str, now: float) -> None:
    """Leaves a job on chain. Numbers that follow each other share a row."""
    found = _around(ledger, number)
    if found is not None and found.last >= number:
        if found.customer == customer and found.cluster_id == cluster_id:
            return
        settle(ledger, number)
        found = _around(ledger, number)
    same = found is not None and (found.customer, found.cluster_id) == (customer, cluster_id)
    if found is not None and same and found.last == number - 1:
        ledger._run("set_postponed_last", first=found.first, last=number)
    else:
        _add(ledger, _Range(number, number, cluster_id, customer, reason, now))


def settle(ledger: Ledger, number: int) -> None:
    """Removes a number from the range that has it, if any."""
    found = _around(ledger, number)
    if found is None or found.last < number:
        return
    if found.first == number:
        ledger._run("delete_postponed", first=number)
    else:
        ledger._run("set_postponed_last", first=found.first, last=number - 1)
    if found.last > number:
        rest = _Range(number + 1, found.last, found.cluster_id, found.customer, found.reason, found.since)
        _add(ledger, rest)


def forget_from(ledger: Ledger, number: int) -> None:
    """Removes `number` and all numbers above it."""
    found = _around(ledger, number)
    ledger._run("delete_postponed_from", number=number)
    if found is not None and found.first < number <= found.last:
        ledger._run("set_postponed_last", first=found.first, last=number - 1)


def oldest(ledger: Ledger, cluster_id: str, customer: str, count: int) -> list[int]:
    """Returns the customer's lowest `count` numbers; with UNREAD and cluster "", the unread ones."""
    rows = ledger._all("oldest_postponed", cluster_id=cluster_id, customer=customer, count=count)
    return [*islice(chain.from_iterable(range(row["first"], row["last"] + 1) for row in rows), count)]


def older(ledger: Ledger, cluster_id: str, customer: str, number: int) -> HeldCustomer | None:
    """Returns why an older job of the customer is left on chain, or None if there is none below `number`."""
    first = oldest(ledger, cluster_id, customer, 1)
    return holder(ledger, first[0]) if first and first[0] < number else None


def any_held(ledger: Ledger, cluster_id: str) -> bool:
    return ledger._one("any_held", cluster_id=cluster_id) is not None


def set_reason(ledger: Ledger, cluster_id: str, customer: str, reason: str) -> None:
    ledger._run("set_postponed_reason", cluster_id=cluster_id, customer=customer, reason=reason)


def held_after(ledger: Ledger, customer: str, cluster_id: str, count: int) -> list[tuple[str, str]]:
    """Returns the next `count` (customer, cluster id) with jobs left on chain, in order."""
    rows = ledger._all("held_customers", customer=customer, cluster_id=cluster_id, count=count)
    return [(row["customer"], row["cluster_id"]) for row in rows]


def held(ledger: Ledger) -> tuple[HeldCustomer, ...]:
    """Returns the customers with the most jobs left on chain. Unread jobs are one of them."""
    return tuple(HeldCustomer(**dict(row)) for row in ledger._all("held_sums", count=FEW))


def held_by_reason(ledger: Ledger) -> tuple[HeldJobs, ...]:
    return tuple(HeldJobs(**dict(row)) for row in ledger._all("postponed_by_reason"))


def holder(ledger: Ledger, number: int) -> HeldCustomer | None:
    """Returns why the job of that number was left on chain, or None if it was not."""
    found = _around(ledger, number)
    if found is None or found.last < number:
        return None
    return HeldCustomer(found.cluster_id, found.customer, found.reason, 1, found.since)


def _around(ledger: Ledger, number: int) -> _Range | None:
    """Returns the range with the highest first number that is not above `number`."""
    row = ledger._one("postponed_around", number=number)
    return _Range(**dict(row)) if row else None


def _add(ledger: Ledger, added: _Range) -> None:
    ledger._run(
        "add_postponed",
        first=added.first,
        last=added.last,
        cluster_id=added.cluster_id,
        customer=added.customer,
        reason=added.reason,
        since=added.since,
    )
