"""Leases: which Unix user of a cluster's pool serves which customer. Pure.

Theory of operation. A site lends a pool of Unix users to provd. Each serves one customer at a time, so that
the site's own permissions keep customers apart. A lease passes through these states:

  CLAIMING     The user is chosen for a customer. The site's lease file is not made yet, so nothing is run.
  LEASED       The site's lease file names the customer: it was made exclusively, and read back.
  RETURNING    The customer has no open job and no results here any more. What is left at the site is looked
               for and deleted.
  QUARANTINED  Nothing was left. The user serves nobody until `free_at`; then the site's lease file is
               removed.
  ENDED        The lease is a record of the past. The user is free.
  FOREIGN      The site's lease file is not this cluster's, or names nobody: the user is never used until the
               file is gone or an operator releases the user.

The lease file outlives the ledger and binds other daemons with the same pool. So its content decides: before
a new lease, and before each submission, the files are read, and `follow` applies them. A customer who comes
back during RETURNING or QUARANTINED gets the same user again, because no other customer had it meanwhile.

A user without an open lease is free. At most one lease of a user is open; the ledger's schema enforces it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from provider_daemon.job.job import Job
from provider_daemon.job.naming import named_job
from provider_daemon.job.site_root import job_of
from provider_daemon.job.state import State

# A command that deletes a user's files, or submits as that user, is over within this time, in seconds. It is
# also the shortest quarantine, and how long a customer who comes back must wait after files were deleted.
COMMAND_SECONDS = 120
MAX_FOREIGN = 200  # characters kept of a lease file that is not ours
_ADDRESS = re.compile(r"[a-z0-9]{1,90}")


class LeaseState(StrEnum):
    """Stored nowhere: it follows from the times of the lease. A label of provd_pool_users."""

    CLAIMING = "claiming"
    LEASED = "leased"
    RETURNING = "returning"
    QUARANTINED = "quarantined"
    FOREIGN = "foreign"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Lease:
    """One lease. Times in seconds since the epoch, None for what has not happened.

    `customer`: the chain address. `confirmed_at`: when the site's lease file was first read back.
    `released_at`: when it began to be returned. `free_at`: when its quarantine is over. `ended_at`: when the
    site's lease file was removed. `held_by`: the content of a lease file that is not ours. `forced`: an
    operator returns it, whatever is left of results.
    """

    cluster_id: str
    user: str
    customer: str
    leased_at: float
    confirmed_at: float | None = None
    released_at: float | None = None
    free_at: float | None = None
    ended_at: float | None = None
    held_by: str = ""
    forced: bool = False
    id: int = 0

    @property
    def state(self) -> LeaseState:
        if self.ended_at is not None:
            return LeaseState.ENDED
        if self.free_at is not None:
            return LeaseState.QUARANTINED
        if self.released_at is not None:
            return LeaseState.RETURNING
        if self.held_by:
            return LeaseState.FOREIGN
        return LeaseState.LEASED if self.confirmed_at is not None else LeaseState.CLAIMING


@dataclass(frozen=True, slots=True)
class Choice:
    """`leases`: new or changed leases, to be stored and claimed. `left`: customers for whom none is free."""

    leases: tuple[Lease, ...]
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remains:
    """What is left of a user at the site: processes on the login node, ids of SLURM jobs in squeue, and names
    directly below its directory.
    """

    processes: int
    jobs: tuple[str, ...]
    entries: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.processes or self.jobs or self.entries)


def owner(chain_id: str, cluster_id: str) -> str:
    """Returns whose leases the files name: daemons of one cluster share them, others must not."""
    return f"{chain_id}/{cluster_id}"


def content(customer: str, owned_by: str) -> str:
    """Returns the line in the lease file of the customer's user."""
    return f"{customer} {owned_by}"


def customer_in(text: str, owned_by: str) -> str:
    """Returns the customer that a lease file of ours names; "" for any other file."""
    customer, _, rest = text.partition(" ")
    return customer if rest == owned_by and _ADDRESS.fullmatch(customer) else ""


def needs_user(job: Job) -> bool:
    """Returns whether the job runs as its customer's user of the pool: it was never submitted.

    A job that was submitted before keeps its user: the shared one, if there was no pool then.
    """
    pending = job.state is State.PENDING and job.reported is State.PENDING and job.program is not None
    held = job.hold or job.parked or job.slurm_id
    return pending and not held and (job.intent_at is None or not job.directory)


def user_of(job: Job, leased: Mapping[str, str]) -> str:
    """Returns the job's user. `leased`: customer -> user, for those who have one now.

    Besides jobs that need one, those follow the lease whose submission the ledger does not know, because it
    was lost.
    """
    if needs_user(job):
        return leased.get(job.spec.customer, "")
    unknown = not (job.user or job.directory or job.never_ran)
    return leased.get(job.spec.customer, "") if unknown else job.user


def of_customer(leases: Iterable[Lease], customer: str) -> Lease | None:
    """Returns the customer's open lease, the oldest if another daemon gave several."""
    mine = [
        lease
        for lease in leases
        if lease.customer == customer and not lease.held_by and lease.ended_at is None
    ]
    return min(mine, key=lambda lease: (lease.leased_at, lease.user), default=None)


def choose(
    pool: Sequence[str], leases: Sequence[Lease], customers: Iterable[str], cluster_id: str, now: float
) -> Choice:
    """Returns the leases for customers with jobs that need a user, in their order.

    A customer with a lease keeps it, or gets it back if it was being returned and no command that deletes
    files can be running any more.
    """
    taken = {lease.user for lease in leases if lease.ended_at is None}
    free = [user for user in pool if user not in taken]
    chosen, left = list[Lease](), list[str]()
    for customer in dict.fromkeys(customers):
        lease = of_customer(leases, customer)
        if lease is None and free:
            chosen.append(Lease(cluster_id, free.pop(0), customer, now))
        elif lease is None:
            left.append(customer)
        elif lease.state in (LeaseState.RETURNING, LeaseState.QUARANTINED) and _can_return(lease, now):
            chosen.append(replace(lease, confirmed_at=None, released_at=None, free_at=None, forced=False))
    return Choice(tuple(chosen), tuple(left))


def _can_return(lease: Lease, now: float) -> bool:
    return lease.free_at is not None or now >= (lease.released_at or 0) + COMMAND_SECONDS


def follow(
    leases: Sequence[Lease], files: Mapping[str, str], owned_by: str, cluster_id: str, now: float
) -> list[Lease]:
    """Returns the leases to store after lease files were read. `files`: user -> content, "" if there is none.

    A file that names another customer, or another cluster, replaces what the ledger has: the site's files
    bind every daemon. A missing file changes nothing except that a foreign lease is over.
    """
    known = {lease.user: lease for lease in leases if lease.ended_at is None}
    changed = list[Lease]()
    for user, text in sorted(files.items()):
        lease, customer = known.get(user), customer_in(text, owned_by)
        if lease is not None and _agrees(lease, text, customer):
            if lease.state is LeaseState.CLAIMING and text:
                changed.append(replace(lease, confirmed_at=now))
            continue
        if lease is not None:
            changed.append(replace(lease, ended_at=now))
        if text:
            held_by = "" if customer else text[:MAX_FOREIGN]
            changed.append(Lease(cluster_id, user, customer, now, confirmed_at=now, held_by=held_by))
    return changed


def _agrees(lease: Lease, text: str, customer: str) -> bool:
    if lease.held_by:
        return text[:MAX_FOREIGN] == lease.held_by
    return not text or customer == lease.customer


def restart_waits(lease: Lease, now: float) -> Lease:
    """Restarts the waiting periods after the clock was set: a quarantine begins again."""
    lease = replace(lease, leased_at=min(lease.leased_at, now))
    return lease if lease.released_at is None else begin_return(lease, now)


def begin_return(lease: Lease, now: float) -> Lease:
    return replace(lease, released_at=now, free_at=None)


def quarantine(lease: Lease, now: float, seconds: float) -> Lease:
    """Returns the lease of a user of whom nothing is left at the site."""
    return replace(lease, free_at=now + max(seconds, COMMAND_SECONDS))


def end(lease: Lease, now: float) -> Lease:
    """Returns the lease after the site's lease file was removed: the user is free."""
    return replace(lease, ended_at=now)


def running(remains: Remains) -> str:
    """Returns what still runs of a user, "" if nothing does."""
    jobs = f"SLURM jobs {', '.join(remains.jobs[:3])}" if remains.jobs else ""
    processes = f"{remains.processes} processes on the login node" if remains.processes else ""
    return " and ".join(filter(None, (jobs, processes)))


def job_names(remains: Remains) -> list[str]:
    """Returns the names of the jobs whose directories are left."""
    return [name for name in map(job_of, remains.entries) if named_job(name)]
