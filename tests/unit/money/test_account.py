"""What jobs pay to an account, and whether that explains its balance."""

from dataclasses import asdict, replace

import pytest

from provider_daemon.job.usage import Usage
from provider_daemon.money.account import Accounted, Line, Movement, Note, Reading, following, opening

OURS, OTHER = "ve1ours", "ve1other"
JOB = Accounted(
    "JOB-1", "HPC-1", "OFF-1", "gpu", OURS, "ve1customer", "completed", 2, 5, 9,
    status="settled", total=120, platform_fee=3, provider_reward=90,
    node_rewards=((OURS, 4), (OTHER, 5), (OURS, 2)), price="150uvirt", escrowed=150, settled_at=10,
)  # fmt: skip


def test_what_nobody_said_is_nothing() -> None:
    job = Accounted("JOB-1", "HPC-1", "OFF-1", "gpu", OURS, "ve1customer", "pending", 1, 0, 0)
    assert asdict(job) == {
        "job_id": "JOB-1", "cluster_id": "HPC-1", "offering_id": "OFF-1", "queue": "gpu", "provider": OURS,
        "customer": "ve1customer", "state": "pending", "nodes": 1, "started_at": 0, "ended_at": 0,
        "usage": asdict(Usage()), "status": "", "total": 0, "platform_fee": 0, "provider_reward": 0,
        "node_rewards": (), "price": "", "escrowed": 0, "settled_at": 0,
    }  # fmt: skip
    assert asdict(Movement()) == {"transactions": 0, "missing": 0, "fees": {}, "sent": {}, "received": {}}
    assert asdict(Line(7)) == {"balance": 7, "earned": 0, "received": 0, "sent": 0, "fees": 0, "other": 0}
    note = Note(OURS, 1.0, 2, 3, {})
    assert (note.transactions, note.missing, note.first) == (0, 0, False)


@pytest.mark.parametrize(("address", "earned"), [(OURS, 96), (OTHER, 5), ("ve1nobody", 0)])
def test_each_account_earns_its_own(address: str, earned: int) -> None:
    """The provider's reward, and the part of each node's operator."""
    assert JOB.earned(address) == earned


def test_the_refund_is_what_is_left() -> None:
    assert (JOB.paid, JOB.refund) == (True, 150 - 3 - 90 - 11)
    assert replace(JOB, escrowed=103).refund == 0
    assert replace(JOB, escrowed=105).refund == 1


@pytest.mark.parametrize("change", [{"status": "finalized"}, {"status": "disputed"}, {"status": ""}])
def test_nothing_moves_before_the_settlement(change: dict[str, str]) -> None:
    job = replace(JOB, **change)  # type: ignore[arg-type] # by name
    assert (job.paid, job.earned(OURS), job.refund) == (False, 0, 0)


def test_nothing_moves_without_an_escrow() -> None:
    assert (replace(JOB, escrowed=0).earned(OURS), replace(JOB, escrowed=0).refund) == (0, 0)


def test_movements_add_up() -> None:
    one = Movement(1, 2, {"uve": 3}, {"uve": 4}, {"uve": 5})
    more = Movement(10, 20, {"uve": 30}, {"uve": 40, "uvirt": 1}, {"uve": 50})
    assert one + more == Movement(11, 22, {"uve": 33}, {"uve": 44, "uvirt": 1}, {"uve": 55})


def test_the_first_note_has_a_balance_only() -> None:
    note = opening(OURS, Reading(1.0, 2, 3, {"uve": 100}))
    assert note == Note(OURS, 1.0, 2, 3, {"uve": Line(100)}, first=True)
    assert note.explained


def test_a_note_explains_its_balance() -> None:
    """Each denomination for itself: what is known of it, and what it has more or less than that."""
    before = opening(OURS, Reading(1.0, 2, 3, {"uve": 100, "old": 8}))
    moved = Movement(2, 1, fees={"uve": 7}, sent={"uve": 20, "uvirt": 50}, received={"uve": 5})
    reading = Reading(4.0, 5, 6, {"uve": 79, "uvirt": 46, "old": 8})
    note = following(before, reading, moved, [JOB, replace(JOB, job_id="JOB-2", escrowed=0)])
    assert note == Note(
        OURS,
        4.0,
        5,
        6,
        {
            "old": Line(8),
            "uve": Line(79, received=5, sent=20, fees=7, other=1),
            "uvirt": Line(46, earned=96, sent=50),
        },
        transactions=2,
        missing=1,
    )
    assert not note.explained
    assert following(
        before, replace(reading, balances={"uve": 78, "uvirt": 46, "old": 8}), moved, [JOB]
    ).explained


def test_a_denomination_that_is_gone() -> None:
    """Its balance is 0; what nothing explains is less than nothing."""
    before = opening(OURS, Reading(1.0, 2, 3, {"uvirt": 100}))
    gone = following(before, Reading(4.0, 5, 6, {}), Movement(), [])
    assert gone.lines == {"uvirt": Line(0, other=-100)}


def test_what_is_earned_has_a_line_although_the_balance_is_not_listed() -> None:
    before = opening(OURS, Reading(1.0, 2, 3, {}))
    assert following(before, Reading(4.0, 5, 6, {}), Movement(), [JOB]).lines == {
        "uvirt": Line(0, earned=96, other=-96)
    }
    assert following(before, Reading(4.0, 5, 6, {}), Movement(), []).lines == {}
