"""Reads the blocks of a CAR (version 1) stream, and checks each one against its CID."""

from collections.abc import Iterator

from provider_daemon.sources.cid import BadCid, Cid, read_cid, read_varint

MAX_BLOCK = 4 * 1024 * 1024
_MAX_HEADER = 64 * 1024
_VERSION_1 = b"\x67version\x01"  # as dag-cbor writes the header's one number


class BadCar(ValueError):
    """The stream is no CAR, or has a block that does not match its CID."""


class CarReader:
    """Holds at most one unfinished block."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._header = True

    def feed(self, data: bytes) -> Iterator[tuple[Cid, bytes]]:
        """Yields the blocks that `data` completes. Raises BadCar."""
        self._held += data
        while (section := self._section()) is not None:
            if self._header:
                if _VERSION_1 not in section:
                    raise BadCar("not a CAR of version 1")
                self._header = False
            else:
                yield _checked(section)

    def finish(self) -> None:
        """Raises BadCar if the stream ended within a block, or before its header."""
        if self._held or self._header:
            raise BadCar("the CAR is incomplete")

    def _section(self) -> bytes | None:
        """Takes the next section off the held bytes, or returns None while it is incomplete."""
        try:
            length, at = read_varint(bytes(self._held[:10]), 0)
        except BadCid:
            if len(self._held) >= 10:
                raise BadCar("not a CAR") from None
            return None
        if length == 0 or length > (_MAX_HEADER if self._header else MAX_BLOCK + 256):
            raise BadCar(f"a section of {length} bytes")
        if len(self._held) < at + length:
            return None
        section = bytes(self._held[at : at + length])
        del self._held[: at + length]
        return section


def _checked(section: bytes) -> tuple[Cid, bytes]:
    try:
        cid, at = read_cid(section)
    except BadCid as error:
        raise BadCar(str(error)) from None
    block = section[at:]
    if not cid.matches(block):
        raise BadCar(f"the block {cid} does not match its CID")
    return cid, block
