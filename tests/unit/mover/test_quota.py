"""The storage of running jobs is sampled, integrated and limited."""

import pytest

from provider_daemon.config.model import ClusterDataConfig
from provider_daemon.job.transfer import Transfer
from provider_daemon.mover.quota import to_measure
from provider_daemon.mover.storage import GB, byte_seconds, over_quota
from provider_daemon.transfers.rows import JobTransfer
from tests.unit.mover.world import World


def row(size: int = 0, sampled_at: float | None = None, used: int = 0) -> JobTransfer:
    transfer = Transfer(storage_byte_seconds=used)
    return JobTransfer(
        "ve-1", "HPC-1", "JOB-1", "ve1customer", 0.0, transfer, storage_bytes=size, sampled_at=sampled_at
    )


@pytest.mark.parametrize(
    ("before", "size", "now", "wall", "expected"),
    [
        (row(), 100, 50.0, None, 0),  # the first sample begins the integral
        (row(100, 50.0, 0), 300, 110.0, None, 200 * 60),  # the mean of both
        (row(300, 110.0, 12_000), 300, 170.0, 500, 12_000 + 300 * 60),  # the last one
        (row(300, 110.0, 12_000), 300, 99_999.0, 500, 12_000 + 300 * 500),  # seen long after the end
        (row(), 300, 99_999.0, 10, 1500),  # no sample while it ran
        (row(100, 50.0, 7), 100, 40.0, None, 7),  # the clock was set back
    ],
)
def test_byte_seconds(before: JobTransfer, size: int, now: float, wall: int | None, expected: int) -> None:
    """Never more than the run time times the size."""
    assert byte_seconds(before, size, now, wall) == expected


def test_over_quota() -> None:
    """The reason names the size and the limit; 0 is no limit."""
    limits = ClusterDataConfig(scratch_quota_gb=10, inodes=100)
    assert over_quota(10 * GB, 100, limits) == ""
    assert over_quota(12 * GB + 1, 1, limits) == (
        "the job's directory has 12.0 GB, and this cluster allows 10 GB"
    )
    assert over_quota(0, 101, limits) == (
        "the job's directory has 101 files and directories, and this cluster allows 100"
    )
    assert over_quota(10**18, 10**9, ClusterDataConfig()) == ""


async def test_running_jobs_are_measured(world: World) -> None:
    """A job over its quota is marked, with a reason that the daemon reports."""
    world.parts.quota._limits = ClusterDataConfig(inodes=2)
    for name in ("ve-1", "ve-2", "ve-3"):
        world.add(name)
    await world.run()
    world.submit("ve-1")
    world.submit("ve-2")
    await world.run()
    world.site.put("/scratch/ve-2.00c0ffee/big", b"x" * 10)
    await world.parts.quota.measure(to_measure(world.parts.mover.jobs))
    assert world.row("ve-1").transfer.over_quota == ""
    found = world.row("ve-2")
    assert "has 3 files" in found.transfer.over_quota
    assert (found.storage_bytes, found.storage_inodes, found.sampled_at) == (10, 3, world.clock.at)
    assert world.row("ve-3").sampled_at is None


async def test_storage_is_integrated_until_the_end(world: World) -> None:
    """Samples while the job runs, and one of what it left."""
    world.add("ve-1")
    await world.run()
    world.submit("ve-1")
    await world.run()
    await world.parts.quota.measure(to_measure(world.parts.mover.jobs))
    world.clock.at += 60
    world.site.put("/scratch/ve-1.00c0ffee/big", b"x" * 1000)
    await world.parts.quota.measure(to_measure(world.parts.mover.jobs))
    world.clock.at += 10
    world.finish("ve-1", wall_seconds=70)
    await world.run()
    assert world.row("ve-1").transfer.storage_byte_seconds == 500 * 60 + 1000 * 10


async def test_a_sample_after_the_end_changes_nothing(world: World) -> None:
    """A measurement that took longer than the job does not count twice."""
    world.add("ve-1")
    await world.run()
    world.submit("ve-1")
    await world.run()
    running = to_measure(world.parts.mover.jobs)
    world.finish("ve-1")
    await world.run()
    before = world.row("ve-1")
    world.clock.at += 100
    await world.parts.quota.measure(running)
    assert world.row("ve-1") == before


async def test_a_vanished_directory_stops_no_other_sample(world: World) -> None:
    """Its job is measured again later."""
    for name in ("ve-1", "ve-2"):
        world.add(name)
    await world.run()
    world.submit("ve-1")
    world.submit("ve-2")
    await world.run()
    await world.site.remove("/scratch", "ve-1.00c0ffee")
    await world.parts.quota.measure(to_measure(world.parts.mover.jobs))
    assert world.row("ve-1").sampled_at is None
    assert world.row("ve-2").sampled_at == world.clock.at
