"""Blocks that no importer makes: an encoder of dag-pb and UnixFS without any check."""

import hashlib
from base64 import b32encode
from dataclasses import dataclass, field

from provider_daemon.sources.cid import write_varint

RAW, DAG_PB = 0x55, 0x70


@dataclass
class Dag:
    """Blocks by the text of their CID."""

    blocks: dict[str, bytes] = field(default_factory=dict)

    def add(self, block: bytes, codec: int = DAG_PB) -> bytes:
        """Returns the CID as bytes."""
        cid = bytes([1]) + write_varint(codec) + b"\x12\x20" + hashlib.sha256(block).digest()
        self.blocks[text(cid)] = block
        return cid

    def leaf(self, data: bytes) -> bytes:
        return self.add(data, RAW)

    def file(self, parts: list[tuple[bytes, int]], data: bytes = b"", size: int | None = None) -> bytes:
        """`parts`: CID and declared size of each."""
        total = len(data) + sum(part for _, part in parts) if size is None else size
        unixfs = varint(1, 2) + (string(2, data) if data else b"") + varint(3, total)
        unixfs += b"".join(varint(4, part) for _, part in parts)
        return self.node([("", cid) for cid, _ in parts], unixfs)

    def directory(self, entries: list[tuple[str, bytes]]) -> bytes:
        return self.node(entries, varint(1, 1))

    def node(self, links: list[tuple[str, bytes]], unixfs: bytes) -> bytes:
        written = [string(1, cid) + string(2, name.encode()) + varint(3, 0) for name, cid in links]
        return self.add(b"".join(string(2, link) for link in written) + string(1, unixfs))


def text(cid: bytes) -> str:
    return "b" + b32encode(cid).decode().lower().rstrip("=")


def section(cid: bytes, block: bytes) -> bytes:
    """A block as it stands in a CAR."""
    return write_varint(len(cid) + len(block)) + cid + block


def varint(number: int, value: int) -> bytes:
    return write_varint(number << 3) + write_varint(value)


def string(number: int, data: bytes) -> bytes:
    return write_varint(number << 3 | 2) + write_varint(len(data)) + data
