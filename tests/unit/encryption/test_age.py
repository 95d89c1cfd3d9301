"""age streams: any size, flat memory, and errors of both ends."""

import asyncio
import io
import threading
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import aclosing

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.encryption import age, identity
from provider_daemon.encryption.age_stream import CHUNK_BYTES
from provider_daemon.encryption.refusal import NotOpened, OpenRefusal
from provider_daemon.errors import Refused, Transient
from tests.unit.encryption.vectors import KEYRING, LOW_ORDER, RECIPIENT

TO_US = [RECIPIENT.public_key]
BLOCK = 64 * 1024  # of age's format


async def chunks(*parts: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    for part in parts:
        await asyncio.sleep(0)
        yield part
    if error:
        raise error


async def joined(stream: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in stream])


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "stream"]


def assert_ended() -> None:
    """No stream's thread is left; each gets a moment for its last lines."""
    for thread in threads():
        thread.join(10)
    assert not threads()


@given(st.lists(st.binary(max_size=200)))
async def test_any_chunks(parts: list[bytes]) -> None:
    """What is encrypted is decrypted, whatever the chunks; age's own library agrees."""
    encrypted = await joined(age.encrypt(chunks(*parts), TO_US))
    assert await joined(age.decrypt(chunks(encrypted), KEYRING)) == b"".join(parts)
    assert pyrage.decrypt(encrypted, [RECIPIENT.for_age()]) == b"".join(parts)


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * CHUNK_BYTES + 7])
async def test_sizes_around_a_block(size: int) -> None:
    """No byte is lost at the edges, read in pieces of an odd size."""
    plain = bytes(range(256)) * (size // 256 + 1)
    encrypted = pyrage.encrypt(plain[:size], [pyrage.x25519.Recipient.from_str(RECIPIENT.recipient)])
    pieces = [encrypted[at : at + 10_007] for at in range(0, len(encrypted), 10_007)]
    assert await joined(age.decrypt(chunks(*pieces), KEYRING)) == plain[:size]


async def test_several_recipients() -> None:
    """Each of them opens it alone, and so does an old key of a file after a rotation."""
    other = identity.generate()
    encrypted = await joined(age.encrypt(chunks(b"hello"), [*TO_US, other.public_key]))
    rotated = identity.Keyring((identity.generate(), other))
    for keyring in (KEYRING, rotated):
        assert await joined(age.decrypt(chunks(encrypted), keyring)) == b"hello"


async def test_chunks_are_bounded() -> None:
    """They have about CHUNK_BYTES, so that a consumer's limits hold."""
    sizes = [len(chunk) async for chunk in age.encrypt(chunks(bytes(10 * CHUNK_BYTES)), TO_US)]
    assert max(sizes) < CHUNK_BYTES + 2 * BLOCK
    assert min(sizes[:-1]) >= CHUNK_BYTES


async def test_memory_is_flat() -> None:
    """64 MiB pass through both ways while a few chunks are in memory."""

    async def zeros() -> AsyncIterator[bytes]:
        for _ in range(256):
            yield bytes(CHUNK_BYTES)

    tracemalloc.start()
    try:
        count = 0
        async for chunk in age.decrypt(age.encrypt(zeros(), TO_US), KEYRING):
            count += len(chunk)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 64 * 1024 * 1024
    assert peak < 8 * 1024 * 1024


async def test_another_recipient() -> None:
    """The refusal names our recipients."""
    encrypted = await joined(age.encrypt(chunks(b"x"), [identity.generate().public_key]))
    with pytest.raises(NotOpened, match=RECIPIENT.recipient) as refused:
        await joined(age.decrypt(chunks(encrypted), KEYRING))
    assert refused.value.reason is OpenRefusal.NOT_A_RECIPIENT


@pytest.mark.parametrize("damage", ["cut", "block", "header", "changed", "other"])
async def test_damage(damage: str) -> None:
    """A cut at any place, a changed byte and other data are refused; none of it ends without an error."""
    encrypted = await joined(age.encrypt(chunks(bytes(3 * BLOCK)), TO_US))
    changed = {
        "cut": encrypted[:-1],
        "block": encrypted[: -(BLOCK + 16)],
        "header": encrypted[:100],
        "changed": encrypted[:-100] + b"x" + encrypted[-99:],
        "other": b"hello",
    }[damage]
    with pytest.raises(NotOpened) as refused:
        await joined(age.decrypt(chunks(changed), KEYRING))
    assert refused.value.reason is OpenRefusal.DAMAGED


@pytest.mark.parametrize(
    "line",
    [
        b"-> X25519 " + b"A" * 43 + b"\n" + b"A" * 43 + b"\n",
        b"-> a " + b"b" * 100_000,
        b"-> X25519 " + b"A" * 43 + b"\n" + (b"A" * 64 + b"\n") * 2000,
        b"--- " + b"A" * 100_000,
    ],
)
async def test_an_endless_header(line: bytes) -> None:
    """It is refused early: pyrage would keep it in memory, and parse it again after each read."""
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        yield b"age-encryption.org/v1\n"
        while True:
            read += len(line)
            yield line

    with pytest.raises(NotOpened):
        await joined(age.decrypt(endless(), KEYRING))
    assert read < age.MAX_HEADER + len(line) + BLOCK


async def test_a_header_with_many_recipients() -> None:
    """A hundred are read, in whatever pieces they come."""
    others = [identity.Identity(bytes([number]) * 32).public_key for number in range(1, 100)]
    encrypted = await joined(age.encrypt(chunks(b"x" * 100_000), [*others, *TO_US]))
    pieces = [encrypted[at : at + 7] for at in range(0, 20_000, 7)]
    plain = await joined(age.decrypt(chunks(*pieces, encrypted[20_006:]), KEYRING))
    assert plain == b"x" * 100_000


@pytest.mark.parametrize("encrypting", [True, False])
async def test_an_error_of_the_source(encrypting: bool) -> None:
    """It is raised as it is: a lost connection is not damage."""
    encrypted = await joined(age.encrypt(chunks(bytes(3 * BLOCK)), TO_US))
    broken = chunks(encrypted[: 2 * BLOCK], error=Transient("connection lost"))
    with pytest.raises(Transient, match="connection lost"):
        await joined(age.encrypt(broken, TO_US) if encrypting else age.decrypt(broken, KEYRING))
    assert_ended()


async def test_a_reader_that_leaves() -> None:
    """The thread ends with it, also while it waits for the source."""

    async def endless() -> AsyncIterator[bytes]:
        yield bytes(2 * CHUNK_BYTES)
        await asyncio.Event().wait()

    async with aclosing(age.encrypt(endless(), TO_US)) as stream:  # type: ignore[type-var]
        await anext(stream)
        assert threads()
    assert_ended()


async def test_a_cancelled_reader() -> None:
    """Cancelling the task that reads ends the thread too."""

    async def silent() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    reading = asyncio.create_task(joined(age.encrypt(silent(), TO_US)))
    while not threads():
        await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert_ended()


async def test_a_slow_reader_holds_the_source_back() -> None:
    """The source is not read far ahead of what was consumed."""
    read = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield bytes(CHUNK_BYTES)

    async with aclosing(age.encrypt(counted(), TO_US)) as stream:  # type: ignore[type-var]
        await anext(stream)
        for _ in range(1000):
            await asyncio.sleep(0)
        assert read < 10


async def test_unusable_recipients() -> None:
    """None at all, and a key of low order."""
    with pytest.raises(ValueError, match="no recipient"):
        age.encrypt(chunks(b"x"), [])
    with pytest.raises(Refused):
        await joined(age.encrypt(chunks(b"x"), [LOW_ORDER]))


def test_files() -> None:
    """From one open file into another; an error of a file is raised as it is."""
    encrypted, plain = io.BytesIO(), io.BytesIO()
    age.encrypt_file(io.BytesIO(b"hello"), encrypted, TO_US)
    age.decrypt_file(io.BytesIO(encrypted.getvalue()), plain, KEYRING)
    assert plain.getvalue() == b"hello"


@pytest.mark.parametrize("size", [5, 200_000])
def test_a_full_disk(size: int) -> None:
    """An error of a file is raised as it is, also one of the last write, which pyrage drops."""

    class Full(io.BytesIO):
        def write(self, data: object, /) -> int:
            raise OSError(28, "No space left on device")

    encrypted = io.BytesIO()
    age.encrypt_file(io.BytesIO(bytes(size)), encrypted, TO_US)
    with pytest.raises(OSError, match="No space"):
        age.encrypt_file(io.BytesIO(bytes(size)), Full(), TO_US)
    with pytest.raises(OSError, match="No space"):
        age.decrypt_file(io.BytesIO(encrypted.getvalue()), Full(), KEYRING)


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 7])
async def test_the_size_is_known_before_the_stream(size: int) -> None:
    """Exact to the byte each time, although the header of each stream has another size."""
    for _ in range(8):
        told, whole = await age.with_size(age.encrypt(chunks(b"x" * size), TO_US), size)
        content = await joined(whole)
        assert len(content) == told
        assert await joined(age.decrypt(chunks(content), KEYRING)) == b"x" * size


async def test_no_size_of_what_is_not_encrypted() -> None:
    """A stream without a header is refused, and not waited for."""
    with pytest.raises(NotOpened):
        await age.with_size(chunks(b"plain text"), 10)
