"""Inputs are fetched once, verified, and whole before anybody is told that they are ready."""

import asyncio
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.errors import Transient
from provider_daemon.job.references import DataReference
from provider_daemon.job.transfer import InputState
from provider_daemon.mover import stage
from provider_daemon.site_files.values import NoSpace, NotAllowed
from provider_daemon.sources.inputs import Input, Scheme
from tests.unit.mover.world import CUSTOMER, DAY, WORK_ROOT, World, reference, sha256

URI, CONTENT = "https://example.org/data.bin", b"0123456789abcdef"
CACHED = f"{WORK_ROOT}/.provd-cache/{CUSTOMER}/{sha256(CONTENT)}"


def served(world: World, uri: str = URI, content: bytes = CONTENT) -> DataReference:
    world.sources.content[uri] = content
    return reference(uri, content)


async def test_inputs_become_ready(world: World) -> None:
    """All inputs are below the staging directory, under the names that the customer chose."""
    other = reference("upload:" + sha256(b"other"), b"other", name="second.txt")
    world.sources.content[other.uri.partition("#")[0]] = b"other"
    world.add("ve-1", served(world), other)
    await world.run()
    row = world.row("ve-1")
    assert (row.transfer.inputs, row.transfer.bytes_in) == (InputState.READY, len(CONTENT) + 5)
    assert row.transfer.staged == f"{WORK_ROOT}/.provd-inputs/ve-1"
    assert world.site.below(row.transfer.staged) == {"data.bin": CONTENT, "second.txt": b"other"}


async def test_a_job_without_inputs_is_ready_at_once(world: World) -> None:
    """It gets a row, and no directory."""
    world.add("ve-1")
    await world.run()
    assert world.row("ve-1").transfer.inputs is InputState.READY
    assert world.row("ve-1").transfer.staged == ""
    assert world.site.files == {}


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (DataReference(uri="ftp://example.org/x"), "unknown scheme"),
        (DataReference(uri="https://example.org/x"), "requires a checksum"),
        (DataReference(uri=URI, checksum=sha256(b"wrong")), "checksum"),
        (DataReference(uri=URI, checksum=sha256(CONTENT), size_bytes=10**12), "this site accepts"),
        (DataReference(uri="site:genomes"), "unknown dataset"),
    ],
)
async def test_a_refused_input_is_final(world: World, wrong: DataReference, reason: str) -> None:
    """The job's inputs fail with a reason that the customer can act on, and nothing is tried again."""
    served(world)
    world.add("ve-1", wrong)
    await world.run()
    row = world.row("ve-1")
    assert row.transfer.inputs is InputState.FAILED
    assert reason in row.transfer.detail
    world.clock.at += 1000
    fetches = len(world.sources.fetched)
    await world.run()
    assert len(world.sources.fetched) == fetches


async def test_one_refused_input_fails_the_job(world: World) -> None:
    """Also if another input only waits: the final reason counts."""
    world.add(
        "ve-1", DataReference(uri=URI, checksum=sha256(b"x")), reference("upload:" + sha256(b"y"), b"y")
    )
    world.sources.content[URI] = CONTENT
    await world.run()
    assert world.row("ve-1").transfer.inputs is InputState.FAILED


async def test_a_thousand_jobs_fetch_one_content_once(world: World) -> None:
    """The others wait for the first, and link what it brought."""
    one = served(world)
    for number in range(1000):
        world.add(f"ve-{number}", one)
    await world.run()
    assert world.sources.fetched == [(URI, 0)]
    rows = [world.row(f"ve-{number}") for number in range(1000)]
    assert {row.transfer.inputs for row in rows} == {InputState.READY}
    assert sum(row.transfer.bytes_in for row in rows) == len(CONTENT)
    assert len({id(world.site.files[f"{row.transfer.staged}/data.bin"]) for row in rows}) == 1


def small(world: World, *numbers: int) -> list[DataReference]:
    """Returns small inputs from both kinds of sources; the content of number 9 is missing."""
    contents = {number: f"content {number}".encode() for number in numbers}
    uris = {
        number: f"https://example.org/{number}" if number % 2 else f"upload:{sha256(contents[number])}"
        for number in numbers
    }
    world.sources.content |= {uris[number]: contents[number] for number in numbers if number != 9}
    return [reference(uris[number], contents[number], name=str(number)) for number in numbers]


async def test_small_inputs_are_stored_together(world: World) -> None:
    """One request stores them; the next job links what is there, and adds what is new."""
    world.add("ve-1", *small(world, 1, 2, 3, 4))
    await world.run()
    assert world.site.stored == [4]
    row = world.row("ve-1")
    assert (row.transfer.inputs, row.transfer.bytes_in) == (InputState.READY, 4 * len("content 1"))
    world.add("ve-2", *small(world, 3, 4, 5, 6))
    await world.run()
    assert world.site.stored == [4, 2]
    staged = world.site.below(world.row("ve-2").transfer.staged)
    assert staged == {str(number): f"content {number}".encode() for number in (3, 4, 5, 6)}


async def test_a_small_input_that_fails_stops_no_other(world: World) -> None:
    """The others are stored and not fetched again; a final reason counts more than one that may pass."""
    world.add("ve-1", *small(world, 1, 2, 9, 4))
    await world.run()
    assert world.row("ve-1").transfer.detail == "9: connection refused"
    assert world.site.stored == [3]
    world.add(
        "ve-2", *small(world, 9), DataReference(uri=URI, checksum=sha256(b"x"), size_bytes=len(CONTENT))
    )
    world.sources.content[URI] = CONTENT
    await world.run()
    assert "wrong checksum" in world.row("ve-2").transfer.detail
    world.sources.content["https://example.org/9"] = b"content 9"
    world.clock.at += 5
    await world.run()
    assert world.row("ve-1").transfer.inputs is InputState.READY
    assert [uri for uri, _ in world.sources.fetched].count("https://example.org/1") == 1


async def test_one_content_under_two_names(world: World) -> None:
    """It is fetched once and linked twice."""
    world.sources.content[URI] = CONTENT
    world.add("ve-1", reference(URI, CONTENT, name="a"), reference(URI, CONTENT, name="b"))
    await world.run()
    assert world.site.below(world.row("ve-1").transfer.staged) == {"a": CONTENT, "b": CONTENT}
    assert world.sources.fetched == [(URI, 0)]


@given(
    st.lists(st.builds(
        Input, st.just("f"), st.just("u"), st.sampled_from([Scheme.UPLOAD, Scheme.SITE]), st.none(),
        st.none() | st.integers(0, 2 * stage.SMALL_BYTES), st.just(0), st.booleans(),
    ), max_size=1200)
)  # fmt: skip
def test_batches(inputs: list[Input]) -> None:
    """All inputs are in one batch each; those with several hold only small ones, and fit into memory."""
    batches = list(stage.batches(inputs))
    assert sorted(map(id, inputs)) == sorted(id(each) for batch in batches for each in batch)
    for batch in batches:
        sizes = [each.size for each in batch]
        assert batch
        assert len(batch) == 1 or sum(size or 0 for size in sizes) <= stage.BATCH_BYTES
        assert len(batch) == 1 or not any(each.encrypted or each.scheme is Scheme.SITE for each in batch)
        assert len(batch) <= stage.BATCH_INPUTS
    alone = sum(each.encrypted or each.scheme is Scheme.SITE or each.size is None for each in inputs)
    assert len(batches) >= alone


async def test_another_customer_shares_nothing(world: World) -> None:
    """Customers prove that they have content by bringing it, not by knowing its hash."""
    one = served(world)
    world.add("ve-1", one)
    world.ledger.all["ve-2"] = replace(world.add("ve-2", one), customer="ve1other")
    await world.run()
    assert len(world.sources.fetched) == 2


async def test_a_lost_connection_is_resumed(world: World) -> None:
    """The next attempt asks only for the rest."""
    world.sources.cut = [2]
    world.add("ve-1", served(world))
    await world.run()
    row = world.row("ve-1")
    assert (row.transfer.inputs, row.transfer.detail) == (
        InputState.WAITING,
        "data.bin: the connection ended within the content",
    )
    world.clock.at += 5
    await world.run()
    assert world.sources.fetched == [(URI, 0), (URI, 8)]
    assert world.row("ve-1").transfer.inputs is InputState.READY
    assert world.row("ve-1").transfer.detail == ""


async def test_parts_that_do_not_fit_are_fetched_again(world: World) -> None:
    """Content that changed between two parts fails only if the whole has the wrong checksum."""
    world.sources.cut = [2]
    world.add("ve-1", served(world))
    await world.run()
    world.site.parts[CACHED] = b"XXXXXXXX"
    world.clock.at += 5
    await world.run()
    assert world.row("ve-1").transfer.inputs is InputState.WAITING
    world.clock.at += 20
    await world.run()
    assert world.sources.fetched[-1] == (URI, 0)
    assert world.row("ve-1").transfer.inputs is InputState.READY


async def test_a_failing_source_is_asked_less_and_less(world: World) -> None:
    """5 s, 10 s, 20 s ... and never more than 10 minutes apart; given up after a day."""
    world.add("ve-1", reference(URI, CONTENT))
    times = []
    start = world.clock.at
    while world.clock.at < start + DAY + 700:
        before = len(world.sources.fetched)
        await world.run()
        if len(world.sources.fetched) > before:
            times.append(world.clock.at - start)
        world.clock.at += 5
    assert times[:4] == [0, 5, 15, 35]
    assert max(b - a for a, b in pairwise(times)) == 600
    row = world.row("ve-1")
    assert row.transfer.inputs is InputState.FAILED
    assert "within 24 hours" in row.transfer.detail
    assert "connection refused" in row.transfer.detail


async def test_problems_of_the_site_are_not_shown_to_customers(world: World) -> None:
    """Host names and paths of the site are for its operator."""
    world.add("ve-1", served(world))
    world.site.down = Transient("ssh provd@login1.internal:22: connection refused")
    await world.run()
    assert world.row("ve-1").transfer.detail == "the site's file system cannot be used at the moment"
    world.site.down = None
    world.clock.at += 5
    await world.run()
    assert world.row("ve-1").transfer.inputs is InputState.READY


@pytest.mark.parametrize("problem", [NoSpace("the file system is full"), NotAllowed("permission denied")])
async def test_a_problem_of_the_site_fails_no_job(world: World, problem: Exception) -> None:
    """A full disk or a wrong mode of work_root is the operator's to fix: the inputs wait."""
    world.add("ve-1", served(world))
    world.site.down = problem
    await world.run()
    assert world.row("ve-1").transfer.inputs is InputState.WAITING


async def test_a_changed_cached_file_is_fetched_again(world: World) -> None:
    """A job can write into the cache through its hard link; the next job gets the right content."""
    one = served(world)
    world.add("ve-1", one)
    await world.run()
    world.site.change(CACHED, b"XXXXXXXXXXXXXXXX", keep_mtime=True)
    world.add("ve-2", one)
    await world.run()
    assert world.site.below(world.row("ve-2").transfer.staged) == {"data.bin": CONTENT}
    assert len(world.sources.fetched) == 2


async def test_a_link_of_a_submission_costs_one_hash(world: World) -> None:
    """A changed ctime alone does not fetch again; without any change nothing is hashed."""
    one = served(world)
    world.add("ve-1", one)
    await world.run()
    world.add("ve-2", one)
    await world.run()
    assert world.site.hashed == []
    world.submit("ve-1")
    world.add("ve-3", one)
    await world.run()
    assert world.site.hashed == [CACHED]
    assert len(world.sources.fetched) == 1


async def test_a_vanished_cached_file_is_fetched_again(world: World) -> None:
    """The row alone proves nothing."""
    one = served(world)
    world.add("ve-1", one)
    await world.run()
    del world.site.files[CACHED]
    world.add("ve-2", one)
    await world.run()
    assert world.row("ve-2").transfer.inputs is InputState.READY
    assert len(world.sources.fetched) == 2


async def test_encrypted_inputs_are_decrypted(world: World) -> None:
    """The checksum is that of the encrypted bytes, which count as moved; the job gets the plain ones."""
    secret = b"encrypted:the plain text"
    world.sources.content[URI] = secret
    world.add("ve-1", reference(URI, secret, encrypted=True))
    world.sources.cut = [3]
    await world.run()
    world.clock.at += 5
    await world.run()
    row = world.row("ve-1")
    assert world.sources.fetched == [(URI, 0), (URI, 12)]
    assert world.site.below(row.transfer.staged) == {"data.bin": b"the plain text"}
    assert row.transfer.bytes_in == len(secret)
    assert list(world.spool.iterdir()) == []
    assert not any(b"encrypted:" in inode.content for inode in world.site.files.values())


async def test_encrypted_inputs_without_a_key(tmp_path: Path) -> None:
    """A provider without a recipient key refuses them."""
    world = World(tmp_path)
    world.cipher = None
    world.start()
    world.add("ve-1", DataReference(uri=URI, checksum=sha256(CONTENT), encrypted=True))
    await world.run()
    assert "no key for encrypted inputs" in world.row("ve-1").transfer.detail
    await world.stop()


async def with_dataset(directory: Path, **reference: object) -> World:
    """A job that wants `genomes`, a directory, or `one`, a file, both at the site."""
    world = World(directory, datasets={"genomes": "/data/genomes", "one": "/data/one", "gone": "/data/gone"})
    world.site.put("/data/genomes/a", b"A")
    world.site.put("/data/one", b"one")
    world.start()
    world.add("ve-1", DataReference(**reference))  # type: ignore[arg-type]
    await world.run()
    await world.stop()
    return world


async def test_a_dataset_of_the_site(tmp_path: Path) -> None:
    """It is a symbolic link at the site, and moves no bytes over the network."""
    world = await with_dataset(tmp_path, uri="site:genomes")
    row = world.row("ve-1")
    assert row.transfer.inputs is InputState.READY
    assert world.site.links == {f"{row.transfer.staged}/genomes": "/data/genomes"}
    assert row.transfer.bytes_in == 0


@pytest.mark.parametrize(
    ("uri", "checksum", "encrypted", "detail"),
    [
        ("site:one", sha256(b"one"), False, ""),
        ("site:one", sha256(b"two"), False, "one: the dataset's SHA-256 is not"),
        (
            "site:genomes",
            sha256(b"A"),
            False,
            "genomes: the dataset's checksum cannot be computed: is a directory",
        ),
        ("site:one", "", True, "one: a dataset of the site cannot be declared as encrypted"),
        ("site:gone", "", False, "gone: the dataset is missing at the site; the operator must restore it"),
    ],
)
async def test_a_dataset_is_checked(
    tmp_path: Path, uri: str, checksum: str, encrypted: bool, detail: str
) -> None:
    """A checksum that the customer declares holds for datasets too; a missing one waits for the operator."""
    world = await with_dataset(tmp_path, uri=uri, checksum=checksum, encrypted=encrypted)
    transfer = world.row("ve-1").transfer
    expected = InputState.WAITING if "gone" in uri else InputState.FAILED if detail else InputState.READY
    assert transfer.inputs is expected
    assert transfer.detail.startswith(detail)


async def test_a_cancelled_job_stops_its_fetch(world: World) -> None:
    """Nothing is fetched for a job that ended, and its staging directory goes when it is closed."""
    world.add("ve-1", served(world))
    world.sources.stalled = True
    world.parts.mover.tick()
    while not world.sources.open:
        await asyncio.sleep(0)
    world.close("ve-1")
    await world.run()
    assert world.sources.open == []
    row = world.row("ve-1")
    assert row.transfer.inputs is InputState.WAITING
    assert row.unstaged_at is not None
    assert not world.site.there(row.staging)


async def test_the_least_recently_used_content_is_evicted(tmp_path: Path) -> None:
    """Until the rest fits; files of jobs are links and stay."""
    world = World(tmp_path, cache_gb=1)
    world.start()
    contents = [bytes([number]) * 10 for number in range(3)]
    for number, content in enumerate(contents):
        world.clock.at += 1
        world.add(f"ve-{number}", served(world, f"https://example.org/{number}", content))
        await world.run()
    world.parts.caches.of("").max_bytes = 20
    assert await world.parts.caches.of("").evict() == 20
    assert f"{WORK_ROOT}/.provd-cache/{CUSTOMER}/{sha256(contents[0])}" not in world.site.files
    assert world.site.below(world.row("ve-0").transfer.staged) == {"0": contents[0]}
    await world.stop()
