"""Which jobs hold one of max_jobs' slots, and who gets the next one."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.lifecycle import WAITING_WINDOW, holds_slot
from provider_daemon.job.parking import Parked, ParkReason
from provider_daemon.job.snapshot import Phase
from provider_daemon.job.state import State
from provider_daemon.job.turns import in_turn
from provider_daemon.job.usage import Usage
from tests.unit.job.jobs import EMPTY, JOB, NOW, ended, look, seen

SENT = replace(JOB, slurm_id="7", intent_at=NOW - 100)
PARKED = replace(SENT, parked=Parked(ParkReason.MISSING, ""))


def test_a_parked_job_holds_a_slot_while_its_slurm_job_is_alive() -> None:
    """And none once that is over, or when there is none: two parked jobs would keep everybody out
    otherwise."""
    for phase in (Phase.WAITING, Phase.RUNNING, Phase.ENDING, Phase.UNKNOWN):
        assert holds_slot(PARKED, look(seen(phase)))
    assert not holds_slot(PARKED, look(ended(State.COMPLETED)))
    assert not holds_slot(PARKED, look(seen(Phase.ENDING, overdue=True)))
    assert not holds_slot(PARKED, EMPTY)
    assert not holds_slot(PARKED, look(replace(seen(Phase.RUNNING), slurm_id="8")))


def test_a_parked_job_whose_submission_may_be_under_way() -> None:
    """Its sbatch can still run within the waiting window."""
    job = replace(JOB, parked=Parked(ParkReason.MISSING, ""), intent_at=NOW - WAITING_WINDOW + 1)
    assert holds_slot(job, EMPTY)
    assert not holds_slot(replace(job, intent_at=NOW - WAITING_WINDOW), EMPTY)


def test_other_jobs() -> None:
    """From the intent to the measured end, seen or not."""
    assert holds_slot(SENT, EMPTY)
    assert holds_slot(replace(JOB, intent_at=NOW), EMPTY)
    assert not holds_slot(JOB, EMPTY)
    assert not holds_slot(replace(SENT, usage=Usage()), EMPTY)


CUSTOMERS = st.sampled_from("abcd")
WAITING = st.lists(CUSTOMERS, max_size=30)


def turns(waiting: list[str], active: list[str]) -> list[tuple[str, int]]:
    return in_turn([(customer, (customer, age)) for age, customer in enumerate(waiting)], active)


def test_one_customers_many_jobs() -> None:
    """25 jobs of one customer delay another's first one by one slot at most, when two slots are taken
    already."""
    assert turns(["a"] * 25 + ["b"], ["a", "a"])[0] == ("b", 25)
    assert [customer for customer, _ in turns(["a"] * 5 + ["b"] * 2, [])] == [
        "a",
        "b",
        "a",
        "b",
        "a",
        "a",
        "a",
    ]


@given(WAITING, st.lists(CUSTOMERS, max_size=10))
def test_everybody_once_and_each_in_order(waiting: list[str], active: list[str]) -> None:
    """Nothing is lost or doubled, a customer's jobs keep their order, and the same input gives the same
    order."""
    order = turns(waiting, active)
    assert sorted(order, key=lambda item: item[1]) == [
        (customer, age) for age, customer in enumerate(waiting)
    ]
    for customer in "abcd":
        ages = [age for each, age in order if each == customer]
        assert ages == sorted(ages)
    assert order == turns(waiting, active)


@given(WAITING, st.lists(CUSTOMERS, max_size=10))
def test_nobody_is_ahead_by_more_than_one(waiting: list[str], active: list[str]) -> None:
    """Whoever is served has no more jobs, active and served before, than anybody who still waits."""
    held = {customer: active.count(customer) for customer in "abcd"}
    left = {customer: waiting.count(customer) for customer in "abcd"}
    for customer, _ in turns(waiting, active):
        assert held[customer] == min(held[each] for each in "abcd" if left[each])
        held[customer] += 1
        left[customer] -= 1
