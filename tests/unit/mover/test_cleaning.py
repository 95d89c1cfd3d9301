"""What is deleted from the cache beside the least recently used content."""

import pytest

from provider_daemon.errors import Transient
from tests.unit.mover.site import FakeSite, Inode
from tests.unit.mover.world import CUSTOMER, WORK_ROOT, World, reference, sha256

CACHE = f"{WORK_ROOT}/.provd-cache/{CUSTOMER}"
URI = "https://example.org/data"


async def test_files_without_a_row_are_deleted_when_they_are_old(world: World) -> None:
    """Partial files of cancelled jobs; content with a row, and files that may be in use, stay."""
    world.sources.content[URI] = b"input"
    world.add("ve-1", reference(URI, b"input"))
    await world.run()
    world.site.files[f"{CACHE}/old"] = Inode(b"", 901, 1000, 1000)
    world.site.files[f"{CACHE}/new"] = Inode(b"", 902, 3000, 3000)
    assert await world.parts.caches.of("").sweep(2000.0) == 1
    assert set(world.site.below(CACHE)) == {"new", sha256(b"input")}


async def test_a_site_without_a_cache(world: World) -> None:
    """Nothing to delete."""
    assert await world.parts.caches.of("").sweep(2000.0) == 0
    assert await world.parts.caches.of("").evict() == 0


async def test_content_that_is_being_fetched_stays(world: World) -> None:
    """An eviction never takes away what a job is about to link."""
    world.sources.content[URI] = b"input"
    world.add("ve-1", reference(URI, b"input"))
    await world.run()
    world.parts.caches.of("").max_bytes = 1
    path = f".provd-cache/{CUSTOMER}/{sha256(b'input')}"
    async with world.parts.caches.of("")._locks.hold(path):
        assert await world.parts.caches.of("").evict() == 5
    assert await world.parts.caches.of("").evict() == 0


async def test_an_eviction_that_fails_forgets_the_content(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row goes first: a file without row is verified before it is used, a row without file is not."""
    world.sources.content[URI] = b"input"
    world.add("ve-1", reference(URI, b"input"))
    await world.run()
    world.parts.caches.of("").max_bytes = 1

    async def broken(site: FakeSite, root: str, path: str) -> None:
        raise Transient("no connection")

    with monkeypatch.context() as patch:
        patch.setattr(FakeSite, "remove", broken)
        with pytest.raises(Transient):
            await world.parts.caches.of("").evict()
    world.add("ve-2", reference(URI, b"input"))
    await world.run()
    assert world.site.hashed == [f"{CACHE}/{sha256(b'input')}"]
    assert len(world.sources.fetched) == 1


async def test_partial_files_count(world: World) -> None:
    """They are evicted after the content, and not while they are written."""
    cache = world.parts.caches.of("")
    cache.max_bytes = 6
    world.site.put(f"{CACHE}/.provd-partial-1", b"12345")
    world.site.put(f"{CACHE}/.provd-partial-2", b"12345")
    first, second = (world.site.files[f"{CACHE}/.provd-partial-{n}"] for n in (1, 2))
    first.mtime = second.mtime = int(world.clock.now())
    assert await cache.evict() == 10
    first.mtime -= 3601
    assert await cache.evict() == 5
    assert f"{CACHE}/.provd-partial-2" in world.site.files
    cache.max_bytes, second.mtime = 0, 0
    assert await cache.evict() == 5
