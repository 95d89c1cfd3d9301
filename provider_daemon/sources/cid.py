"""Content identifiers of IPFS, of the kinds that provd can verify: SHA-256 and identity, dag-pb and raw."""

import hashlib
from base64 import b32decode, b32encode
from dataclasses import dataclass

RAW, DAG_PB = 0x55, 0x70
SHA2_256, IDENTITY = 0x12, 0x00
MAX_IDENTITY = 128
_MAX_TEXT = 256
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


class BadCid(ValueError):
    """The text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Cid:
    """`digest`: the SHA-256 of the block, or for the identity hash the block itself."""

    codec: int
    hash: int
    digest: bytes

    def matches(self, block: bytes) -> bool:
        """Returns whether the block is the one that is named."""
        return self.digest == (block if self.hash == IDENTITY else hashlib.sha256(block).digest())

    def __str__(self) -> str:
        """Returns the CIDv1 in base32, which every gateway accepts."""
        data = b"".join(map(write_varint, (1, self.codec, self.hash, len(self.digest)))) + self.digest
        return f"b{_base32(data)}"


def parse_cid(text: str) -> Cid:
    """Parses a CIDv0, or a CIDv1 in base16, 32, 36 or 58. Raises BadCid."""
    if not text or len(text) > _MAX_TEXT or not text.isascii():
        raise BadCid("not a CID")
    if len(text) == 46 and text.startswith("Qm"):
        return read_cid(_digits(text, _BASE58), exact=True)[0]
    data = _decode(text[0], text[1:])
    if data[:1] != b"\x01":
        raise BadCid("not a CID of version 0 or 1")
    return read_cid(data, exact=True)[0]


def read_cid(data: bytes, *, exact: bool = False) -> tuple[Cid, int]:
    """Reads a CID at the start of `data`; returns it and its length. `exact`: nothing may follow it.

    Raises BadCid, also for a hash that provd cannot verify.
    """
    if data[:2] == b"\x12\x20":
        codec, at = DAG_PB, 0
    else:
        version, at = read_varint(data, 0)
        if version != 1:
            raise BadCid("not a CID of version 0 or 1")
        codec, at = read_varint(data, at)
    function, at = read_varint(data, at)
    length, at = read_varint(data, at)
    _check(codec, function, length)
    end = at + length
    if len(data) < end or (exact and len(data) != end):
        raise BadCid("a CID of the wrong length")
    return Cid(codec, function, data[at:end]), end


def _check(codec: int, function: int, length: int) -> None:
    if codec not in (RAW, DAG_PB):
        raise BadCid(f"codec 0x{codec:x}: only files (dag-pb and raw) can be fetched")
    if function == SHA2_256 and length == 32:
        return
    if function == IDENTITY and length <= MAX_IDENTITY:
        return
    raise BadCid(f"hash 0x{function:x} of {length} bytes: only sha2-256 can be verified")


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Reads an unsigned varint of at most 63 bits in its shortest form; returns it and where it ends.

    Raises BadCid.
    """
    value = shift = 0
    while at < len(data) and shift < 63:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and shift:
                break
            return value, at
        shift += 7
    raise BadCid("not a valid varint")


def write_varint(value: int) -> bytes:
    """Returns the shortest form of an unsigned varint."""
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def _decode(prefix: str, text: str) -> bytes:
    """Decodes multibase text; bits that do not belong to a whole byte must be 0."""
    if prefix in "fF":
        try:
            return bytes.fromhex(text)
        except ValueError:
            raise BadCid("not a CID in base16") from None
    if prefix in "bB":
        data = _from_base32(text.upper())
        if _base32(data) != text.lower():
            raise BadCid("not a CID in base32")
        return data
    if prefix in "kK":
        return _digits(text.lower(), _BASE36)
    if prefix == "z":
        return _digits(text, _BASE58)
    raise BadCid("not a CID in base16, base32, base36 or base58")


def _base32(data: bytes) -> str:
    return b32encode(data).decode().rstrip("=").lower()


def _from_base32(text: str) -> bytes:
    try:
        return b32decode(text + "=" * (-len(text) % 8))
    except ValueError:
        raise BadCid("not a CID in base32") from None


def _digits(text: str, alphabet: str) -> bytes:
    """Decodes a big number in which each leading zero digit is a zero byte."""
    number = 0
    for char in text:
        digit = alphabet.find(char)
        if digit < 0:
            raise BadCid(f"not a CID in base{len(alphabet)}")
        number = number * len(alphabet) + digit
    zeros = len(text) - len(text.lstrip(alphabet[0]))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8)
