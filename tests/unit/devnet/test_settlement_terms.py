"""Discounts, caps and the share of node operators, on chain."""

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2 as t
from provider_daemon.devnet import bank
from provider_daemon.money.caps import Cap, CapType
from provider_daemon.money.discounts import Discount, DiscountType
from provider_daemon.money.fixed import ONE
from provider_daemon.money.rules import QueueCredit
from provider_daemon.money.rules import Rules as Billing
from tests.fakes.chain import ALICE, BOB, PROVIDER, job, report
from tests.unit.devnet.money import DAY, HOUR, USED, earned, held, opened, ran

ONCE = Discount("once", DiscountType.BUNDLE, 1_000, max_uses_per_customer=1)


def test_volume_discount_after_the_history() -> None:
    """The third job finds 20 core-hours in the customer's history: a tenth off its cpu cost. Another
    customer's history does not count."""
    volume = Discount("volume", DiscountType.VOLUME, 1_000, threshold_value=20 * ONE)
    module = opened(billing=Billing(discounts=(volume,)))
    for number in (1, 2, 3):
        ran(module, f"JOB-{number}")
    ran(module, "JOB-4", customer=BOB)
    costs = [
        module.record(keyspace.JOB_ACCOUNTING, f"JOB-{number}")["total_cost"][0]["amount"]
        for number in (1, 2, 3, 4)
    ]
    assert costs == ["100000", "100000", "90000", "100000"]
    inputs = module.record(keyspace.REWARD, "hpc-reward-JOB-3")["calculation_details"]["input_metrics"]
    assert inputs["discounts"] == "volume"


def test_a_discount_is_used_up_before_its_job_is_settled() -> None:
    """A discount that has one use helps one job, even while that waits for its settlement."""
    module = opened(finalize_seconds=HOUR, settle_seconds=DAY, billing=Billing(discounts=(ONCE,)))
    ran(module)
    ran(module, "JOB-2")
    costs = [
        module.record(keyspace.JOB_ACCOUNTING, f"JOB-{number}")["total_cost"][0]["amount"]
        for number in (1, 2)
    ]
    assert costs == ["90000", "100000"]


def test_daily_cap() -> None:
    """What the last day has left; a day later it is whole again."""
    module = opened(billing=Billing(caps=(Cap("day", CapType.DAILY, 150_000),)))
    ran(module)
    ran(module, "JOB-2")
    module.later(DAY)
    ran(module, "JOB-3")
    costs = [
        module.record(keyspace.JOB_ACCOUNTING, f"JOB-{number}")["total_cost"][0]["amount"]
        for number in (1, 2, 3)
    ]
    assert costs == ["100000", "50000", "100000"]


def test_queue_credit_on_chain() -> None:
    """Two hours from queued to running: 60 minutes beyond the threshold, 6% off."""
    module = opened(billing=Billing(queue_credit=QueueCredit(basis_points_a_minute=10)))
    module.do(job(), report("queued"))
    module.later(2 * HOUR)
    module.do(report("running"), report("completed", usage_metrics=USED))
    assert module.record(keyspace.JOB_ACCOUNTING, "JOB-1")["total_cost"][0]["amount"] == "94000"


def test_node_operators_share() -> None:
    """The older split among the cluster's two active nodes; what does not divide goes back to the
    customer."""
    module = opened(billing=Billing(platform_fee_bps=500, provider_reward_bps=8_000, node_reward_bps=1_500))
    for name, active in (("a.n1", True), ("a.n2", True), ("a.n3", False)):
        state = t.NODE_STATE_ACTIVE if active else t.NODE_STATE_OFFLINE
        module.do(
            tx_pb2.MsgUpdateNodeMetadata(
                provider_address=PROVIDER.address,
                node_id=name,
                cluster_id="HPC-1",
                region="eu",
                active=active,
                state=state,
            )
        )
    ran(
        module,
        usage=t.HPCUsageMetrics(
            wall_clock_seconds=HOUR, cpu_core_seconds=10 * HOUR, storage_gb_hours=1, nodes_used=1
        ),
    )
    reward = module.record(keyspace.REWARD, "hpc-reward-JOB-1")
    assert [
        (paid["recipient_type"], paid.get("node_id"), paid["amount"][0]["amount"])
        for paid in reward["recipients"]
    ] == [
        ("platform", None, "5005"),
        ("provider", None, "80080"),
        ("node_operator", "a.n1", "7507"),
        ("node_operator", "a.n2", "7507"),
    ]
    assert [
        node["amount"][0]["amount"]
        for node in module.record(keyspace.JOB_ACCOUNTING, "JOB-1")["node_rewards"]
    ] == ["7507", "7507"]
    assert held(module)[ALICE.address] == 10**12 - 5_005 - 80_080 - 2 * 7_507
    assert (earned(module), held(module)[bank.ESCROW_ADDRESS]) == (80_080 + 2 * 7_507, 0)
