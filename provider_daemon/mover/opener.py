"""Opens encrypted inputs, in both formats, and encrypts results."""

from collections.abc import AsyncIterator, Callable, Sequence

from provider_daemon.encryption import age, envelope
from provider_daemon.encryption.formats import HEAD_BYTES, Format, format_of
from provider_daemon.encryption.identity import Keyring
from provider_daemon.encryption.refusal import NotOpened, OpenRefusal
from provider_daemon.mover.ports import Chunks, closing


class KeyringOpener:
    """`keyring` returns the provider's keys as they are now, so that a rotation needs no restart."""

    def __init__(self, keyring: Callable[[], Keyring]) -> None:
        self._keyring = keyring

    async def decrypt(self, chunks: Chunks) -> AsyncIterator[bytes]:
        head = b""
        async for chunk in chunks:
            head += chunk
            if len(head) >= HEAD_BYTES:
                break
        found = format_of(head)
        if found is Format.AGE:
            async with closing(age.decrypt(_joined(head, chunks), self._keyring())) as plain:
                async for chunk in plain:
                    yield chunk
        elif found is Format.ENVELOPE:
            yield await self._opened(head, chunks)
        else:
            raise NotOpened(OpenRefusal.NOT_ENCRYPTED, "neither an age file nor an envelope of the chain")

    async def _opened(self, head: bytes, chunks: Chunks) -> bytes:
        document = bytearray(head)
        async for chunk in chunks:
            document += chunk
            if len(document) > envelope.MAX_DOCUMENT:
                raise NotOpened(
                    OpenRefusal.UNSUPPORTED, f"the envelope is larger than {envelope.MAX_DOCUMENT} bytes"
                )
        return envelope.open_with(self._keyring(), envelope.parse(bytes(document)))


class AgeEncryption:
    def encrypt(self, chunks: Chunks, recipients: Sequence[bytes]) -> Chunks:
        return age.encrypt(chunks, recipients)

    async def with_size(self, encrypted: Chunks, plain_size: int) -> tuple[int, Chunks]:
        return await age.with_size(encrypted, plain_size)


async def _joined(head: bytes, chunks: Chunks) -> AsyncIterator[bytes]:
    yield head
    async for chunk in chunks:
        yield chunk
