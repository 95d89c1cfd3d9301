"""Bills by the prices of the job's offering and queue."""

import pytest

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2 as t
from provider_daemon.devnet.context import ChainRules
from provider_daemon.devnet.failures import INVALID_OFFERING
from tests.fakes.chain import PROVIDER, job, report
from tests.unit.devnet.money import earned, opened, ran
from tests.unit.devnet.pure import Module
from tests.unit.devnet.rules import create, open_shop, refused, register

DEAR = t.HPCPricing(cpu_core_hour_price="20000", minimum_charge="30000", currency="uvirt")
QUEUES = [
    t.QueueOption(partition_name="standard"),
    t.QueueOption(partition_name="fast", price_multiplier="2.5"),
]


def selling(pricing: t.HPCPricing) -> tx_pb2.MsgUpdateOffering:
    """OFF-1 with these prices from now on."""
    return tx_pb2.MsgUpdateOffering(
        provider_address=PROVIDER.address,
        offering_id="OFF-1",
        active=True,
        supports_custom_workloads=True,
        queue_options=QUEUES,
        pricing=pricing,
    )


def total(module: Module, job_id: str) -> int:
    return int(module.record(keyspace.JOB_ACCOUNTING, job_id)["total_cost"][0]["amount"])


def test_the_offerings_prices_and_the_queues_multiplier() -> None:
    """Ten core-hours: 100,000 by default, twice that by the offering, 2.5 times that in its faster queue."""
    module = opened()
    ran(module)
    module.do(selling(DEAR))
    ran(module, "JOB-2")
    ran(module, "JOB-3", queue_name="fast")
    ran(module, "JOB-4", t.HPCUsageMetrics(wall_clock_seconds=1, cpu_core_seconds=1))
    assert [total(module, f"JOB-{number}") for number in range(1, 5)] == [100_000, 200_000, 500_000, 30_000]
    assert earned(module) == (100_000 + 200_000 + 500_000 + 30_000) * 9_750 // 10_000
    inputs = module.record(keyspace.REWARD, "hpc-reward-JOB-3")["calculation_details"]["input_metrics"]
    assert inputs["prices"] == (
        '{"cpu_core_hour":"20000","minimum_charge":"30000","currency":"uvirt","price_multiplier":"2.5"}'
    )
    default = module.record(keyspace.REWARD, "hpc-reward-JOB-1")["calculation_details"]["input_metrics"]
    assert "prices" not in default


def test_the_prices_at_submission_count() -> None:
    """A change of the offering while a job runs does not change its bill."""
    module = opened()
    module.do(selling(DEAR))
    module.do(job(), report("queued"), report("running"), selling(t.HPCPricing(cpu_core_hour_price="90000")))
    used = t.HPCUsageMetrics(wall_clock_seconds=3600, cpu_core_seconds=36_000, nodes_used=1)
    module.do(report("completed", usage_metrics=used))
    assert total(module, "JOB-1") == 200_000
    ran(module, "JOB-2")
    assert total(module, "JOB-2") == 900_000


@pytest.mark.parametrize(
    "pricing",
    [
        t.HPCPricing(cpu_core_hour_price="x"),
        t.HPCPricing(gpu_hour_price="-5"),
        t.HPCPricing(minimum_charge="1e9"),
        t.HPCPricing(currency="uve"),
    ],
)
def test_prices_that_cannot_be_billed(pricing: t.HPCPricing) -> None:
    """Refused when the offering is made or changed; a chain that bills nothing accepts any text."""
    module = open_shop(Module())
    assert refused(module, create(pricing=pricing)) == ("hpc", INVALID_OFFERING[0])
    assert refused(module, selling(pricing)) == ("hpc", INVALID_OFFERING[0])
    assert refused(
        module, create(queue_options=[t.QueueOption(partition_name="a", price_multiplier="?")])
    ) == (
        "hpc",
        INVALID_OFFERING[0],
    )
    published = Module(rules=ChainRules(settlement="published"))
    published.do(register(), create(pricing=pricing))


def test_the_bill_is_at_most_the_escrow() -> None:
    module = opened()
    module.do(selling(DEAR))
    ran(module, max_price=[Coin(denom="uvirt", amount="150000")])
    assert total(module, "JOB-1") == 150_000
