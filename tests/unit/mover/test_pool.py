"""With a pool of Unix users, a customer's inputs are staged and cached as the job's user."""

from dataclasses import replace

from provider_daemon.job.transfer import InputState
from provider_daemon.mover.facts import facts_of
from tests.unit.job.jobs import JOB
from tests.unit.mover.test_stage import CONTENT, served
from tests.unit.mover.world import CUSTOMER, WORK_ROOT, World, sha256


async def test_inputs_are_below_the_directory_of_the_jobs_user(world: World) -> None:
    """Staged and cached there: a hard link needs one owner."""
    world.add("ve-1", served(world))
    world._change("ve-1", user="u1")
    await world.run()
    assert world.row("ve-1").transfer.staged == f"{WORK_ROOT}/u1/.provd-inputs/ve-1"
    assert sorted(world.site.files) == [
        f"{WORK_ROOT}/u1/.provd-cache/{CUSTOMER}/{sha256(CONTENT)}",
        f"{WORK_ROOT}/u1/.provd-inputs/ve-1/data.bin",
    ]


async def test_a_job_that_gets_another_user_is_staged_again(world: World) -> None:
    """The pool is new, or the site gave its user away. The old place is emptied."""
    world.add("ve-1", served(world))
    await world.run()
    assert world.row("ve-1").transfer.staged == f"{WORK_ROOT}/.provd-inputs/ve-1"
    world._change("ve-1", user="u1")
    await world.run()
    row = world.row("ve-1")
    assert (row.transfer.inputs, row.transfer.staged) == (
        InputState.READY,
        f"{WORK_ROOT}/u1/.provd-inputs/ve-1",
    )
    assert f"{WORK_ROOT}/.provd-inputs/ve-1/data.bin" not in world.site.files


async def test_each_users_cache_is_kept_within_the_limit(world: World) -> None:
    """Also that of a user whose customer has no job now."""
    for name, user in (("ve-1", ""), ("ve-2", "u1")):
        world.add(name, served(world))
        world._change(name, user=user)
        await world.run()
    world.cluster = world.cluster.model_copy(update={"accounts": "pool", "pool": object()})
    await world.stop()
    world.start()
    assert await world.parts.caches.evict() == 2 * len(CONTENT)
    for user in ("", "u1"):
        world.parts.caches.of(user).max_bytes = 1
    assert await world.parts.caches.evict() == 0
    assert not [path for path in world.site.files if "/.provd-cache/" in path]


def test_a_job_that_needs_a_user_is_not_staged_before_it_has_one() -> None:
    """The shared user's files would be the wrong place; a job that was submitted as that user keeps it."""
    assert facts_of(JOB).stageable
    assert not facts_of(JOB, pooled=True).stageable
    assert facts_of(replace(JOB, user="u1"), pooled=True).stageable
    shared = replace(JOB, intent_at=1.0, directory=f"{WORK_ROOT}/ve-1.00c0ffee")
    assert facts_of(shared, pooled=True).stageable
