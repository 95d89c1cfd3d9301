"""Escrow, bill and pay-out: nothing is made, nothing is lost, nobody pays twice."""

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2 as t
from provider_daemon.devnet import bank
from provider_daemon.devnet.failures import ChainError
from tests.fakes.chain import ALICE, BOB, PROVIDER, job, report
from tests.unit.devnet.money import held, running
from tests.unit.devnet.pure import Module
from tests.unit.devnet.rules import open_shop

PEOPLE = (PROVIDER, ALICE, BOB)


@pytest.fixture
def module() -> Module:
    return open_shop(Module())


def test_escrow_is_named_on_the_job(module: Module) -> None:
    """max_price leaves the customer with the submission."""
    before = held(module)[ALICE.address]
    module.do(job())
    assert held(module)[ALICE.address] == before - 1_000_000
    assert held(module)[bank.ESCROW_ADDRESS] == 1_000_000
    assert module.record(keyspace.JOB, "JOB-1")["escrow_id"] == "hpc-escrow-JOB-1"


def test_no_money_no_job(module: Module) -> None:
    """A customer who cannot pay the escrow gets code 5 and no job."""
    with pytest.raises(ChainError, match="insufficient funds") as caught:
        module.do(job(max_price=[Coin(denom="uvirt", amount=str(10**15))]))
    assert (caught.value.codespace, caught.value.code) == ("sdk", 5)
    assert not module.raw(keyspace.JOB, "JOB-1")


def test_the_uvirt_left_over_goes_back_to_the_customer(module: Module) -> None:
    """241,100 is 6,027 for the platform and 235,072 for the provider; the last uvirt is refunded."""
    before = held(module)
    running(module, resources=t.JobResources(nodes=1, gpus_per_node=1, gpu_type="a100"))
    used = t.HPCUsageMetrics(
        wall_clock_seconds=3600, cpu_core_seconds=7200, memory_gb_seconds=14400, gpu_seconds=3600,
        storage_gb_hours=1, node_hours=1,
        network_bytes_in=2**30, nodes_used=1,
    )  # fmt: skip
    module.do(report("completed", usage_metrics=used))
    after = held(module)
    assert after[PROVIDER.address] - before[PROVIDER.address] == 235_072
    assert after[bank.PLATFORM_ADDRESS] == 6_027
    assert before[ALICE.address] - after[ALICE.address] == 235_072 + 6_027
    assert after[bank.ESCROW_ADDRESS] == 0


def test_records_of_a_settled_job(module: Module) -> None:
    """Accounting with the bill, reward with its recipients and the hash of what was calculated."""
    running(module)
    used = t.HPCUsageMetrics(
        wall_clock_seconds=3600, cpu_core_seconds=7200, memory_gb_seconds=14400, node_hours=1, nodes_used=1
    )
    module.do(report("completed", usage_metrics=used))
    accounting = module.record(keyspace.JOB_ACCOUNTING, "JOB-1")
    assert accounting["settlement_status"] == "settled"
    assert accounting["job_completion_status"] == "completed"
    assert accounting["total_cost"] == [{"denom": "uvirt", "amount": "90000"}]
    reward = module.record(keyspace.REWARD, "hpc-reward-JOB-1")
    assert [(paid["recipient_type"], paid["amount"][0]["amount"]) for paid in reward["recipients"]] == [
        ("platform", "2250"),
        ("provider", "87750"),
    ]
    assert len(reward["calculation_details"]["input_metrics"]["calculation_hash"]) == 64


@pytest.mark.parametrize("state", ["failed", "cancelled", "timeout"])
def test_what_was_used_is_billed_however_it_ended(module: Module, state: str) -> None:
    """Failed, cancelled and timed-out jobs pay for their usage."""
    running(module)
    module.do(
        report(
            state,
            usage_metrics=t.HPCUsageMetrics(wall_clock_seconds=3600, cpu_core_seconds=36_000, nodes_used=1),
        )
    )
    assert held(module)[PROVIDER.address] - 10**12 == 97_500


def test_never_more_than_was_escrowed(module: Module) -> None:
    """A bill over max_price is cut to it."""
    running(module, max_price=[Coin(denom="uvirt", amount="20000")])
    module.do(
        report(
            "completed",
            usage_metrics=t.HPCUsageMetrics(wall_clock_seconds=3600, cpu_core_seconds=10**9, nodes_used=1),
        )
    )
    assert held(module)[PROVIDER.address] - 10**12 == 19_500
    assert held(module)[bank.PLATFORM_ADDRESS] == 500


def test_cancel_before_it_ran_is_free(module: Module) -> None:
    """The whole escrow goes back and no reward is recorded."""
    before = held(module)
    module.do(job(), report("queued"))
    module.do(tx_pb2.MsgCancelJob(requester_address=ALICE.address, job_id="JOB-1"))
    assert held(module)[ALICE.address] == before[ALICE.address]
    assert not module.raw(keyspace.REWARD, "hpc-reward-JOB-1")


def test_cancel_while_it_ran_is_billed_to_the_cancel(module: Module) -> None:
    """Half an hour of 8 cores, 4 GB and 2 nodes that were asked for: 40,000 + 10,000 + 50,000."""
    running(
        module,
        resources=t.JobResources(nodes=2, cpu_cores_per_node=4, memory_gb_per_node=2),
        max_runtime_seconds=3600,
    )
    module.time += 1800 * 10**9
    module.do(tx_pb2.MsgCancelJob(requester_address=ALICE.address, job_id="JOB-1"))
    assert held(module)[PROVIDER.address] - 10**12 == 97_500
    assert held(module)[bank.PLATFORM_ADDRESS] == 2_500


def test_the_chains_own_time_out_is_billed_to_the_limit(module: Module) -> None:
    """600 s of 36 cores and a sixth of a node-hour, 60,000 + 8,333; a later report is refused, and pays
    nobody."""
    running(module, resources=t.JobResources(nodes=1, cpu_cores_per_node=36))
    module.later(601)
    assert module.record(keyspace.JOB, "JOB-1")["state"] == "timeout"
    paid = held(module)
    assert paid[PROVIDER.address] - 10**12 == 66_624
    with pytest.raises(ChainError, match="invalid job state transition"):
        module.do(
            report(
                "timeout",
                usage_metrics=t.HPCUsageMetrics(wall_clock_seconds=600, cpu_core_seconds=10**6, nodes_used=1),
            )
        )
    assert held(module) == paid


def test_other_denoms_come_back_whole(module: Module) -> None:
    """Only uvirt is billed; whatever else was escrowed is refunded."""
    before = held(module, "uve")[ALICE.address]
    running(module, max_price=[Coin(denom="uve", amount="500"), Coin(denom="uvirt", amount="50000")])
    assert held(module, "uve")[ALICE.address] == before - 500
    module.do(
        report(
            "completed",
            usage_metrics=t.HPCUsageMetrics(wall_clock_seconds=60, cpu_core_seconds=60, nodes_used=1),
        )
    )
    assert held(module, "uve")[ALICE.address] == before


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["submit", "queued", "running", "completed", "failed", "timeout", "cancelled", "cancel", "wait"]
        ),
        st.integers(min_value=1, max_value=4),
        st.integers(min_value=0, max_value=10**7),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_money_is_conserved(steps: list[tuple[str, int, int]]) -> None:
    """After any messages in any order the total stands, and the escrow holds exactly what the unfinished jobs
    put there."""
    module = open_shop(Module())
    total = sum(held(module).values())
    for step in steps:
        _try(module, *step)
        assert sum(held(module).values()) == total
        assert held(module).get(bank.ESCROW_ADDRESS, 0) == sum(_unfinished(module))


def _try(module: Module, step: str, number: int, amount: int) -> None:
    if step == "wait":
        module.later(amount % 900)
        return
    message = {
        "submit": job(max_price=[Coin(denom="uvirt", amount=str(amount))]),
        "cancel": tx_pb2.MsgCancelJob(requester_address=ALICE.address, job_id=f"JOB-{number}"),
    }.get(step)
    used = t.HPCUsageMetrics(
        wall_clock_seconds=amount % 5000, cpu_core_seconds=amount, memory_gb_seconds=amount, nodes_used=1
    )
    with contextlib.suppress(ChainError):
        module.do(message or report(step, f"JOB-{number}", usage_metrics=used))


def _unfinished(module: Module) -> Iterator[int]:
    for number in range(1, 40):
        if module.raw(keyspace.JOB, f"JOB-{number}"):
            record = module.record(keyspace.JOB, f"JOB-{number}")
            if record["state"] in ("pending", "queued", "running"):
                yield sum(int(coin["amount"]) for coin in record["agreed_price"])
