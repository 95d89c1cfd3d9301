"""Leases: a Unix user of the pool never serves two customers, whatever daemons, ledgers and files do."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from provider_daemon.job import leases
from provider_daemon.job.leases import COMMAND_SECONDS, Lease, LeaseState
from provider_daemon.job.state import State
from tests.unit.job.jobs import JOB

POOL = ("u1", "u2")
ONE = ("u1",)
IDS = count(1)
OURS = leases.owner("test-1", "HPC-1")
QUARANTINE = 3600.0


def lease(user: str = "u1", customer: str = "ve1a", **values: Any) -> Lease:
    return replace(Lease("HPC-1", user, customer, 100.0, confirmed_at=100.0), **values)


def chosen(known: list[Lease], *customers: str, now: float = 200.0) -> tuple[dict[str, str], tuple[str, ...]]:
    choice = leases.choose(POOL, known, customers, "HPC-1", now)
    return {each.customer: each.user for each in choice.leases}, choice.left


def test_each_customer_gets_a_user_of_his_own() -> None:
    """In the order of their jobs; who finds none waits, and a customer with several jobs has one user."""
    assert chosen([], "ve1a", "ve1b", "ve1a", "ve1c") == ({"ve1a": "u1", "ve1b": "u2"}, ("ve1c",))
    assert chosen([lease()], "ve1b", "ve1a") == ({"ve1b": "u2"}, ())


@pytest.mark.parametrize(
    "times",
    [
        {"confirmed_at": None},
        {},
        {"released_at": 150.0},
        {"released_at": 150.0, "free_at": 199.0},
        {"held_by": "somebody else's", "customer": ""},
    ],
    ids=lambda times: str(replace(lease(), **times).state),
)
def test_a_user_is_free_only_when_its_lease_has_ended(times: Mapping[str, Any]) -> None:
    """Also while it is claimed, returned, in quarantine, or held by a lease file of others."""
    known = [lease("u1", **times), lease("u2", "ve1b")]
    assert chosen(known, "ve1c") == ({}, ("ve1c",))
    assert chosen([replace(known[0], ended_at=200.0), known[1]], "ve1c") == ({"ve1c": "u1"}, ())


def test_a_customer_who_comes_back_gets_the_same_user() -> None:
    """From quarantine at once; while files are deleted not before the command must be over."""
    returning = lease(released_at=150.0)
    assert chosen([returning], "ve1a", now=150.0 + COMMAND_SECONDS - 1) == ({}, ())
    assert chosen([returning], "ve1a", now=150.0 + COMMAND_SECONDS) == ({"ve1a": "u1"}, ())
    (again,) = leases.choose(POOL, [lease(released_at=1.0, free_at=9e9)], ["ve1a"], "HPC-1", 200.0).leases
    assert (again.state, again.user) == (LeaseState.CLAIMING, "u1")


def test_the_sites_file_decides() -> None:
    """It confirms a claim, replaces a lease that it contradicts, and brings back leases of a lost ledger."""
    claiming, file = lease(confirmed_at=None), leases.content("ve1a", OURS)
    assert leases.follow([claiming], {"u1": file}, OURS, "HPC-1", 300.0) == [
        replace(claiming, confirmed_at=300.0)
    ]
    assert leases.follow([claiming], {"u1": ""}, OURS, "HPC-1", 300.0) == []
    other = leases.content("ve1b", OURS)
    assert leases.follow([claiming], {"u1": other}, OURS, "HPC-1", 300.0) == [
        replace(claiming, ended_at=300.0),
        Lease("HPC-1", "u1", "ve1b", 300.0, confirmed_at=300.0),
    ]
    assert leases.follow([], {"u1": file}, OURS, "HPC-1", 300.0) == [
        Lease("HPC-1", "u1", "ve1a", 300.0, confirmed_at=300.0)
    ]


@pytest.mark.parametrize(
    "text", ["ve1a", "ve1a other-1/HPC-1", "VE1A test-1/HPC-1", " test-1/HPC-1", "x" * 999]
)
def test_a_file_that_is_not_ours_blocks_its_user(text: str) -> None:
    """Another chain's or cluster's, or one that names nobody: until it is gone."""
    (found,) = leases.follow([], {"u1": text}, OURS, "HPC-1", 300.0)
    assert (found.state, found.customer, len(found.held_by) <= leases.MAX_FOREIGN) == (
        LeaseState.FOREIGN,
        "",
        True,
    )
    assert leases.follow([found], {"u1": text}, OURS, "HPC-1", 301.0) == []
    assert leases.follow([found], {"u1": ""}, OURS, "HPC-1", 302.0) == [replace(found, ended_at=302.0)]


def test_which_jobs_need_a_user() -> None:
    """Those that may be submitted now; not one that was submitted without a user before there was a pool."""
    assert leases.needs_user(JOB)
    assert leases.needs_user(replace(JOB, user="u1"))  # another one, if the site gave that one away
    assert leases.needs_user(replace(JOB, directory="/work/x.00000000"))  # deferred: nothing was queued
    assert not leases.needs_user(replace(JOB, slurm_id="7"))
    assert not leases.needs_user(replace(JOB, intent_at=1.0, directory="/work/x.00000000"))
    assert not leases.needs_user(replace(JOB, reported=State.CANCELLED))
    assert leases.needs_user(replace(JOB, intent_at=1.0))  # the ledger was lost, and doubts the job


def test_which_user_a_job_has() -> None:
    """Its customer's, until it is submitted. One whose submission a lost ledger had follows the lease too."""
    mine = {JOB.spec.customer: "u1"}
    assert leases.user_of(JOB, mine) == "u1"
    assert leases.user_of(replace(JOB, user="u2"), mine) == "u1"
    assert leases.user_of(replace(JOB, user="u2"), {}) == ""
    lost = replace(JOB, state=State.RUNNING, reported=State.RUNNING, slurm_id="7")
    assert (leases.user_of(lost, mine), leases.needs_user(lost)) == ("u1", False)
    assert leases.user_of(replace(lost, directory="/work/x.00000000"), mine) == ""
    assert leases.user_of(replace(lost, user="u2"), mine) == "u2"


@dataclass
class Daemon:
    """One daemon with its ledger. `serves`: user -> customer of its open jobs."""

    known: list[Lease] = field(default_factory=list)
    serves: dict[str, str] = field(default_factory=dict)

    def store(self, changed: list[Lease]) -> None:
        for new in changed:
            self.known = [old for old in self.known if old.id != new.id or not new.id]
            self.known.append(
                new if new.id else replace(new, id=len(self.known) + 1000 * (1 + self._count()))
            )

    def _count(self) -> int:
        Daemon.made += 1
        return Daemon.made

    made = 0


class Pool(RuleBasedStateMachine):
    """Two daemons with a ledger each, one Unix user at the site, two customers."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.files: dict[str, tuple[str, float]] = {}  # user -> content, time of the last claim
        self.daemons = [Daemon(), Daemon()]
        self.last: dict[str, tuple[str, float]] = {}  # user -> customer, until when it was served

    def open(self, daemon: Daemon) -> list[Lease]:
        return [each for each in daemon.known if each.ended_at is None]

    def read(self, daemon: Daemon, users: Mapping[str, str]) -> None:
        daemon.store(leases.follow(self.open(daemon), users, OURS, "HPC-1", self.now))

    @rule(number=st.integers(0, 1), customer=st.sampled_from(["ve1a", "ve1b"]), lost=st.booleans())
    def submit(self, number: int, customer: str, lost: bool) -> None:
        daemon = self.daemons[number]
        self.read(daemon, {user: self.files.get(user, ("", 0))[0] for user in ONE})
        choice = leases.choose(ONE, self.open(daemon), [customer], "HPC-1", self.now)
        daemon.store(list(choice.leases))
        mine = leases.of_customer(self.open(daemon), customer)
        if mine is None or mine.released_at is not None:
            return
        wanted = leases.content(customer, OURS)
        found, _ = self.files.setdefault(mine.user, (wanted, self.now))
        if found == wanted:
            self.files[mine.user] = (found, self.now)
        if lost:
            return
        self.read(daemon, {mine.user: found})
        mine = leases.of_customer(self.open(daemon), customer)
        if mine is not None and mine.state is LeaseState.LEASED and found == wanted:
            self.serve(daemon, mine.user, customer)

    def serve(self, daemon: Daemon, user: str, customer: str) -> None:
        before, until = self.last.get(user, (customer, 0.0))
        assert before == customer or self.now >= until + QUARANTINE, f"{user}: {before}, then {customer}"
        assert all(other.serves.get(user, customer) == customer for other in self.daemons)
        daemon.serves[user] = customer
        self.last[user] = customer, self.now

    @rule(number=st.integers(0, 1), user=st.sampled_from(ONE))
    def job_ends(self, number: int, user: str) -> None:
        """Both daemons follow the same jobs on chain."""
        if user in self.daemons[number].serves:
            self.last[user] = self.daemons[number].serves[user], self.now
        for daemon in self.daemons:
            daemon.serves.pop(user, None)

    @rule(number=st.integers(0, 1), clean=st.booleans())
    def give_back(self, number: int, clean: bool) -> None:
        daemon = self.daemons[number]
        for each in self.open(daemon):
            busy = any(each.user in other.serves for other in self.daemons)
            if each.state is LeaseState.LEASED and not busy:
                returning = leases.begin_return(each, self.now)
                daemon.store([leases.quarantine(returning, self.now, QUARANTINE) if clean else returning])
            elif each.state is LeaseState.RETURNING and not busy:
                daemon.store([leases.quarantine(each, self.now, QUARANTINE)])
            elif each.free_at is not None and self.now >= each.free_at and not busy:
                found, claimed_at = self.files.get(each.user, ("", 0.0))
                if found == leases.content(each.customer, OURS) and self.now - claimed_at < QUARANTINE:
                    continue
                if found == leases.content(each.customer, OURS):
                    del self.files[each.user]
                daemon.store([leases.end(each, self.now)])

    @rule(seconds=st.sampled_from([COMMAND_SECONDS, QUARANTINE / 2, QUARANTINE]))
    def time_passes(self, seconds: float) -> None:
        for daemon in self.daemons:
            for user, customer in daemon.serves.items():
                self.last[user] = customer, self.now + seconds
        self.now += seconds

    @precondition(lambda self: any(daemon.known for daemon in self.daemons))
    @rule(number=st.integers(0, 1))
    def ledger_is_lost(self, number: int) -> None:
        self.daemons[number].known = []

    @invariant()
    def a_ledger_has_one_open_lease_of_a_user(self) -> None:
        for daemon in self.daemons:
            users = [each.user for each in self.open(daemon)]
            assert len(users) == len(set(users))


def test_another_daemons_use_lasts_as_long_as_ones_own() -> None:
    """A daemon that returns a user does not give it away while another one's customer was just there."""
    pool = Pool()
    pool.submit(0, "ve1a", False)
    pool.job_ends(0, "u1")
    pool.give_back(0, True)
    pool.time_passes(QUARANTINE / 2)
    pool.submit(1, "ve1a", False)
    pool.job_ends(1, "u1")
    pool.time_passes(QUARANTINE / 2)
    pool.give_back(0, True)
    pool.submit(0, "ve1b", False)
    assert pool.daemons[0].serves == {}
    pool.time_passes(QUARANTINE / 2)
    pool.give_back(0, True)
    pool.submit(0, "ve1b", False)
    assert pool.daemons[0].serves == {"u1": "ve1b"}


TestPool = Pool.TestCase
TestPool.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
