"""What is left out means nothing: no amount, no limit, no end."""

from dataclasses import asdict

from provider_daemon.job.usage import Usage
from provider_daemon.money.accounting import AccountingRecord
from provider_daemon.money.bill import Bill
from provider_daemon.money.caps import Cap, CapType
from provider_daemon.money.discounts import Discount, DiscountType
from provider_daemon.money.documents import BilledInput, BilledResources, read_use
from provider_daemon.money.purchase import Past, Purchase
from provider_daemon.money.quantities import Asked


def test_an_empty_bill_is_of_nothing() -> None:
    assert set(asdict(Bill()).values()) == {0, ()}
    assert Bill().remainder == 0


def test_an_empty_document_is_no_use() -> None:
    use = read_use({})
    assert (use.usage, use.node_hours, use.gpu_type, use.purchase) == (Usage(), 0, "", Purchase())


def test_what_nobody_asked_for() -> None:
    assert asdict(Asked(3)) == {"nodes": 3, "cpus": 0, "memory_gb": 0, "gpus": 0}
    assert set(list(asdict(BilledResources(1)).values())[1:]) == {0, ""}
    assert BilledInput().size_bytes == 0


def test_nobody_known() -> None:
    assert (Past().ended_at, Past().usage, Past().total, Past().discounts) == (0, Usage(), 0, ())
    assert (Purchase().ended_at, Purchase().queued_seconds, Purchase().codes, Purchase().past) == (
        0,
        0,
        frozenset(),
        (),
    )


def test_a_rule_without_conditions() -> None:
    """A discount is in force for everybody, without a threshold; a cap counts every cluster."""
    rule = asdict(Discount("d", DiscountType.BUNDLE, 100))
    assert rule == {
        "rule_id": "d", "type": "bundle", "basis_points": 100, "name": "", "threshold_value": 0,
        "threshold_unit": "cpu_core_hours",
        "applies_to": (), "code": "", "valid_from": 0, "valid_until": 0, "max_uses_per_customer": 0,
        "active": True,
    }  # fmt: skip
    cap = asdict(Cap("c", CapType.DAILY, 5))
    expected = {
        "cap_id": "c",
        "type": "daily",
        "amount": 5,
        "name": "",
        "period_seconds": 0,
        "per_cluster": False,
        "active": True,
    }
    assert cap == expected


def test_a_new_record_is_neither_final_nor_settled() -> None:
    record = AccountingRecord("JOB-1", "HPC-1", Usage(), 1, 2)
    assert (
        record.status,
        record.finalized_at,
        record.settled_at,
        record.calculation_hash,
        record.corrects,
    ) == ("pending", 0, 0, "", "")
