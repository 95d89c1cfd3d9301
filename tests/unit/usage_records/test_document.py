"""Signed usage snapshots: canonical, chained by hash, and every change to one of them is seen."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.chain import evidence, signed_documents
from provider_daemon.chain.sign import LocalSigner
from provider_daemon.job.usage import Usage
from provider_daemon.job.usage_record import SignedSnapshot, SnapshotType, interval
from provider_daemon.usage_records import document
from provider_daemon.usage_records.document import Taken, check
from tests.unit.chain.vectors import ADDRESS, SECRET

SIGNER = LocalSigner(SECRET)
KEYS = {ADDRESS: SIGNER.public_key}
WIRE_FIELDS = sorted(evidence.wire_usage(Usage()))


def chain(count: int, signer: LocalSigner = SIGNER) -> list[SignedSnapshot]:
    """Interim snapshots, 300 s apart, of a job that holds two cores, and its final one."""
    made: list[SignedSnapshot] = []
    for number in range(1, count + 1):
        kind = SnapshotType.FINAL if number == count else SnapshotType.INTERIM
        used = Usage(300 * number, 600 * number, 1200 * number, nodes_used=1)
        taken = Taken("test-1", "HPC-1", "JOB-7", "42", kind, 2_000_000_000 + 300 * number, used)
        made.append(document.sign(taken, made[-1] if made else None, signer))
    return made


def test_document() -> None:
    """Sequence from 0, the interval since the one before, everything so far, and the hash of the one
    before."""
    first, second, last = chain(3)
    assert (first.sequence, first.previous) == (0, "")
    said = json.loads(second.document)
    assert (said["sequence"], said["previous"], said["type"]) == (1, first.content_hash, "interim")
    assert (said["interval"]["cpu_core_seconds"], said["cumulative"]["cpu_core_seconds"]) == (600, 1200)
    assert sorted(said["cumulative"]) == WIRE_FIELDS
    assert second.document == signed_documents.canonical(said)
    assert json.loads(last.document)["type"] == "final"


def test_whole_chain_holds() -> None:
    """Also when interim snapshots in its middle or at its start were let go."""
    made = chain(6)
    for kept in (made, made[2:], [*made[:2], *made[4:]]):
        assert check(kept, KEYS) == [""] * len(kept)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"document": b"{}"}, "content was changed"),
        ({"previous": "ab" * 32}, "have different values"),
        ({"type": SnapshotType.FINAL}, "have different values"),
        ({"signature": "AAAA"}, "the signature does not match"),
    ],
)
def test_a_change_is_seen(change: dict[str, object], why: str) -> None:
    made = chain(3)
    made[1] = replace(made[1], **change)  # type: ignore[arg-type]
    assert why in check(made, KEYS)[1]


def test_another_ones_chain_is_seen() -> None:
    """A snapshot put in place of ours needs our key; one of our own from another history does not follow."""
    stranger = LocalSigner(bytes(31) + b"\x07")
    assert all("is not known here" in why for why in check(chain(2, stranger), KEYS))
    made, other = chain(3), chain(3)
    made[1] = document.sign(
        Taken("test-1", "HPC-1", "JOB-7", "42", SnapshotType.INTERIM, 2_000_000_600, Usage(9)),
        other[0],
        SIGNER,
    )
    assert [bool(why) for why in check(made, KEYS)] == [False, False, True]


AMOUNTS = st.builds(Usage, *(st.integers(0, 10**9) for _ in range(9)))


@given(AMOUNTS, AMOUNTS)
def test_intervals_never_run_backwards(now: Usage, before: Usage) -> None:
    """Interval and what was before make the whole, or the count began anew; nothing in it is negative."""
    part = interval(now, before)
    assert all(getattr(part, name) >= 0 for name in WIRE_FIELDS)
    summed = all(
        getattr(part, name) + getattr(before, name) == getattr(now, name)
        for name in WIRE_FIELDS
        if name != "nodes_used"
    )
    assert summed or part == now
