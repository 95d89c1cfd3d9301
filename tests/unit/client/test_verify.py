"""A manifest, the evidence, and files."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.client import verify
from provider_daemon.client.verify import Evidence, ResultFile
from provider_daemon.errors import Unreadable
from provider_daemon.job.transfer import Results
from tests.unit.client.far_end import manifest_of, sha256

HASH = "0" * 64
FILES = {"b": b"22", "a/c": b"1", "ü ☃\n": b"", "x\udcff": b"odd"}


def line(path: object = "a", size: object = 1, digest: str = HASH) -> bytes:
    return f"{digest} {size} {json.dumps(path)}\n".encode()


def test_a_manifest() -> None:
    """In the order of the paths' bytes, and its summary as evidence signs it."""
    text = manifest_of(FILES)
    files = verify.manifest(text)
    assert {file.path: (file.size, file.sha256) for file in files} == {
        path: (len(content), sha256(content)) for path, content in FILES.items()
    }
    assert verify.summary(text, files) == Results(sha256(text), 4, 6)


def test_an_empty_manifest() -> None:
    assert verify.manifest(b"") == ()
    assert verify.summary(b"", ()) == Results(sha256(b""), 0, 0)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (line()[:-1], "does not end with a line break"),
        (b"\xff\n", "not UTF-8"),
        (line(digest="0" * 63), "line 1 of the manifest: must be a hash"),
        (line(digest="A" * 64), "line 1"),
        (line(size="01"), "line 1"),
        (line(size=-1), "line 1"),
        (line(path=5), "line 1"),
        (line() + line(), "line 2 of the manifest: its path is not after"),
        (line("b") + line("a"), "line 2"),
        (line("../a"), "not a plain relative path"),
        (line("/a"), "not a plain relative path"),
        (line("a/./b"), "not a plain relative path"),
        (line("a//b"), "not a plain relative path"),
        (line("a/"), "not a plain relative path"),
        (line(""), "not a plain relative path"),
        (line("a\0"), "has a NUL"),
        (line("\ud800"), "invalid characters"),
        (line("a" * 4097), "longer than 4096 bytes"),
    ],
)
def test_what_is_no_manifest(text: bytes, why: str) -> None:
    """It comes from the provider: nothing in it may lead out of the customer's directory."""
    with pytest.raises(Unreadable, match=why):
        verify.manifest(text)


@given(st.binary(max_size=300) | st.text(max_size=100).map(lambda text: line(text)))
def test_arbitrary_text(text: bytes) -> None:
    """Files with safe paths, or Unreadable."""
    with suppress(Unreadable):
        assert all(not verify.unsafe(file.path) for file in verify.manifest(text))


def test_against_the_evidence() -> None:
    """Equal, another one, none, and evidence that is not valid."""
    found = Results(HASH, 2, 3)
    assert verify.against_evidence(found, Evidence(found)) == ""
    for other in (Results("1" * 64, 2, 3), Results(HASH, 1, 3), Results(HASH, 2, 4)):
        assert "not the one that the provider signed" in verify.against_evidence(found, Evidence(other))
    assert verify.against_evidence(found, Evidence()) == "the final report signs no results"
    assert verify.against_evidence(found, Evidence(why="no report")) == "no report"


def test_files_that_differ() -> None:
    """A line for each, with what is wrong."""
    files = [ResultFile(name, 1, HASH) for name in "abcd"]
    found = {
        "a": files[0],
        "b": ResultFile("b", 2, HASH),
        "c": ResultFile("c", 1, "1" * 64),
    }
    assert verify.differences(files, found) == [
        "b: has 2 bytes, the manifest lists 1",
        f"c: has SHA-256 {'1' * 64}, the manifest lists {HASH}",
        "d: is missing",
    ]
