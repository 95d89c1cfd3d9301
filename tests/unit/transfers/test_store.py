"""What the daemon and the gateway read is what the mover has written."""

import hashlib
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.transfer import InputState, Results, Transfer
from provider_daemon.transfers.rows import Cached, Delivery, JobTransfer, ManifestLine
from provider_daemon.transfers.store import TransferStore
from provider_daemon.transfers.writer import TransferWriter

WAITING = Transfer(inputs=InputState.WAITING)


def row(name: str = "ve-1", transfer: Transfer = WAITING, delivery: Delivery = Delivery.NONE) -> JobTransfer:
    return JobTransfer(name, "HPC-1", "JOB-1", "ve1customer", 100.0, transfer, delivery=delivery)


def test_a_job_that_the_mover_has_not_seen_is_left_out(writer: TransferWriter, store: TransferStore) -> None:
    """Missing facts never look like facts."""
    writer.add_jobs([row("ve-1")])
    assert store.facts(["ve-1", "ve-2"]) == {"ve-1": WAITING}
    assert store.job("ve-2") is None


def test_facts_of_ten_thousand_names(writer: TransferWriter, store: TransferStore) -> None:
    """One query serves any number of names."""
    writer.add_jobs([row("ve-9999")])
    assert list(store.facts(f"ve-{number}" for number in range(10_000))) == ["ve-9999"]


def test_a_known_job_is_not_added_again(writer: TransferWriter, store: TransferStore) -> None:
    """Seeing a job again does not set its inputs back."""
    writer.add_jobs([row()])
    writer.inputs_ready("ve-1")
    writer.add_jobs([row()])
    assert store.facts(["ve-1"])["ve-1"].inputs is InputState.READY


def test_inputs_end_once(writer: TransferWriter, store: TransferStore) -> None:
    """Failed inputs stay failed, and ready ones ready."""
    writer.add_jobs([row("failed")])
    writer.add_jobs([row("ready")])
    writer.inputs_wait("failed", "https: connection refused")
    assert store.facts(["failed"])["failed"].detail == "https: connection refused"
    writer.inputs_failed("failed", "wrong checksum")
    writer.inputs_ready("failed")
    writer.begin_staging("ready", "/staged")
    assert store.facts(["ready"])["ready"].staged == ""
    writer.inputs_ready("ready")
    writer.begin_staging("ready", "/elsewhere")
    writer.inputs_failed("ready", "wrong checksum")
    facts = store.facts(["failed", "ready"])
    assert (facts["failed"].inputs, facts["failed"].detail) == (InputState.FAILED, "wrong checksum")
    assert (facts["ready"].inputs, facts["ready"].staged) == (InputState.READY, "/staged")


def test_a_manifest_is_published_only_when_it_is_whole(writer: TransferWriter, store: TransferStore) -> None:
    """Before its root is known there is no manifest, whatever lines are stored."""
    writer.add_jobs([row()])
    writer.add_lines("ve-1", [ManifestLine("b", 2, "bb"), ManifestLine("a", 1, "aa")])
    assert store.manifest("ve-1") is None
    results = writer.finish_manifest("ve-1", "")
    text = 'aa 1 "a"\nbb 2 "b"\n'
    assert store.manifest("ve-1") == text
    assert results == Results(hashlib.sha256(text.encode()).hexdigest(), 2, 3)
    assert store.facts(["ve-1"])["ve-1"].results == results


def test_an_interrupted_manifest_is_made_again_from_nothing(
    writer: TransferWriter, store: TransferStore
) -> None:
    """Lines of files that are gone are not published; a published manifest is never cleared."""
    writer.add_jobs([row()])
    writer.add_lines("ve-1", [ManifestLine("gone", 2, "bb")])
    writer.clear_manifest("ve-1")
    writer.add_lines("ve-1", [ManifestLine("a", 1, "aa")])
    writer.finish_manifest("ve-1", "")
    writer.clear_manifest("ve-1")
    assert store.manifest("ve-1") == 'aa 1 "a"\n'


def test_an_empty_manifest(writer: TransferWriter, store: TransferStore) -> None:
    """A job without files has a manifest of no lines."""
    writer.add_jobs([row()])
    assert writer.finish_manifest("ve-1", "").root == hashlib.sha256(b"").hexdigest()
    assert store.manifest("ve-1") == ""


def test_a_long_manifest_is_read_in_parts(writer: TransferWriter, store: TransferStore) -> None:
    """The parts make the same text as the whole."""
    writer.add_jobs([row()])
    writer.add_lines("ve-1", [ManifestLine(f"{number:05}", number, "aa") for number in range(12_001)])
    writer.finish_manifest("ve-1", "")
    lines = store.manifest_lines("ve-1")
    assert lines is not None
    assert [line.size for line in lines] == list(range(12_001))


def test_old_manifests_are_pruned(
    writer: TransferWriter, store: TransferStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines go in parts once the results are deleted long enough; nobody reads a part of a manifest."""
    monkeypatch.setattr("provider_daemon.transfers.writer.PRUNED_AT_ONCE", 2)
    for name in ("ve-1", "ve-2"):
        writer.add_jobs([row(name)])
        writer.add_lines(name, [ManifestLine(str(number), number, "ab" * 32) for number in range(3)])
        results = writer.finish_manifest(name, "")
    writer.set_deleted("ve-1", 100.0)
    assert writer.prune_manifests(100.0) == 0
    assert store.manifest("ve-1") == store.manifest("ve-2")
    assert writer.prune_manifests(101.0) == 2
    assert store.manifest("ve-1") is None
    assert [writer.prune_manifests(101.0) for _ in range(2)] == [1, 0]
    known = store.job("ve-1")
    assert known is not None
    assert known.transfer.results == results
    assert store.manifest("ve-2")


@given(st.binary(min_size=1).filter(lambda path: b"\0" not in path))
def test_a_line_is_one_line_of_ascii(path: bytes) -> None:
    """Any file name makes one line, from which it can be read back."""
    text = str(ManifestLine(path.decode(errors="surrogateescape"), 1, "aa"))
    assert text.isascii()
    assert text.splitlines() == [text[:-1]]
    found = json.loads(text.split(" ", 2)[2])
    assert found.encode(errors="surrogateescape") == path


def test_lines_are_sorted_by_the_bytes_of_the_path(writer: TransferWriter, store: TransferStore) -> None:
    """The order does not depend on a locale, nor on how the path is decoded."""
    paths = [b"z", b"a/b", b"a", b"a-b", "\u00e9".encode(), b"\xff", "\U0001f600".encode()]
    writer.add_jobs([row()])
    writer.add_lines("ve-1", [ManifestLine(path.decode(errors="surrogateescape"), 0, "aa") for path in paths])
    writer.finish_manifest("ve-1", "")
    lines = store.manifest_lines("ve-1")
    assert lines is not None
    assert [line.path.encode(errors="surrogateescape") for line in lines] == sorted(paths)


def test_a_delivery_ends_once(writer: TransferWriter, store: TransferStore) -> None:
    """A delivery that has ended is not counted a second time."""
    writer.add_jobs([row(delivery=Delivery.WAITING)])
    writer.set_delivery("ve-1", Delivery.WAITING, "connection refused")
    writer.set_delivery("ve-1", Delivery.DONE, bytes_out=10)
    writer.set_delivery("ve-1", Delivery.DONE, bytes_out=10)
    found = store.job("ve-1")
    assert found is not None
    assert (found.delivery, found.transfer.bytes_out) == (Delivery.DONE, 10)


def test_samples_stop_when_the_job_is_settled(writer: TransferWriter, store: TransferStore) -> None:
    """What the final report says does not change after it; the first exceeded quota is kept."""
    writer.add_jobs([row()])
    writer.add_sample("ve-1", 10, 1, 200.0, byte_seconds=1000, over_quota="over")
    writer.add_sample("ve-1", 5, 1, 300.0, byte_seconds=1500)
    writer.settle("ve-1")
    writer.add_sample("ve-1", 99, 9, 400.0, byte_seconds=9999)
    transfer = store.facts(["ve-1"])["ve-1"]
    assert (transfer.over_quota, transfer.storage_byte_seconds) == ("over", 1500)
    found = store.job("ve-1")
    assert found is not None
    assert (found.storage_bytes, found.storage_inodes, found.sampled_at) == (5, 1, 300.0)


def unfinished(writer: TransferWriter, now: float) -> list[str]:
    return [job.name for job in writer.unfinished("HPC-1", now)]


def test_a_job_is_unfinished_until_nothing_is_left_to_do(writer: TransferWriter) -> None:
    """Nothing that is still to be done is lost at a restart."""
    writer.add_jobs([row()])
    writer.begin_staging("ve-1", "/staged")
    steps: list[Callable[[], None]] = [
        lambda: writer.set_closed("ve-1", 200.0, 300.0),
        lambda: writer.settle("ve-1"),
        lambda: writer.set_unstaged("ve-1", 250.0),
    ]
    for step in steps:
        assert unfinished(writer, 299.0) == ["ve-1"]
        step()
    assert unfinished(writer, 299.0) == []
    assert unfinished(writer, 300.0) == ["ve-1"]
    writer.set_deleted("ve-1", 301.0)
    assert unfinished(writer, 302.0) == []
    assert writer.known(["ve-1", "ve-2"]) == {"ve-1"}
    found = writer.job("ve-1")
    assert found is not None
    assert (found.closed_at, found.expires_at, found.deleted_at, found.unstaged_at) == (200, 300, 301, 250)


def test_cached_content(writer: TransferWriter, store: TransferStore) -> None:
    """The least recently used content comes first; fetched bytes count for the job that fetched them."""
    writer.add_jobs([row()])
    old, new = (
        Cached("HPC-1", "ve1customer", name, "aa", 10, 1, 2, 3, used)
        for name, used in (("b", 1.0), ("a", 2.0))
    )
    writer.save_cached([new], fetched_for="ve-1", bytes_in=10)
    writer.save_cached([old])
    assert writer.all_cached("HPC-1") == [old, new]
    assert store.facts(["ve-1"])["ve-1"].bytes_in == 10
    writer.drop_cached("HPC-1", "ve1customer", "b")
    assert writer.cached("HPC-1", "ve1customer", ["a", "b"]) == {"a": new}


def test_meta_values(writer: TransferWriter) -> None:
    """A value that was never set is empty."""
    assert writer.get("scanned:HPC-1") == ""
    writer.set("scanned:HPC-1", "12.5")
    writer.set("scanned:HPC-1", "13.5")
    assert writer.get("scanned:HPC-1") == "13.5"
