"""Data of any size, encrypted with age (https://age-encryption.org/v1) to X25519 recipients."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, BinaryIO

import pyrage

from provider_daemon.encryption.age_stream import Reader, Work, Writer, through_thread
from provider_daemon.encryption.identity import Keyring, is_weak, recipient_of
from provider_daemon.encryption.refusal import NotOpened, OpenRefusal
from provider_daemon.errors import Refused

# of the payload (age-encryption.org/v1): a nonce, then chunks of plaintext, each with a tag
NONCE, CHUNK, TAG = 16, 64 * 1024, 16
MAX_HEADER = 32 * 1024  # bytes: about 300 recipients
_HEADER_END = re.compile(rb"\n--- [A-Za-z0-9+/]{43}\n")
_NO_KEY = "No matching keys found"  # pyrage's text: it has one exception for everything


# --- chunks ---


def encrypt(chunks: AsyncIterator[bytes], recipients: Sequence[bytes]) -> AsyncIterator[bytes]:
    """Yields the encrypted stream. `recipients`: public keys of 32 bytes, at least one.

    Close the iterator (contextlib.aclosing) if it is not read to its end. An error of `chunks` is raised as
    it is. Raises Refused for a recipient that protects nothing.
    """
    return through_thread(chunks, _encryption(recipients))


def decrypt(chunks: AsyncIterator[bytes], keyring: Keyring) -> AsyncIterator[bytes]:
    """Yields the plaintext. Close the iterator (contextlib.aclosing) if it is not read to its end.

    Each chunk is authentic, but only the end of the stream shows that nothing was cut off: keep nothing
    unless the iterator ends without an error. Raises NotOpened; an error of `chunks` is raised as it is.
    """
    return through_thread(chunks, _decryption(keyring))


async def with_size(encrypted: AsyncIterator[bytes], plain_size: int) -> tuple[int, AsyncIterator[bytes]]:
    """Returns the size of an encrypted stream before it is read, and the stream.

    `plain_size`: bytes of its plaintext. The size of the header is random, because age adds a meaningless
    recipient to it; so the header is read first. Raises NotOpened if there is none.
    """
    start, end = bytearray(), None
    async for chunk in encrypted:
        start += chunk
        if (end := _HEADER_END.search(start)) is not None:
            break
    if end is None:
        raise NotOpened(OpenRefusal.NOT_ENCRYPTED, "the stream has no age header")
    blocks = max(1, -(-plain_size // CHUNK))

    async def whole() -> AsyncIterator[bytes]:
        yield bytes(start)
        async for chunk in encrypted:
            yield chunk

    return end.end() + NONCE + plain_size + TAG * blocks, whole()


# --- files ---


def encrypt_file(source: BinaryIO, target: BinaryIO, recipients: Sequence[bytes]) -> None:
    """Encrypts one open file into another, in this thread. Raises Refused and OSError."""
    _encryption(recipients)(source, target)


def decrypt_file(source: BinaryIO, target: BinaryIO, keyring: Keyring) -> None:
    """Decrypts one open file into another, in this thread. Raises NotOpened and OSError.

    What was written before an error must not be used.
    """
    _decryption(keyring)(source, target)


# --- pyrage ---


def _encryption(recipients: Sequence[bytes]) -> Work:
    if not recipients:
        raise ValueError("no recipient to encrypt to")
    for key in recipients:
        if is_weak(key):  # pyrage panics
            raise Refused(
                f"the public key {key.hex()} is unsafe (of low order): anybody could decrypt the data"
            )
    keys = [pyrage.x25519.Recipient.from_str(recipient_of(key)) for key in recipients]

    def work(reader: Reader, writer: Writer) -> None:
        ends = _Ends(reader, writer)
        try:
            pyrage.encrypt_io(ends, ends, keys)
        except (pyrage.EncryptError, OSError) as error:
            raise ends.error or Refused(f"age cannot encrypt to these recipients: {error}") from error
        ends.check()

    return work


def _decryption(keyring: Keyring) -> Work:
    keys = [each.for_age() for each in keyring.identities]

    def work(reader: Reader, writer: Writer) -> None:
        ends = _Ends(_WithShortHeader(reader), writer)
        try:
            pyrage.decrypt_io(ends, ends, keys)
        except (pyrage.DecryptError, OSError) as error:
            raise ends.error or _refusal(str(error), keyring) from error
        ends.check()

    return work


def _refusal(text: str, keyring: Keyring) -> NotOpened:
    if text == _NO_KEY:
        ours = ", ".join(each.recipient for each in keyring.identities)
        return NotOpened(OpenRefusal.NOT_A_RECIPIENT, f"not encrypted to any of these recipients: {ours}")
    return NotOpened(OpenRefusal.DAMAGED, f"not a complete age file: {text}")


class _Ends:
    """Reader and writer as pyrage uses them.

    `error` is theirs: pyrage replaces it with a text, and drops an error of the last write.
    """

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader, self._writer = reader, writer
        self.error: BaseException | None = None

    def check(self) -> None:
        if self.error is not None:
            raise self.error

    def read(self, size: int, /) -> bytes:
        return bytes(self._kept(lambda: self._reader.read(size)))

    def write(self, data: bytes, /) -> int:
        return int(self._kept(lambda: self._writer.write(data)))

    def flush(self) -> None:
        self._kept(self._writer.flush)

    def _kept(self, call: Callable[[], Any]) -> Any:
        self.check()
        try:
            return call()
        except BaseException as error:
            self.error = error
            raise


class _WithShortHeader:
    """A reader that refuses a header over MAX_HEADER.

    pyrage keeps the header in memory and parses it again after each read: 2 MB take minutes, in which the
    whole process stands still.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._header: bytearray | None = bytearray()

    def read(self, size: int, /) -> bytes:
        data = self._reader.read(size)
        if self._header is not None:
            self._header += data
            if _HEADER_END.search(self._header):
                self._header = None
            elif len(self._header) > MAX_HEADER:
                raise NotOpened(OpenRefusal.UNSUPPORTED, f"no age header within {MAX_HEADER} bytes")
        return data
