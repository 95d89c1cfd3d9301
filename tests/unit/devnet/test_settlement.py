"""Accounting over time: its delays, what disputes stop, release and correct."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2 as t
from provider_daemon.devnet import bank, settlement
from provider_daemon.devnet.failures import ChainError
from tests.fakes.chain import ALICE, PROVIDER, job, report
from tests.unit.devnet.money import DAY, HOUR, USED, dispute, earned, held, opened, ran, resolve, slow, status
from tests.unit.devnet.pure import Module


def test_pending_then_finalized_then_settled() -> None:
    """An hour and a day after the job's end; the escrow holds the money until then."""
    module = slow()
    ran(module)
    assert (status(module), earned(module), held(module)[bank.ESCROW_ADDRESS]) == ("pending", 0, 1_000_000)
    module.later(HOUR - 1)
    assert status(module) == "pending"
    module.later(1)
    assert (status(module), earned(module)) == ("finalized", 0)
    finalized = module.record(keyspace.JOB_ACCOUNTING, "JOB-1")["finalized_at"]
    module.later(DAY - HOUR - 1)
    assert (status(module), earned(module)) == ("finalized", 0)
    module.later(1)
    assert (status(module), earned(module), held(module)[bank.ESCROW_ADDRESS]) == ("settled", 97_500, 0)
    accounting = module.record(keyspace.JOB_ACCOUNTING, "JOB-1")
    assert (accounting["finalized_at"], accounting["settlement_id"]) == (finalized, "hpc-settlement-JOB-1")
    module.later(10 * DAY)
    assert earned(module) == 97_500


def test_a_dispute_stops_the_settlement_until_it_is_rejected() -> None:
    """For as long as a dispute may take; then it goes on as it was."""
    module = slow()
    ran(module)
    module.later(HOUR)
    opened_id = dispute(module)
    assert status(module) == "disputed"
    module.later(6 * DAY)
    assert (status(module), earned(module)) == ("disputed", 0)
    resolve(module, opened_id, upheld=False)
    assert (status(module), earned(module)) == ("settled", 97_500)


def test_a_dispute_that_is_over_early_waits_for_the_settlements_time() -> None:
    module = slow()
    ran(module)
    module.later(HOUR)
    resolve(module, dispute(module), upheld=False)
    assert (status(module), earned(module)) == ("finalized", 0)
    module.later(DAY - HOUR)
    assert status(module) == "settled"


@pytest.mark.parametrize("moment", ["running", "pending"])
def test_a_dispute_from_before_it_was_finalized(moment: str) -> None:
    """Opened while the job ran, or before its accounting was finalized: it is disputed as soon as it is
    final."""
    module = slow()
    if moment == "running":
        module.do(job(), report("queued"), report("running"))
        opened_id = dispute(module)
        module.do(report("completed", usage_metrics=USED))
    else:
        ran(module)
        opened_id = dispute(module)
    assert status(module) == "pending"
    module.later(HOUR)
    assert status(module) == "disputed"
    resolve(module, opened_id, upheld=False)
    module.later(DAY)
    assert earned(module) == 97_500


def test_without_delays_an_open_dispute_still_stops_it() -> None:
    module = opened()
    module.do(job(), report("queued"), report("running"))
    opened_id = dispute(module)
    module.do(report("completed", usage_metrics=USED))
    assert (status(module), earned(module)) == ("disputed", 0)
    resolve(module, opened_id, upheld=True)
    assert (status(module), earned(module)) == ("settled", 97_500)


def test_the_last_of_several_disputes_releases() -> None:
    module = slow()
    ran(module)
    module.later(HOUR)
    first, second = dispute(module), dispute(module, 4, disputer_address=PROVIDER.address)
    module.later(DAY)
    resolve(module, first, upheld=False)
    assert (status(module), earned(module)) == ("disputed", 0)
    resolve(module, second, upheld=False)
    assert (status(module), earned(module)) == ("settled", 97_500)


def test_a_resolution_with_usage_corrects_the_bill() -> None:
    """Billed again on the resolved usage and settled at once; the reward points at the original by its
    hash."""
    module = slow()
    ran(module)
    module.later(HOUR)
    before = module.record(keyspace.JOB_ACCOUNTING, "JOB-1")
    resolve(
        module,
        dispute(module),
        upheld=True,
        resolution=json.dumps({"wall_clock_seconds": "3600", "cpu_core_seconds": 2 * HOUR}),
    )
    after = module.record(keyspace.JOB_ACCOUNTING, "JOB-1")
    assert (status(module), earned(module)) == ("settled", 19_500)
    assert (before["total_cost"][0]["amount"], after["total_cost"][0]["amount"]) == ("100000", "20000")
    assert (after["usage_metrics"]["cpu_core_seconds"], after["created_at"]) == (
        2 * HOUR,
        before["created_at"],
    )
    inputs = module.record(keyspace.REWARD, "hpc-reward-JOB-1")["calculation_details"]["input_metrics"]
    assert len(inputs["corrected_from"]) == 64
    assert inputs["corrected_from"] != inputs["calculation_hash"]
    assert sum(held(module).values()) == 3 * 10**12


def test_corrected_to_nothing() -> None:
    """The whole escrow goes back; the reward of nothing keeps the pointer."""
    module = slow()
    ran(module)
    module.later(HOUR)
    resolve(module, dispute(module), upheld=True, resolution="{}")
    assert (earned(module), held(module)[ALICE.address]) == (0, 10**12)
    assert module.record(keyspace.REWARD, "hpc-reward-JOB-1")["recipients"] == []


def test_a_correction_stays_within_the_escrow() -> None:
    module = slow()
    ran(module, max_price=[t.HPCJob().agreed_price.add(denom="uvirt", amount="150000")])
    module.later(HOUR)
    resolve(
        module,
        dispute(module),
        upheld=True,
        resolution=json.dumps({"wall_clock_seconds": HOUR, "cpu_core_seconds": 10**9}),
    )
    assert earned(module) == 146_250


def test_a_resolution_that_is_no_usage() -> None:
    """A JSON object that cannot be usage is refused whole: the dispute stays open. Words, and numbers, are no
    objects."""
    module = slow()
    ran(module)
    module.later(HOUR)
    opened_id = dispute(module)
    with pytest.raises(
        ChainError, match=r"the resolution of hpc-dispute-2 is no usage: usage: cores: .*: invalid dispute"
    ):
        resolve(module, opened_id, upheld=True, resolution='{"cores": 1}')
    assert (status(module), module.record(keyspace.DISPUTE, opened_id)["status"]) == ("disputed", "pending")
    module.later(DAY)
    resolve(module, opened_id, upheld=True, resolution="42")
    assert earned(module) == 97_500


def test_rejected_with_usage_corrects_nothing() -> None:
    module = slow()
    ran(module)
    module.later(DAY - 1)
    resolve(module, dispute(module), upheld=False, resolution='{"cpu_core_seconds": 1}')
    module.later(1)
    assert earned(module) == 97_500


def test_a_dispute_on_a_settled_job_marks_its_reward() -> None:
    """The money is gone; the mark goes when the dispute is over."""
    module = opened()
    ran(module)
    opened_id = dispute(module)
    reward = module.record(keyspace.REWARD, "hpc-reward-JOB-1")
    assert (status(module), reward["disputed"], reward["dispute_id"]) == ("settled", True, opened_id)
    resolve(module, opened_id, upheld=True, resolution='{"cpu_core_seconds": 1}')
    assert (module.record(keyspace.REWARD, "hpc-reward-JOB-1")["disputed"], earned(module)) == (False, 97_500)


def test_a_dispute_about_another_jobs_reward_marks_nothing() -> None:
    module = opened()
    ran(module)
    ran(module, "JOB-2")
    dispute(module, reward_id="hpc-reward-JOB-2")
    assert [module.record(keyspace.REWARD, f"hpc-reward-JOB-{number}")["disputed"] for number in (1, 2)] == [
        False,
        False,
    ]


def test_index_finds_again_what_waits() -> None:
    """After an import the store beside the records is made anew: one waits to be finalized, one to be
    settled, one for its dispute."""
    module = slow()
    ran(module)
    ran(module, "JOB-2")
    module.later(HOUR)
    dispute(module)
    ran(module, "JOB-3")
    before = dict(module.state.scan(settlement.UNSETTLED, b""))
    for key in before:
        module.state.delete(settlement.UNSETTLED, key)
    settlement.index(module.context())
    assert dict(module.state.scan(settlement.UNSETTLED, b"")) == before
    module.later(DAY)
    assert [status(module, f"JOB-{number}") for number in (1, 2, 3)] == ["disputed", "settled", "settled"]


def test_nothing_is_accounted_for_twice() -> None:
    """An accounting that is there already is never made again."""
    module = opened()
    ran(module)
    ctx = module.context()
    again = ctx.load(t.HPCJob, keyspace.JOB, "JOB-1")
    assert again is not None
    settlement.settle_usage(ctx, again, USED)
    assert earned(module) == 97_500


def test_a_job_without_a_price_is_accounted_for() -> None:
    """Its use is recorded; nothing was put in, so nothing is paid."""
    module = opened()
    ran(module, max_price=[])
    accounting = module.record(keyspace.JOB_ACCOUNTING, "JOB-1")
    assert (status(module), accounting["total_cost"], accounting["usage_metrics"]["cpu_core_seconds"]) == (
        "settled",
        [],
        10 * HOUR,
    )
    assert (earned(module), module.raw(keyspace.REWARD, "hpc-reward-JOB-1")) == (0, b"")


def test_on_the_published_chain_nothing_happens() -> None:
    module = opened(settlement="published")
    ran(module)
    dispute(module)
    assert not module.raw(keyspace.JOB_ACCOUNTING, "JOB-1")
    assert held(module)[ALICE.address] == 10**12


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["run", "dispute", "reject", "uphold", "correct", "cancel", "wait"]),
        st.integers(1, 4),
        st.integers(0, 10**6),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_money_is_conserved_whatever_is_disputed(steps: list[tuple[str, int, int]]) -> None:
    """The total stands, the escrow holds exactly what the jobs put in that are not settled, and a settled job
    never changes again."""
    module = slow()
    total, disputes = sum(held(module).values()), 0
    final: dict[str, Any] = {}
    for step, number, amount in steps:
        try:
            disputes = _take(module, step, number, amount, disputes)
        except ChainError:
            continue
        assert sum(held(module).values()) == total
        waiting = [job_id for job_id in _jobs(module) if not _settled(module, job_id)]
        assert held(module).get(bank.ESCROW_ADDRESS, 0) == 1_000_000 * len(waiting)
        for job_id in set(_jobs(module)) - set(waiting):
            money = module.record(keyspace.JOB_ACCOUNTING, job_id)["total_cost"]
            assert final.setdefault(job_id, money) == money


def _take(module: Module, step: str, number: int, amount: int, disputes: int) -> int:
    """One step; the number of disputes after it."""
    job_id = f"JOB-{number}"
    if step == "run":
        used = t.HPCUsageMetrics(wall_clock_seconds=60, cpu_core_seconds=amount, nodes_used=1)
        ran(module, f"JOB-{len(_jobs(module)) + 1}", used)
    elif step == "cancel":
        module.do(job(), report("queued", f"JOB-{len(_jobs(module)) + 1}"))
        module.do(tx_pb2.MsgCancelJob(requester_address=ALICE.address, job_id=f"JOB-{len(_jobs(module))}"))
    elif step == "dispute":
        dispute(module, job_id=job_id)
        return disputes + 1
    elif step == "wait":
        module.later(amount % (2 * DAY))
    else:
        words = (
            json.dumps({"wall_clock_seconds": 60, "cpu_core_seconds": amount})
            if step == "correct"
            else "words"
        )
        resolve(
            module, f"hpc-dispute-{2 * (amount % (disputes + 1))}", upheld=step != "reject", resolution=words
        )
    return disputes


def _jobs(module: Module) -> list[str]:
    return [f"JOB-{number}" for number in range(1, 40) if module.raw(keyspace.JOB, f"JOB-{number}")]


def _settled(module: Module, job_id: str) -> bool:
    return bool(module.raw(keyspace.JOB_ACCOUNTING, job_id)) and status(module, job_id) == "settled"
