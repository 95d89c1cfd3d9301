"""Usage -> bill, in whole uvirt."""

from dataclasses import Field, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.usage import Usage
from provider_daemon.money.bill import Bill, bill
from provider_daemon.money.caps import Cap, CapType
from provider_daemon.money.discounts import Discount, DiscountType, Reduction
from provider_daemon.money.fixed import ONE
from provider_daemon.money.purchase import Past, Purchase
from provider_daemon.money.quantities import Asked, node_hours_seen, use_of
from provider_daemon.money.rates import Component, Rates
from provider_daemon.money.rules import DEFAULT, QueueCredit, Rules

HOUR = 3600


def usage(**changes: int) -> Usage:
    return Usage(**{"wall_clock_seconds": HOUR, "nodes_used": 1, **changes})  # type: ignore[arg-type]


MIXED = usage(
    cpu_core_seconds=2 * HOUR,
    memory_gb_seconds=4 * HOUR,
    gpu_seconds=HOUR,
    storage_gb_hours=1,
    network_bytes_in=2**30,
    node_hours=1,
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
    """241,100 is shared as 6,027 and 235,072: the uvirt left over is nobody's share, and goes back with the
    rest of the escrow."""
    cost = bill(MIXED, "a100")
    assert cost.total - cost.platform_fee - cost.provider_reward == 1


def test_components_are_truncated_singly() -> None:
    """2.7 and 1.3 uvirt are 2 and 1: three, not four."""
    assert bill(Usage(wall_clock_seconds=60, cpu_core_seconds=1, memory_gb_seconds=1)).subtotal == 2 + 1


@pytest.mark.parametrize(("wall", "billed"), [(1, 60), (59, 60), (60, 60), (61, 120), (3601, 3660)])
def test_time_is_billed_in_steps_of_a_minute(wall: int, billed: int) -> None:
    """A job on 36 cores pays for whole minutes."""
    assert (
        bill(Usage(wall_clock_seconds=wall, cpu_core_seconds=36 * wall)).cpu == 36 * billed * 10_000 // HOUR
    )


def test_minimum_charge() -> None:
    """A second on one core costs 10,000."""
    cost = bill(Usage(wall_clock_seconds=1, cpu_core_seconds=1, nodes_used=1))
    assert (cost.subtotal, cost.total, cost.platform_fee, cost.provider_reward) == (
        166,
        DEFAULT.minimum_charge,
        250,
        9_750,
    )


def test_a_job_that_never_ran_owes_nothing() -> None:
    """Not even the minimum charge."""
    assert bill(Usage()) == Bill()


def test_never_more_than_the_escrow() -> None:
    """The ceiling holds against the minimum charge too."""
    assert bill(usage(cpu_core_seconds=HOUR), ceiling=7_000).total == 7_000


@pytest.mark.parametrize(
    "used", [Usage(network_bytes_in=1), Usage(nodes_used=1), Usage(wall_clock_seconds=1)]
)
def test_whoever_used_anything_pays_the_minimum(used: Usage) -> None:
    """However little it was."""
    assert bill(used).total == 10_000


def test_decimal_node_hours_alone_are_use() -> None:
    assert bill(Usage(), node_hours=ONE).node == 50_000
    assert bill(Usage(), node_hours=0) == Bill()


def test_the_worked_job() -> None:
    """4 cores, 8 GB, an A100, a node, an hour, 10 GB-hours of storage, 2 GB of network."""
    used = Usage(HOUR, 4 * HOUR, 8 * HOUR, HOUR, 10, 2**30, 2**30, 1, 1)
    assert bill(used, "a100") == Bill(
        cpu=40_000, memory=40_000, gpu=150_000, storage=1_000, network=2_000, node=50_000,
        subtotal=283_000, total=283_000, platform_fee=7_075, provider_reward=275_925,
    )  # fmt: skip


# --- the order of what is taken off and put on ---

TENTH = Discount("d", DiscountType.BUNDLE, 1_000, name="a tenth")
CREDIT = QueueCredit(basis_points_a_minute=10)
HOUR_OF_TEN = usage(cpu_core_seconds=10 * HOUR)  # 100,000


def test_discounts_then_credit_then_caps() -> None:
    """The credit is of the subtotal; the cap sees what both leave."""
    rules = Rules(
        discounts=(TENTH,), queue_credit=CREDIT, caps=(Cap("c", CapType.PER_JOB, 60_000, name="each"),)
    )
    cost = bill(HOUR_OF_TEN, rules=rules, purchase=Purchase(queued_seconds=HOUR + 100 * 60))
    assert (cost.subtotal, cost.discounts) == (100_000, (Reduction("d", "a tenth", "bundle", 10_000),))
    assert (cost.queue_credit, cost.caps) == (10_000, (Reduction("c", "each", "per_job", 20_000),))
    assert (cost.total, cost.platform_fee, cost.provider_reward) == (60_000, 1_500, 58_500)


def test_the_credit_takes_no_more_than_is_left() -> None:
    rules = Rules(
        discounts=(Discount("d", DiscountType.BUNDLE, 9_000),), queue_credit=CREDIT, minimum_charge=0
    )
    cost = bill(HOUR_OF_TEN, rules=rules, purchase=Purchase(queued_seconds=10**6))
    assert (cost.queue_credit, cost.total) == (10_000, 0)


def test_the_minimum_comes_after_the_caps() -> None:
    """A period that is spent bounds what is billed for use; the minimum charge is added all the same."""
    cost = bill(HOUR_OF_TEN, rules=Rules(caps=(Cap("c", CapType.TOTAL, 4_000),)))
    assert (cost.caps[0].amount, cost.minimum_topup, cost.total) == (96_000, 6_000, 10_000)


def test_the_escrow_comes_last() -> None:
    cost = bill(HOUR_OF_TEN, ceiling=40_000)
    assert (cost.over_escrow, cost.total, cost.provider_reward) == (60_000, 40_000, 39_000)
    assert bill(HOUR_OF_TEN, ceiling=100_000).over_escrow == bill(HOUR_OF_TEN).over_escrow == 0
    assert bill(HOUR_OF_TEN, ceiling=0).total == 0


def test_node_operators_have_a_share_where_the_rules_say_so() -> None:
    """The older split: 5%, 80%, 15%."""
    cost = bill(
        HOUR_OF_TEN, rules=Rules(platform_fee_bps=500, provider_reward_bps=8_000, node_reward_bps=1_500)
    )
    assert (cost.platform_fee, cost.provider_reward, cost.node_reward, cost.remainder) == (
        5_000,
        80_000,
        15_000,
        0,
    )


def test_rates_and_steps_are_the_rules() -> None:
    rules = Rules(rates=Rates(cpu_core_hour=20_000 * ONE), granularity_seconds=HOUR)
    assert bill(Usage(wall_clock_seconds=1, cpu_core_seconds=1), rules=rules).cpu == 20_000


# --- whatever the usage and the rules ---

amounts = st.integers(min_value=0, max_value=10**9)
usages = st.builds(Usage, st.integers(min_value=1, max_value=10**7), *[amounts] * 8)
components = st.lists(st.sampled_from(list(Component)), max_size=3).map(tuple)
points = st.integers(min_value=0, max_value=10_000)
discount_rules = st.builds(
    Discount,
    rule_id=st.sampled_from("abc"),
    type=st.sampled_from(DiscountType),
    basis_points=points,
    threshold_value=st.integers(min_value=0, max_value=3).map(lambda hours: hours * ONE),
    applies_to=components,
    code=st.sampled_from(["", "A"]),
    max_uses_per_customer=st.integers(min_value=0, max_value=2),
)
cap_rules = st.builds(Cap, st.just("c"), st.sampled_from(CapType), amounts, per_cluster=st.booleans())
all_rules = st.builds(
    Rules,
    discounts=st.lists(discount_rules, max_size=4).map(tuple),
    queue_credit=st.builds(QueueCredit, points),
    caps=st.lists(cap_rules, max_size=3).map(tuple),
    minimum_charge=amounts,
    node_reward_bps=st.just(0),
)
pasts = st.builds(
    Past,
    amounts,
    st.sampled_from(["", "HPC-1"]),
    st.builds(Usage, amounts, amounts),
    amounts,
    st.just(("a",)),
)
purchases = st.builds(
    Purchase,
    ended_at=amounts,
    queued_seconds=amounts,
    codes=st.sampled_from([frozenset(), {"A"}]),
    past=st.lists(pasts, max_size=3).map(tuple),
)


@given(usages, all_rules, purchases, st.none() | amounts)
def test_the_bill_adds_up(used: Usage, rules: Rules, purchase: Purchase, ceiling: int | None) -> None:
    """Every uvirt of the total is accounted for, nothing is negative, no bound is passed, and the shares
    leave less than a uvirt each."""
    cost = bill(used, "a100", ceiling, rules=rules, purchase=purchase)
    off = [reduction.amount for reduction in (*cost.discounts, *cost.caps)]
    assert cost.subtotal == cost.cpu + cost.memory + cost.gpu + cost.storage + cost.network + cost.node
    assert cost.total == cost.subtotal - sum(off) - cost.queue_credit + cost.minimum_topup - cost.over_escrow
    assert min(cost.total, cost.queue_credit, cost.minimum_topup, cost.over_escrow, cost.cpu, cost.node) >= 0
    assert all(amount > 0 for amount in off)
    assert ceiling is None or cost.total <= ceiling
    assert cost.total == ceiling or cost.total >= rules.minimum_charge
    assert 0 <= cost.remainder <= 1


@given(usages, st.sampled_from(fields(Usage)[1:-1]), amounts, st.none() | amounts)
def test_more_of_anything_never_costs_less(
    used: Usage, field: "Field[int]", more: int, ceiling: int | None
) -> None:
    """In the same time; and with the escrow as bound."""
    larger = replace(used, **{field.name: getattr(used, field.name) + more})
    before, after = bill(used, "", ceiling), bill(larger, "", ceiling)
    assert before.total <= after.total
    assert (before.platform_fee, before.provider_reward) <= (after.platform_fee, after.provider_reward)


@given(
    st.integers(min_value=1, max_value=64),
    st.integers(min_value=1, max_value=10**6),
    st.integers(min_value=0, max_value=10**6),
)
def test_longer_never_costs_less(cores: int, seconds: int, more: int) -> None:
    """On the same nodes, from any second to any later one."""
    asked = Asked.per_node(3, cores, 2 * cores, 1)
    costs = [
        bill(used, "a100", node_hours=node_hours_seen(used, 60))
        for used in (use_of(asked, seconds), use_of(asked, seconds + more))
    ]
    assert costs[0].subtotal <= costs[1].subtotal
    assert costs[0].total <= costs[1].total


whole_steps = st.integers(min_value=1, max_value=10_000).map(lambda steps: steps * 60)


@given(whole_steps, whole_steps, st.integers(min_value=1, max_value=512))
def test_two_runs_cost_what_one_as_long_costs(one: int, other: int, cores: int) -> None:
    """But for the uvirt that truncation takes from each component of each: two halves are never dearer, and
    at most 3 x 2 uvirt cheaper."""
    asked = Asked(nodes=0, cpus=cores, memory_gb=3 * cores, gpus=2)
    apart = bill(use_of(asked, one)).subtotal + bill(use_of(asked, other)).subtotal
    assert apart <= bill(use_of(asked, one + other)).subtotal <= apart + 6
