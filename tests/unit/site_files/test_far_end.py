"""A site that answers anything: the client returns values of its types or fails with provd's errors."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.site_files.files import SiteFiles
from provider_daemon.site_files.remote import beneath
from provider_daemon.site_files.remote.beneath import Failure
from provider_daemon.site_files.values import Listing, NewFile, NotAllowed, NotThere

HELLO = {"version": 1, "python": "3.6.8", "user": 1000}


class Answering:
    """A transport whose program sends `answer` to whatever it is asked."""

    def __init__(self, answer: bytes) -> None:
        self._data = answer
        self.ended = False
        self.stderr = ""

    @asynccontextmanager
    async def stream(self, program: str) -> AsyncIterator["Answering"]:
        yield self

    async def write(self, *data: bytes) -> None:
        """Accepts everything."""

    def write_eof(self) -> None:
        """Accepts the end."""

    async def read(self, limit: int) -> bytes:
        got, self._data = self._data[:limit], self._data[limit:]
        return got

    async def read_exactly(self, size: int) -> bytes:
        if len(self._data) < size:
            raise Transient("the program at the site ended")
        return await self.read(size)

    async def exit_code(self) -> int | None:
        return 0


def frame(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">cI", kind, len(data)) + data


def value(kind: bytes, item: object) -> bytes:
    return frame(kind, json.dumps(item).encode())


def site(*frames: bytes, hello: object = HELLO) -> SiteFiles:
    return SiteFiles(Answering(b"noise\nprovd-site-files\n" + value(b"h", hello) + b"".join(frames)))


def asked(answer: Callable[[], SiteFiles]) -> None:
    """Makes requests of each kind; only provd's errors are allowed."""

    async def run() -> None:
        async def read(files: SiteFiles) -> None:
            async with files.read("/root", "a") as stream:
                async for chunk in stream:
                    assert isinstance(chunk, bytes)

        async def manifest(files: SiteFiles) -> None:
            async with files.manifest("/root") as entries:
                async for _ in entries:
                    pass

        async def chunks() -> AsyncIterator[bytes]:
            yield b"x"

        async def write(files: SiteFiles) -> None:
            await files.write("/root", "a", chunks(), size=None, sha256=None)

        for request in (
            read, manifest, write, lambda files: files.list("/root"), lambda files: files.stat("/root", "a"),
            lambda files: files.identity("/root", "a"), lambda files: files.usage("/root"),
            lambda files: files.sha256("/root", "a"), lambda files: files.space("/root"),
            lambda files: files.partial("/root", "a"), lambda files: files.digests("/root", "a", ["b"]),
            lambda files: files.identities("/root", "a", ["b"]),
            lambda files: files.link("/root", "a", "b", [("c", "d")]),
            lambda files: files.store("/root", "a", [NewFile("b", b"", "")]),
        ):  # fmt: skip
            try:
                await request(answer())
            except (Unreadable, Transient, NotThere, NotAllowed):
                continue

    asyncio.run(run())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=150)
@given(kind=st.sampled_from([b"d", b"v", b"z", b"e", b"p", b"?"]), item=JSON, more=JSON)
def test_any_values(kind: bytes, item: object, more: object) -> None:
    """Values of any shape, in any frame, are results of the right type or Unreadable."""
    asked(lambda: site(value(kind, item), value(b"z", more)))


@settings(deadline=None, max_examples=150)
@given(data=st.binary(max_size=40))
def test_any_bytes(data: bytes) -> None:
    """Bytes that are no frames never hang or crash the client."""
    asked(lambda: site(data))


@pytest.mark.parametrize("hello", [None, {}, {"version": 2}, [1]])
async def test_other_program(hello: object) -> None:
    """A program of another version is refused at its start."""
    with pytest.raises(Unreadable, match="answered its start"):
        await site(hello=hello).list("/root")


async def test_sizes_that_nobody_sends() -> None:
    """A value of gigabytes is refused before it is received."""
    with pytest.raises(Unreadable, match="a value of"):
        await site(struct.pack(">cI", b"z", 2**31)).list("/root")


async def test_failures() -> None:
    """A failure has the class of its kind; an unknown kind is not a refusal."""
    with pytest.raises(NotThere, match="list /root: gone"):
        await site(value(b"e", {"kind": "not_there", "reason": "gone"})).list("/root")
    with pytest.raises(Unreadable, match="unknown failure"):
        await site(value(b"e", {"kind": "new", "reason": "gone"})).list("/root")


async def test_progress_is_not_a_result() -> None:
    """Signs of life before an answer are skipped."""
    files = site(frame(b"p", b""), frame(b"p", b""), value(b"z", {"entries": [], "more": False}))
    assert await files.list("/root") == Listing((), False)


@given(text=st.text())
def test_paths(text: str) -> None:
    """A parsed path has only real names, and is spelt as it was."""
    try:
        path = beneath.parse(text)
    except (Failure, UnicodeEncodeError):
        return
    assert not {b"", b".", b".."} & set(path)
    assert beneath.text(path) == text
