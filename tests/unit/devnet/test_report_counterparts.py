"""The ten integration tests that the module's own test report names, each under that name in Python's
spelling and in its order.

They go the whole way on the devnet's module; the details of each are in the unit tests of what it is made of.
"""

from dataclasses import replace

import pytest

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2 as t
from provider_daemon.devnet import bank
from provider_daemon.job.usage import Usage
from provider_daemon.job.usage_record import SnapshotType
from provider_daemon.money import accounting
from provider_daemon.money.accounting import AccountingRecord, Status, WrongStatus
from provider_daemon.money.caps import Cap, CapType
from provider_daemon.money.discounts import Discount, DiscountType
from provider_daemon.money.fixed import ONE
from provider_daemon.money.rules import Rules as Billing
from provider_daemon.reconciliation.differences import TOLERANCES, tolerated
from provider_daemon.usage_records import document
from tests.fakes.chain import PROVIDER, report
from tests.unit.devnet.money import (
    DAY,
    HOUR,
    dispute,
    earned,
    held,
    opened,
    ran,
    resolve,
    running,
    slow,
    status,
)
from tests.unit.devnet.pure import Module

RECORD = AccountingRecord("JOB-1", "HPC-1", Usage(HOUR, 2 * HOUR), 1_000, 4_600)


def cost(module: Module, job_id: str) -> int:
    return int(module.record(keyspace.JOB_ACCOUNTING, job_id)["total_cost"][0]["amount"])


def test_accounting_record_creation() -> None:
    """A job that ends has one accounting, pending, with whose it is, what was used and what it costs."""
    module = slow()
    ran(module)
    record = module.record(keyspace.JOB_ACCOUNTING, "JOB-1")
    assert (record["job_id"], record["cluster_id"], record["provider_address"]) == (
        "JOB-1",
        "HPC-1",
        PROVIDER.address,
    )
    assert (record["settlement_status"], record["usage_metrics"]["cpu_core_seconds"]) == (
        "pending",
        10 * HOUR,
    )
    assert [record[name][0]["amount"] for name in ("total_cost", "provider_reward", "platform_fee")] == [
        "100000",
        "97500",
        "2500",
    ]


def test_billing_calculator() -> None:
    """4 cores, 8 GB, an A100, a node, an hour, 10 GB-hours, 2 GB: 283,000, of which 7,075 and 275,925."""
    module = opened()
    running(module, resources=t.JobResources(nodes=1, gpus_per_node=1, gpu_type="nvidia-a100"))
    used = t.HPCUsageMetrics(
        wall_clock_seconds=HOUR, cpu_core_seconds=4 * HOUR, memory_gb_seconds=8 * HOUR, gpu_seconds=HOUR,
        storage_gb_hours=10,
        network_bytes_in=2**30, network_bytes_out=2**30, node_hours=1, nodes_used=1,
    )  # fmt: skip
    module.do(report("completed", usage_metrics=used))
    assert (cost(module, "JOB-1"), earned(module), held(module)[bank.PLATFORM_ADDRESS]) == (
        283_000,
        275_925,
        7_075,
    )


def test_volume_discounts() -> None:
    """5% of the cpu cost from 10 core-hours, 10% from 20, by the customer's own history."""
    steps = [
        Discount(f"from-{hours}", DiscountType.VOLUME, points, threshold_value=hours * ONE)
        for hours, points in ((10, 500), (20, 1_000))
    ]
    module = opened(billing=Billing(discounts=tuple(steps)))
    for number in (1, 2, 3):
        ran(module, f"JOB-{number}")
    assert [cost(module, f"JOB-{number}") for number in (1, 2, 3)] == [100_000, 95_000, 90_000]


def test_billing_caps() -> None:
    """What the period has left is the most that is billed for use."""
    module = opened(billing=Billing(caps=(Cap("week", CapType.WEEKLY, 150_000),)))
    ran(module)
    ran(module, "JOB-2")
    assert [cost(module, "JOB-1"), cost(module, "JOB-2")] == [100_000, 50_000]


def test_usage_snapshot_validation() -> None:
    """Numbered from 0, each naming the one before; a changed one is found out."""
    taken = document.Taken(
        "test-1", "HPC-1", "JOB-1", "42", SnapshotType.INTERIM, 2_000_000_000, Usage(300, 600)
    )
    first = document.sign(taken, None, PROVIDER)
    last = document.sign(
        replace(taken, type=SnapshotType.FINAL, cumulative=Usage(600, 1_200)), first, PROVIDER
    )
    keys = {PROVIDER.address: PROVIDER.public_key}
    assert (first.sequence, last.sequence, last.previous) == (0, 1, first.content_hash)
    assert document.check([first, last], keys) == ["", ""]
    assert document.check([first, replace(last, document=last.document + b" ")], keys) == [
        "",
        "its content was changed",
    ]


def test_reconciliation_tolerances() -> None:
    """Scheduler and chain may differ by 1% of cores and memory, 0.5% of GPUs, 0.1% of wall clock, 5% of
    network, 2% of storage."""
    parts = (
        "cpu_core_seconds",
        "memory_gb_seconds",
        "gpu_seconds",
        "wall_clock_seconds",
        "network_bytes_in",
        "storage_gb_hours",
    )
    assert [TOLERANCES[name] for name in parts] == [10, 10, 5, 1, 50, 20]
    assert [tolerated(name, 1_000, 990) for name in parts] == [10, 10, 5, 1, 50, 20]


def test_dispute_workflow() -> None:
    """Flagged, the settlement stands still; resolved with other usage, that is settled; no uvirt is made or
    lost."""
    module = slow()
    ran(module)
    module.later(HOUR)
    flagged = dispute(module)
    module.later(2 * DAY)
    assert (status(module), earned(module)) == ("disputed", 0)
    resolve(
        module, flagged, upheld=True, resolution='{"wall_clock_seconds": "3600", "cpu_core_seconds": "18000"}'
    )
    assert (status(module), cost(module, "JOB-1"), earned(module)) == ("settled", 50_000, 48_750)
    assert sum(held(module).values()) == 3 * 10**12


def test_accounting_status_transitions() -> None:
    """Pending, finalized, settled; a disputed one cannot be settled, and nothing is finalized twice."""
    final = accounting.finalize(RECORD, 5_000)
    assert accounting.settle(final, 6_000).status is Status.SETTLED
    with pytest.raises(WrongStatus):
        accounting.settle(accounting.dispute(final), 6_000)
    with pytest.raises(WrongStatus):
        accounting.finalize(final, 6_000)


def test_deterministic_hash() -> None:
    """Same inputs, same hash; one core-second more, another."""
    again = AccountingRecord("JOB-1", "HPC-1", Usage(HOUR, 2 * HOUR), 1_000, 4_600)
    assert accounting.calculation_hash(RECORD) == accounting.calculation_hash(again)
    assert accounting.calculation_hash(RECORD) != accounting.calculation_hash(
        replace(RECORD, usage=Usage(HOUR, 2 * HOUR + 1))
    )


def test_minimum_charge() -> None:
    """A job of a second costs 10,000."""
    module = opened()
    ran(module, usage=t.HPCUsageMetrics(wall_clock_seconds=1, cpu_core_seconds=1, nodes_used=1))
    assert (cost(module, "JOB-1"), earned(module)) == (10_000, 9_750)
