"""The accounting record and its states."""

import hashlib
from collections.abc import Callable
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.usage import Usage
from provider_daemon.money import accounting
from provider_daemon.money.accounting import (
    TRANSITIONS,
    AccountingRecord,
    Status,
    WrongStatus,
    calculation_hash,
)

RECORD = AccountingRecord(
    "JOB-7", "HPC-1", Usage(3600, 7200, 1, 2, 3, 4, 5, 6, 7, (("a100", 2),)), 1_000, 4_600
)
DONE = accounting.finalize(RECORD, 5_000)
HELD = accounting.dispute(DONE)


def test_hash_is_of_a_fixed_document() -> None:
    """The JSON as it stands here, byte for byte: no other implementation needs to guess."""
    document = (
        '{"job_id":"JOB-7","cluster_id":"HPC-1","usage":{"wall_clock_seconds":3600,"cpu_core_seconds":7200,"memory_gb_seconds":1,'
        '"gpu_seconds":2,"storage_gb_hours":3,"network_bytes_in":4,"network_bytes_out":5,"node_hours":6,"nodes_used":7},'
        '"period_start":1000,"period_end":4600,"formula_version":"v1.0.0","usage_record_ids":["a"]}'
    )
    assert (
        calculation_hash(replace(RECORD, usage_record_ids=("a",)))
        == hashlib.sha256(document.encode()).hexdigest()
    )


def test_hash_is_of_the_inputs_alone() -> None:
    """State and times of the record itself do not change it; each input does."""
    assert calculation_hash(
        replace(RECORD, status=Status.SETTLED, finalized_at=1, settled_at=2, corrects="x")
    ) == calculation_hash(RECORD)
    inputs = {
        "job_id": "JOB-8",
        "cluster_id": "HPC-2",
        "period_start": 1_001,
        "period_end": 4_601,
        "formula_version": "v1.0.1",
    }
    changed = [replace(RECORD, **{name: value}) for name, value in inputs.items()]  # type: ignore[arg-type]
    changed += [
        replace(RECORD, usage=replace(RECORD.usage, **{item.name: 99}))  # type: ignore[arg-type]
        for item in fields(Usage)[:-1]
    ]
    changed += [replace(RECORD, usage_record_ids=("a",))]
    assert len({calculation_hash(record) for record in (RECORD, *changed)}) == len(changed) + 1


def test_finalized_once() -> None:
    """With its time and hash; never again, whatever became of it."""
    assert (DONE.status, DONE.finalized_at, DONE.calculation_hash) == (
        Status.FINALIZED,
        5_000,
        calculation_hash(RECORD),
    )
    for record in (DONE, HELD, accounting.settle(DONE, 1), accounting.release(HELD)):
        with pytest.raises(WrongStatus, match=r"JOB-7 is .*: only a pending record can be finalized"):
            accounting.finalize(record, 9_000)


def test_settled() -> None:
    settled = accounting.settle(DONE, 6_000)
    assert (settled.status, settled.settled_at, settled.finalized_at) == (Status.SETTLED, 6_000, 5_000)


def test_a_disputed_record_cannot_be_settled() -> None:
    with pytest.raises(WrongStatus, match="the accounting of JOB-7 is disputed: it cannot become settled"):
        accounting.settle(HELD, 6_000)


def test_released_as_it_was() -> None:
    """A dispute that came to nothing leaves no trace, and the settlement goes on."""
    assert accounting.release(HELD) == DONE
    with pytest.raises(WrongStatus, match="JOB-7 is pending, not disputed: there is no dispute to end"):
        accounting.release(RECORD)


def test_corrected_points_at_its_original() -> None:
    """A new record with a hash of its own, that can be settled; the original cannot."""
    right = Usage(60, 60)
    corrected = accounting.correct(HELD, right, 7_000)
    assert (corrected.status, corrected.usage, corrected.finalized_at) == (Status.CORRECTED, right, 7_000)
    assert corrected.corrects == HELD.calculation_hash
    assert (
        corrected.calculation_hash == calculation_hash(replace(RECORD, usage=right)) != HELD.calculation_hash
    )
    assert accounting.settle(corrected, 8_000).status is Status.SETTLED
    with pytest.raises(WrongStatus, match="JOB-7 is finalized, not disputed: there is nothing to correct"):
        accounting.correct(DONE, right, 7_000)


def test_nothing_else() -> None:
    """Pending to finalized to settled; finalized to disputed; settled is the end."""
    assert {state: set(following) for state, following in TRANSITIONS.items()} == {
        Status.PENDING: {Status.FINALIZED},
        Status.FINALIZED: {Status.DISPUTED, Status.SETTLED},
        Status.DISPUTED: {Status.FINALIZED},
        Status.CORRECTED: {Status.SETTLED},
        Status.SETTLED: set(),
    }


STEPS: dict[str, Callable[[AccountingRecord], AccountingRecord]] = {
    "finalize": lambda record: accounting.finalize(record, 5),
    "dispute": accounting.dispute,
    "release": accounting.release,
    "correct": lambda record: accounting.correct(record, Usage(1, 1), 6),
    "settle": lambda record: accounting.settle(record, 7),
}


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=12))
def test_any_steps_in_any_order(steps: list[str]) -> None:
    """A record is settled once at most, finalized before that, and only its correction changes what was
    finalized."""
    record, settled = RECORD, 0
    for step in steps:
        try:
            after = STEPS[step](record)
        except WrongStatus:
            continue
        assert record.status is not Status.SETTLED
        if step != "correct" and record.status is not Status.PENDING:
            assert (after.usage, after.calculation_hash) == (record.usage, record.calculation_hash)
        settled += after.status is Status.SETTLED
        record = after
    assert settled <= 1
    assert record.status is Status.PENDING or record.calculation_hash == calculation_hash(record)
