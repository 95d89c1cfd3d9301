"""Results are deleted after their retention, and nothing else ever is."""

from dataclasses import replace

import pytest

from provider_daemon.errors import Transient
from provider_daemon.mover.retention import count_orphans
from tests.unit.mover.world import DAY, WORK_ROOT, World, reference

DIRECTORY = f"{WORK_ROOT}/ve-1.00c0ffee"
URI = "https://example.org/data"


async def closed(world: World) -> None:
    world.sources.content[URI] = b"input"
    world.add("ve-1", reference(URI, b"input"))
    await world.run()
    world.submit("ve-1")
    world.finish("ve-1", result=b"42")
    await world.run()
    world.close("ve-1")
    await world.run()


async def test_results_stay_until_they_expire(world: World) -> None:
    """`expires_at` is what the customer was promised; the directory goes after it, and the row says when."""
    await closed(world)
    row = world.row("ve-1")
    assert row.expires_at == world.clock.at + 14 * DAY
    world.clock.at = row.expires_at - 1
    await world.run()
    assert world.site.there(DIRECTORY)
    world.clock.at += 1
    await world.run()
    assert not world.site.there(DIRECTORY)
    assert world.row("ve-1").deleted_at == world.clock.at


async def test_directories_of_earlier_submissions_go_too(world: World) -> None:
    """A submission that started no job may have left one; other jobs' directories stay."""
    for path in ("ve-1.00000001/x", "ve-1.ffffffff/x", "ve-10.00000001/x", "ve-1.log/x"):
        world.site.put(f"{WORK_ROOT}/{path}", b"")
    await closed(world)
    world.clock.at += 14 * DAY
    await world.run()
    left = {path.split("/")[2] for path in world.site.files if path.startswith(f"{WORK_ROOT}/ve-")}
    assert left == {"ve-10.00000001", "ve-1.log"}


async def test_the_claim_goes_with_the_directory(world: World) -> None:
    """Until then a second SLURM job of the job finds it; other jobs' claims stay."""
    await closed(world)
    claims = [f"{WORK_ROOT}/.provd-claims/{name}" for name in ("ve-1", "ve-10")]
    for path in claims:
        world.site.put(path, b"")
    world.clock.at += 14 * DAY - 1
    await world.run()
    assert world.site.files.keys() >= {*claims}
    world.clock.at += 1
    await world.run()
    assert [path in world.site.files for path in claims] == [False, True]


async def test_staged_inputs_go_when_the_job_is_closed(world: World) -> None:
    """They are links: the job's own directory keeps them as long as its results."""
    await closed(world)
    row = world.row("ve-1")
    assert not world.site.there(row.staging)
    assert row.unstaged_at == world.clock.at
    assert f"{DIRECTORY}/inputs/data" in world.site.files


async def test_a_job_that_is_not_closed_is_never_deleted(world: World) -> None:
    """However long it takes until the chain accepts its final report."""
    world.add("ve-1")
    await world.run()
    world.submit("ve-1")
    world.finish("ve-1")
    world.clock.at += 365 * DAY
    await world.run()
    assert world.site.there(DIRECTORY)
    assert world.row("ve-1").expires_at is None


async def test_a_job_that_left_the_ledger_is_never_deleted(world: World) -> None:
    """A dropped job's directory stays, also when its number belongs to another job."""
    await closed(world)
    job = world.ledger.all.pop("ve-1")
    world.ledger.all["ve-2"] = replace(job, name="ve-2", directory=f"{WORK_ROOT}/ve-2.00c0ffee")
    world.clock.at += 365 * DAY
    await world.run()
    assert world.site.there(DIRECTORY)
    assert world.parts.mover.unknown == 1


async def restarted_with(world: World, results_days: float) -> None:
    """Ends the mover, and starts it with another retention when the results would have expired."""
    promised = world.row("ve-1").expires_at
    await world.stop()
    data = world.cluster.data.model_copy(update={"results_days": results_days})
    world.cluster = world.cluster.model_copy(update={"data": data})
    world.start()
    assert promised is not None
    world.clock.at = promised - 1
    await world.run()
    assert world.site.there(DIRECTORY)
    world.clock.at = promised
    await world.run()


async def test_a_shorter_retention_does_not_break_a_promise(world: World) -> None:
    """What a customer could read as `expires_at` holds."""
    await closed(world)
    await restarted_with(world, 1)
    assert world.row("ve-1").deleted_at == world.clock.at


async def test_a_longer_retention_extends(world: World) -> None:
    """Results that would expire now stay when the new configuration keeps them longer."""
    await closed(world)
    await restarted_with(world, 16)
    assert world.site.there(DIRECTORY)
    assert world.row("ve-1").expires_at == world.clock.at + 2 * DAY


@pytest.mark.parametrize(
    "directory", ["/", "/scratch", "/scratch/other.00c0ffee", "/scratch/ve-1.00c0ffee/..", "ve-1.00c0ffee"]
)
async def test_a_path_that_is_not_the_jobs_own_is_never_deleted(world: World, directory: str) -> None:
    """A damaged ledger cannot make the mover delete anything else."""
    await closed(world)
    world.ledger.all["ve-1"] = replace(world.ledger.all["ve-1"], directory=directory)
    before = dict(world.site.files)
    world.clock.at += 15 * DAY
    await world.run()
    assert world.site.files == before
    assert world.row("ve-1").deleted_at is None
    assert world.parts.mover.counts.steps["delete", "failed"] == 1


async def test_a_failed_deletion_is_repeated(world: World) -> None:
    """The row says that it is deleted only when it is."""
    await closed(world)
    world.clock.at += 15 * DAY
    world.site.down = Transient("no connection")
    await world.run()
    assert world.row("ve-1").deleted_at is None
    world.site.down = None
    world.clock.at += 5
    await world.run()
    assert world.row("ve-1").deleted_at == world.clock.at


async def test_a_directory_that_is_gone_counts_as_deleted(world: World) -> None:
    """Somebody else deleted it: nothing is left to do."""
    await closed(world)
    await world.site.remove(WORK_ROOT, "ve-1.00c0ffee")
    world.clock.at += 15 * DAY
    await world.run()
    assert world.row("ve-1").deleted_at == world.clock.at


async def test_directories_of_unknown_jobs_are_counted(world: World) -> None:
    """They are never deleted, and nothing else in work_root counts."""
    world.add("ve-1")
    for path in ("ve-1.00c0ffee/x", "ve-9.00c0ffee/x", "ve-8.00c0ffee/x", "other/x", ".provd-cache/a/b"):
        world.site.put(f"{WORK_ROOT}/{path}", b"")
    assert await count_orphans(world.site, world.ledger, WORK_ROOT) == 2
