"""Manifests and usage of whole trees."""

import hashlib
import os
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provider_daemon.site_files.files import SiteFiles
from provider_daemon.site_files.remote.walking import walk
from provider_daemon.site_files.values import ManifestEntry, Usage


async def manifest(files: SiteFiles, root: Path, *exclude: str) -> list[object]:
    async with files.manifest(str(root), exclude or ("inputs",)) as entries:
        return [each async for each in entries]


def entry(path: str, content: bytes) -> ManifestEntry:
    return ManifestEntry(path, len(content), hashlib.sha256(content).hexdigest())


async def test_manifest(files: SiteFiles, root: Path) -> None:
    """Each file has its size and hash, in the order of the bytes of its whole path; inputs are left out."""
    contents = {"a.txt": b"1", "a/b": b"22", "a/b.c": b"", "a-": b"333", "z": bytes(3_000_000)}
    for path, content in {**contents, "inputs/data": b"x", "a/inputs/own": b"own"}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    contents["a/inputs/own"] = b"own"
    expected = [entry(path, contents[path]) for path in sorted(contents, key=os.fsencode)]
    assert await manifest(files, root) == expected
    assert await manifest(files, root, "a", "inputs") == [each for each in expected if each.path[:2] != "a/"]


async def test_manifest_of_many_files(files: SiteFiles, root: Path) -> None:
    """More files than fit into one batch are all there, once."""
    for number in range(1001):
        (root / f"{number:04}").write_bytes(b"x")
    assert await manifest(files, root) == [entry(f"{number:04}", b"x") for number in range(1001)]


NAMES = (
    st.text(st.characters(codec="latin-1", exclude_characters="/\0"), min_size=1, max_size=3)
    .map(lambda text: text.encode("latin-1"))
    .filter(lambda name: name not in (b".", b".."))
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=st.lists(st.lists(NAMES, min_size=1, max_size=4), max_size=12), number=st.integers(0, 2**60))
def test_order_of_a_walk(tmp_path: Path, tree: list[list[bytes]], number: int) -> None:
    """For any tree, a walk yields all paths once, and the files in the order of their bytes."""
    top = os.fsencode(tmp_path) + b"/%d" % number
    os.makedirs(top, exist_ok=True)
    made = set()
    for parts in tree:
        path = b"/".join([top, *parts])
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue
    for folder, _, names in os.walk(top):
        made |= {os.path.relpath(folder + b"/" + name, top) for name in names}
    handle = os.open(top, os.O_RDONLY)
    found = [
        b"/".join(each.path)
        for each in walk(handle, (), frozenset(), False, lambda: None)
        if each.kind == "file"
    ]
    os.close(handle)
    assert found == sorted(made)


async def test_usage(files: SiteFiles, root: Path) -> None:
    """Allocated bytes, not apparent ones; a second name of an inode costs nothing."""
    empty = await files.usage(str(root))
    assert empty.inodes == 1
    with (root / "sparse").open("wb") as sparse:
        sparse.truncate(10**9)
    (root / "a").write_bytes(os.urandom(100_000))
    alone = await files.usage(str(root))
    assert (alone.inodes, 100_000 <= alone.bytes - empty.bytes < 500_000) == (3, True)
    os.link(root / "a", root / "second")
    (root / "link").symlink_to("/")
    again = await files.usage(str(root))
    assert again.inodes == 4
    assert again.bytes - alone.bytes < 8192
    names = ["a", "sparse", "second", "link"]
    assert await files.usage(str(root), exclude=names) == Usage(empty.bytes, 1)


def test_directory_that_is_replaced_during_a_walk(root: Path) -> None:
    """A directory that a job moves away is named; the walk continues with what is beside it."""
    path = Path()
    for _ in range(100):
        path = path / "d"
        (root / path).mkdir()
        (root / path / "file").touch()
    (root / "e").touch()
    handle = os.open(root, os.O_RDONLY)
    steps = walk(handle, (), frozenset(), False, lambda: None)
    found = [next(steps) for _ in range(100)]
    (root / "d/d").rename(root / "moved")
    (root / "d/d").symlink_to(root / "moved")
    rest = list(steps)
    os.close(handle)
    assert [each.kind for each in found] == ["directory"] * 100
    reasons = [each.kind for each in rest]
    assert (reasons.count("file"), reasons.count("gone")) == (64 + 2, 101 - 64 - 2)
    assert rest[-1].path == (b"e",)
