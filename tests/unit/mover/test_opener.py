"""Encrypted inputs in both formats."""

from collections.abc import AsyncIterator

import pytest

from provider_daemon.encryption import age, envelope
from provider_daemon.encryption.identity import Keyring, generate
from provider_daemon.encryption.refusal import NotOpened, OpenRefusal
from provider_daemon.mover.opener import AgeEncryption, KeyringOpener

PLAIN = b"the plain text" * 100_000


async def pieces(content: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


async def collected(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


@pytest.mark.parametrize("size", [1000, 10**7])
async def test_age(size: int) -> None:
    """Any key of the file opens it, however the stream is cut."""
    old, new = generate(), generate()
    secret = await collected(AgeEncryption().encrypt(pieces(PLAIN, size), [old.public_key]))
    opener = KeyringOpener(lambda: Keyring((new, old)))
    assert await collected(opener.decrypt(pieces(secret, size))) == PLAIN


async def test_an_age_header_that_comes_byte_by_byte() -> None:
    """The format is recognized from the first bytes, not from the first chunk."""
    key = generate()
    secret = await collected(age.encrypt(pieces(b"x", 1), [key.public_key]))
    assert await collected(KeyringOpener(lambda: Keyring((key,))).decrypt(pieces(secret, 1))) == b"x"


@pytest.mark.parametrize("size", [10, 10**7])
async def test_envelope(size: int) -> None:
    """The chain's own format for small documents."""
    key = generate()
    document = envelope.to_json(envelope.seal(b"small", key.public_key))
    opener = KeyringOpener(lambda: Keyring((key,)))
    assert await collected(opener.decrypt(pieces(document, size))) == b"small"


async def test_keys_are_read_for_each_input() -> None:
    """A rotation needs no restart."""
    first, second = generate(), generate()
    keys = [Keyring((first,))]
    opener = KeyringOpener(lambda: keys[0])
    secret = await collected(age.encrypt(pieces(b"x", 1), [second.public_key]))
    with pytest.raises(NotOpened) as refused:
        await collected(opener.decrypt(pieces(secret, 10)))
    assert refused.value.reason is OpenRefusal.NOT_A_RECIPIENT
    keys[0] = Keyring((second, first))
    assert await collected(opener.decrypt(pieces(secret, 10))) == b"x"


@pytest.mark.parametrize("content", [b"", b"plain", b"PK\x03\x04" * 100])
async def test_what_is_not_encrypted_is_refused(content: bytes) -> None:
    """An input that was declared encrypted is never used as it is."""
    with pytest.raises(NotOpened) as refused:
        await collected(KeyringOpener(lambda: Keyring((generate(),))).decrypt(pieces(content, 100)))
    assert refused.value.reason is OpenRefusal.NOT_ENCRYPTED


async def test_an_endless_envelope() -> None:
    """No more than a small document is kept in memory."""

    async def endless() -> AsyncIterator[bytes]:
        yield b'{"ciphertext": "'
        while True:
            yield b"A" * 2**20

    with pytest.raises(NotOpened) as refused:
        await collected(KeyringOpener(lambda: Keyring((generate(),))).decrypt(endless()))
    assert refused.value.reason is OpenRefusal.UNSUPPORTED
