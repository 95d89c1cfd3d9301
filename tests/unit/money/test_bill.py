"""Usage -> bill, in whole uvirt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.usage import Usage
from provider_daemon.money.bill import Bill, bill
from provider_daemon.money.rates import Rates
from provider_daemon.money.rules import DEFAULT

HOUR = 3600


def usage(**changes: int) -> Usage:
    return Usage(**{"wall_clock_seconds": HOUR, "nodes_used": 1, **changes})  # type: ignore[arg-type]


MIXED = usage(
    cpu_core_seconds=2 * HOUR, memory_gb_seconds=4 * HOUR, gpu_seconds=HOUR, storage_gb_hours=1, network_bytes_in=2**30, node_hours=1
)


@pytest.mark.parametrize(
    ("used", "gpu_type", "component", "amount"),
    [
        (usage(cpu_core_seconds=HOUR), "", "cpu", 10_000),
        (usage(memory_gb_seconds=HOUR), "", "memory", 5_000),
        (usage(gpu_seconds=HOUR), "", "gpu", 100_000),
        (usage(gpu_seconds=HOUR), "v100", "gpu", 100_000),
        (usage(gpu_seconds=HOUR), "a100", "gpu", 150_000),
        (usage(gpu_seconds=HOUR), "nvidia-a100", "gpu", 150_000),
        (usage(storage_gb_hours=3), "", "storage", 300),
        (usage(network_bytes_in=2**29, network_bytes_out=2**29), "", "network", 1_000),
        (usage(network_bytes_in=2**20), "", "network", 0),
        (usage(node_hours=2), "", "node", 100_000),
    ],
)
def test_rates(used: Usage, gpu_type: str, component: str, amount: int) -> None:
    """Each component at its own rate; a type's rate replaces the base rate, it is not added to it."""
    assert getattr(bill(used, gpu_type), component) == amount


def test_all_components_and_shares() -> None:
    """Components are truncated one by one, then summed, then shared out by 250 and 9,750 basis points."""
    assert bill(MIXED, "a100") == Bill(
        cpu=20_000, memory=20_000, gpu=150_000, storage=100, network=1_000, node=50_000,
        subtotal=241_100, total=241_100, platform_fee=6_027, provider_reward=235_072,
    )  # fmt: skip


def test_truncation_leaves_one_uvirt_over() -> None:
    """241,100 is shared as 6,027 and 235,072: the uvirt left over is nobody's share, and goes back with the rest of the escrow."""
    cost = bill(MIXED, "a100")
    assert cost.total - cost.platform_fee - cost.provider_reward == 1


def test_components_are_truncated_singly() -> None:
    """2.7 and 1.3 uvirt are 2 and 1: three, not four."""
    assert bill(Usage(wall_clock_seconds=60, cpu_core_seconds=1, memory_gb_seconds=1)).subtotal == 2 + 1


@pytest.mark.parametrize(("wall", "billed"), [(1, 60), (59, 60), (60, 60), (61, 120), (3601, 3660)])
def test_time_is_billed_in_steps_of_a_minute(wall: int, billed: int) -> None:
    """A job on 36 cores pays for whole minutes."""
    assert bill(Usage(wall_clock_seconds=wall, cpu_core_seconds=36 * wall)).cpu == 36 * billed * 10_000 // HOUR


def test_minimum_charge() -> None:
    """A second on one core costs 10,000."""
    cost = bill(Usage(wall_clock_seconds=1, cpu_core_seconds=1, nodes_used=1))
    assert (cost.subtotal, cost.total, cost.platform_fee, cost.provider_reward) == (166, DEFAULT.minimum_charge, 250, 9_750)


def test_a_job_that_never_ran_owes_nothing() -> None:
    """Not even the minimum charge."""
    assert bill(Usage()) == Bill()


def test_never_more_than_the_escrow() -> None:
    """The ceiling holds against the minimum charge too."""
    assert bill(usage(cpu_core_seconds=HOUR), ceiling=7_000).total == 7_000


def test_gpu_types() -> None:
    """Upper case and vendor prefixes do not matter; a type without a rate of its own has the base rate."""
    assert [Rates().gpu(name) for name in ("A100", "nvidia-a100", "h100", "")] == [150_000, 150_000, 100_000, 100_000]


amounts = st.integers(min_value=0, max_value=10**9)


@given(wall=st.integers(min_value=1, max_value=10**7), cpu=amounts, memory=amounts, gpu=amounts, nodes=amounts, ceiling=amounts)
def test_shares_never_exceed_the_bill(wall: int, cpu: int, memory: int, gpu: int, nodes: int, ceiling: int) -> None:
    """Fee and reward together are the total or one less, and the total is under the ceiling."""
    used = Usage(wall_clock_seconds=wall, cpu_core_seconds=cpu, memory_gb_seconds=memory, gpu_seconds=gpu, node_hours=nodes)
    cost = bill(used, "a100", ceiling)
    assert 0 <= cost.total - cost.platform_fee - cost.provider_reward <= 1
    assert cost.total <= ceiling
    assert cost.subtotal == cost.cpu + cost.memory + cost.gpu + cost.storage + cost.network + cost.node
