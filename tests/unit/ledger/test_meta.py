"""The meta table: its keys and values stay as every provd has stored them."""

from typing import Any

import pytest

from provider_daemon.job.payment import ChainSettlement
from provider_daemon.ledger import meta
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.meta import Key

STORED: list[tuple[Key[Any], object, str, str]] = [
    (meta.CHAIN_ID, "virtengine-1", "chain_id", "virtengine-1"),
    (meta.LEDGER_ID, "00ff", "ledger_id", "00ff"),
    (meta.OTHER_CHAIN, "", "other_chain", ""),
    (meta.BLOCK_GAS, 4_000_000, "block_gas", "4000000"),
    (meta.NEXT_JOB, 10, "next_job", "10"),
    (meta.SERVED, "HPC-1 HPC-2", "served", "HPC-1 HPC-2"),
    (meta.CANCELS_HEIGHT, 23, "cancels_height", "23"),
    (meta.SWEPT_AT, 2000000003.25, "swept_at", "2000000003.25"),
    (meta.SWEPT_AT, 0, "swept_at", "0"),
    (meta.SETTLEMENT, ChainSettlement.ESCROW, "chain_settlement", "escrow"),
    (meta.NEXT_DISPUTE, 3, "next_dispute", "3"),
    (meta.BOOKED_TO, 2000000003.25, "booked_to", "2000000003.25"),
    (meta.CHAIN_AHEAD, -0.5, "chain_ahead", "-0.5"),
    (meta.AUDIT_HEAD, "12:" + "ab" * 32, "audit_head", "12:" + "ab" * 32),
    (meta.BOOTED_AT, 1999999990.12345, "booted_at", "1999999990.123"),
    (meta.RECONCILED_AT, 2000000023.0, "reconciled_at", "2000000023.0"),
    (meta.DIFFERENCES, {"low": 0, "high": 2}, "reconciliation", '{"low": 0, "high": 2}'),
    (meta.UNRESOLVED, frozenset({"JOB-2", "JOB-10"}), "unresolved", '["JOB-10", "JOB-2"]'),
    (meta.sign_of_life("HPC-1"), 5.0, "alive:HPC-1", "5.0"),
    (meta.doubt("HPC-1"), 0.0, "doubt:HPC-1", "0.0"),
    (meta.node_count("HPC-1"), 2, "nodes:HPC-1", "2"),
    (meta.heartbeat_sequence("HPC-1"), 2000000023, "heartbeat:HPC-1", "2000000023"),
    (meta.site_audit("HPC-1"), "ab" * 32, "site_audit:HPC-1", "ab" * 32),
    (meta.node_id("a.n1"), "a.n1~2", "node_id:a.n1", "a.n1~2"),
]
DEFAULTS: dict[str, object] = {
    "next_job": 1,
    "next_dispute": 1,
    "chain_settlement": ChainSettlement.UNKNOWN,
    "cancels_height": None,
    "booted_at": None,
    "reconciliation": {},
    "unresolved": frozenset(),
    "node_id:a.n1": "a.n1",
}


@pytest.mark.parametrize(
    ("key", "value", "name", "text"), STORED, ids=[f"{row[2]}={row[3]}" for row in STORED]
)
def test_stored_as_ever(ledger: Ledger, key: Key[Any], value: object, name: str, text: str) -> None:
    """Each value is stored under its name as this text, and is read back equal; `booted_at` to the
    millisecond."""
    with ledger.write():
        ledger.set(key, value)
    (row,) = ledger._db.execute("SELECT key, value FROM meta").fetchall()
    assert tuple(row) == (name, text)
    assert ledger.get(key) == (pytest.approx(value, abs=0.0005) if key is meta.BOOTED_AT else value)


def test_every_key_is_listed() -> None:
    """A key that is added gets a line above."""
    listed = [key for key, *_ in STORED]
    assert [name for name, key in vars(meta).items() if isinstance(key, Key) and key not in listed] == []


@pytest.mark.parametrize("key", [key for key, *_ in STORED], ids=[row[2] for row in STORED])
def test_before_the_first(ledger: Ledger, key: Key[Any]) -> None:
    """What a ledger answers that has no such value yet."""
    assert ledger.get(key) == DEFAULTS.get(key.name, "" if key.load is str else 0)
