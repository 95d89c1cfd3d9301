"""Manifests, deliveries and the last sample of a job that is over."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from provider_daemon.encryption.identity import generate
from provider_daemon.errors import Refused, Transient
from provider_daemon.mover.targets import TargetRefused
from provider_daemon.site_files.values import Skipped, SkipReason
from provider_daemon.transfers.rows import Delivery
from provider_daemon.transfers.store import TransferStore
from tests.unit.mover.world import WORK_ROOT, World

TARGET = "https://bucket.example.org/results.tar?signature=x"
ARCHIVE = b"output.txt:result:42"


async def ended(world: World, name: str = "ve-1", outputs_pointer: str = "") -> None:
    world.add(name, outputs_pointer=outputs_pointer)
    await world.run()
    world.submit(name)
    world.finish(name, result=b"42")
    await world.run()


async def test_a_manifest_is_made(world: World) -> None:
    """Every regular file but the inputs, with its hash; then the job is settled."""
    await ended(world)
    row = world.row("ve-1")
    empty, result = hashlib.sha256(b"").hexdigest(), hashlib.sha256(b"42").hexdigest()
    text = f'{empty} 0 "output.txt"\n{result} 2 "result"\n'
    assert TransferStore(world.path).manifest("ve-1") == text
    assert row.transfer.results is not None
    assert row.transfer.results.root == hashlib.sha256(text.encode()).hexdigest()
    assert (row.transfer.results.files, row.transfer.results.bytes) == (2, 2)
    assert row.transfer.settled
    assert row.results_detail == ""


async def test_what_a_manifest_leaves_out_is_counted(world: World) -> None:
    """A link is not followed, and not hidden either."""
    world.site.skipped = [
        Skipped("a", SkipReason.SYMBOLIC_LINK),
        Skipped("b", SkipReason.SYMBOLIC_LINK),
        Skipped("c", SkipReason.FIFO),
    ]
    await ended(world)
    assert world.row("ve-1").results_detail == "left out: 1 fifo, 2 symbolic link"
    assert world.row("ve-1").transfer.results is not None


async def test_a_missing_directory_settles_the_job(world: World) -> None:
    """The final report does not wait for results that do not exist."""
    world.add("ve-1")
    await world.run()
    world.submit("ve-1")
    await world.site.remove(WORK_ROOT, "ve-1.00c0ffee")
    world.finish("ve-1")
    await world.run()
    row = world.row("ve-1")
    assert row.transfer.settled
    assert row.transfer.results is None
    assert "cannot be read" in row.results_detail


async def test_too_many_files(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job is settled without a manifest, and no part of one stays."""
    monkeypatch.setattr("provider_daemon.mover.results.MAX_FILES", 1)
    await ended(world)
    row = world.row("ve-1")
    assert (row.transfer.settled, row.transfer.results) == (True, None)
    assert row.results_detail == "the job's directory has more than 1 files"
    assert TransferStore(world.path).manifest("ve-1") is None


async def test_a_site_that_is_down_delays_the_manifest(world: World) -> None:
    """A failure to read is not an empty directory."""
    world.add("ve-1")
    await world.run()
    world.submit("ve-1")
    world.finish("ve-1", result=b"42")
    world.site.down = Transient("no connection")
    await world.run()
    assert not world.row("ve-1").transfer.settled
    world.site.down = None
    world.clock.at += 5
    await world.run()
    assert world.row("ve-1").transfer.results is not None


async def test_a_job_that_did_not_run(world: World) -> None:
    """A job that was refused has no results; nothing is kept until a retention."""
    world.add("ve-1", outputs_pointer=TARGET)
    await world.run()
    world.close("ve-1")
    await world.run()
    row = world.row("ve-1")
    assert row.transfer.settled
    assert row.results_detail == "the job did not run"
    assert (row.delivery, row.delivery_detail) == (
        Delivery.FAILED,
        "there are no results to deliver: the job did not run",
    )
    assert row.deleted_at == world.clock.at


async def test_storage_of_a_short_job(world: World) -> None:
    """A job without a sample while it ran counts from an empty directory to what it left."""
    await ended(world)
    assert world.row("ve-1").transfer.storage_byte_seconds == 2 * 100 // 2


async def test_results_are_delivered(world: World) -> None:
    """One archive without the inputs; its bytes count as moved."""
    await ended(world, outputs_pointer=TARGET)
    row = world.row("ve-1")
    assert (row.delivery, row.transfer.bytes_out) == (Delivery.DONE, len(ARCHIVE))
    assert row.transfer.settled
    assert world.uploader.received == {TARGET: ARCHIVE}


async def test_results_are_encrypted_to_the_recipient_in_the_pointer(world: World) -> None:
    """It counts more than the key on the chain."""
    key = generate()
    world.keys.key = b"k" * 32
    await ended(world, outputs_pointer=f"{TARGET}#{key.recipient}")
    assert world.uploader.received == {TARGET: b"encrypted:" + key.public_key + ARCHIVE}
    assert world.row("ve-1").transfer.bytes_out == len(ARCHIVE) + 42


async def test_results_are_encrypted_to_the_key_on_the_chain(world: World) -> None:
    """A customer with a recipient key never gets plain results."""
    world.keys.key = b"k" * 32
    await ended(world, outputs_pointer=TARGET)
    assert world.uploader.received[TARGET].startswith(b"encrypted:" + b"k" * 32)


async def test_a_customer_with_unusable_keys_gets_nothing_unencrypted(world: World) -> None:
    """No usable key is never "no encryption"."""
    world.keys.error = Refused("ve1customer has no usable recipient key on the chain: 12ab revoked")
    await ended(world, outputs_pointer=TARGET)
    row = world.row("ve-1")
    assert row.delivery is Delivery.FAILED
    assert "not sent unencrypted" in row.delivery_detail
    assert world.uploader.received == {}
    assert row.transfer.settled


@pytest.mark.parametrize("pointer", ["ftp://example.org/x", "https://example.org/x#age1wrong", "s3://bucket"])
async def test_an_invalid_target_is_final(world: World, pointer: str) -> None:
    """The results stay with the gateway, and the row says why."""
    await ended(world, outputs_pointer=pointer)
    row = world.row("ve-1")
    assert row.delivery is Delivery.FAILED
    assert "output pointer" in row.delivery_detail
    assert row.transfer.settled


async def test_a_target_that_refuses_is_final(world: World) -> None:
    """A presigned URL that has expired does not get better."""
    world.uploader.errors = [TargetRefused("the target refuses the results (HTTP 403)")]
    await ended(world, outputs_pointer=TARGET)
    row = world.row("ve-1")
    assert (row.delivery, row.transfer.bytes_out) == (Delivery.FAILED, 0)
    assert "HTTP 403" in row.delivery_detail


async def test_a_target_that_is_down_is_tried_again(world: World) -> None:
    """The final report waits for it, as long as the daemon allows."""
    world.uploader.errors = [Transient("the target cannot answer now (HTTP 503)")]
    await ended(world, outputs_pointer=TARGET)
    row = world.row("ve-1")
    assert (row.delivery, row.transfer.settled) == (Delivery.WAITING, False)
    assert "HTTP 503" in row.delivery_detail
    world.clock.at += 5
    await world.run()
    assert world.row("ve-1").delivery is Delivery.DONE


async def test_a_directory_that_changes_while_it_is_delivered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size that the target was given must be right: the directory is read again."""
    sizes = iter([b"12", b"1", b"123", b"1234", b"123", b"123"])

    async def packed(root: str, exclude: tuple[str, ...]) -> AsyncIterator[bytes]:
        yield next(sizes)

    monkeypatch.setattr("tests.unit.mover.site.FakeSite._packed", lambda self, *more: packed(*more))
    await ended(world, outputs_pointer=TARGET)
    for _ in range(2):
        assert world.row("ve-1").delivery is Delivery.WAITING
        assert "changed while it was delivered" in world.row("ve-1").delivery_detail
        world.clock.at += 100
        await world.run()
    assert world.row("ve-1").delivery is Delivery.DONE
    assert world.uploader.received == {TARGET: b"123"}


async def test_jobs_that_ended_while_the_mover_was_down(tmp_path: Path) -> None:
    """A job that the mover never saw open is listed and expires like any other."""
    world = World(tmp_path, results_days=1)
    world.add("ve-1")
    directory = f"{WORK_ROOT}/ve-1.00c0ffee"
    world.site.put(f"{directory}/output.txt", b"done")
    world._change("ve-1", stageable=False, ran=True, directory=directory, over=True, closed_at=world.clock.at)
    world.clock.at += 1000
    world.start()
    await world.run()
    row = world.row("ve-1")
    assert row.transfer.results is not None
    assert row.expires_at == world.clock.at - 1000 + 86_400
    await world.stop()
