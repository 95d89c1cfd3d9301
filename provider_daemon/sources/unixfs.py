"""Blocks of IPFS files and directories (dag-pb with UnixFS, and raw) -> nodes."""

from dataclasses import dataclass
from enum import IntEnum

from provider_daemon.sources.cid import RAW, BadCid, Cid, read_cid
from provider_daemon.sources.wire import BadMessage, fields, varints

MURMUR3 = 0x22
MAX_FANOUT = 1024


class BadNode(ValueError):
    """The block is the one that was asked for, but it is no file or directory that provd can read."""


class Kind(IntEnum):
    """UnixFS's types of a node. RAW is an old form of FILE."""

    RAW = 0
    DIRECTORY = 1
    FILE = 2
    METADATA = 3
    SYMLINK = 4
    SHARD = 5


@dataclass(frozen=True, slots=True)
class Link:
    """`size`: bytes of the file below it; 0 in a directory."""

    name: str
    cid: Cid
    size: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """`data`: a file's own bytes, before those of its links, or a shard's bit field.

    `size`: of the whole file. `fanout`: of a shard.
    """

    kind: Kind
    data: bytes = b""
    size: int = 0
    links: tuple[Link, ...] = ()
    fanout: int = 0

    @property
    def is_file(self) -> bool:
        return self.kind in (Kind.FILE, Kind.RAW)


def decode(cid: Cid, block: bytes) -> Node:
    """Decodes a block that matches its CID. Raises BadNode."""
    if cid.codec == RAW:
        return Node(Kind.FILE, block, len(block))
    try:
        return _decode(block)
    except (BadMessage, BadCid, UnicodeError) as error:
        raise BadNode(f"not a valid dag-pb block: {error}") from None


@dataclass(frozen=True, slots=True)
class _UnixFs:
    kind: Kind
    data: bytes
    size: int
    sizes: tuple[int, ...]
    hash: int
    fanout: int


def _decode(block: bytes) -> Node:
    links, data = list[Link](), None
    for number, value in fields(block):
        if not isinstance(value, bytes) or number not in (1, 2) or (number == 1 and data is not None):
            raise BadMessage(f"field {number} in a node")
        if number == 2:
            links.append(_link(value))
        else:
            data = value
    if data is None:
        raise BadNode("a dag-pb block without UnixFS data")
    return _node(_unixfs(data), links)


def _link(data: bytes) -> Link:
    name, cid = "", None
    for number, value in fields(data):
        if number == 1 and isinstance(value, bytes):
            cid, _ = read_cid(value, exact=True)
        elif number == 2 and isinstance(value, bytes):
            name = value.decode()
        elif number != 3:
            raise BadMessage(f"field {number} in a link")
    if cid is None:
        raise BadMessage("a link without CID")
    return Link(name, cid)


def _unixfs(block: bytes) -> _UnixFs:
    numbers, data, sizes = dict[int, int](), b"", list[int]()
    for number, value in fields(block):
        if isinstance(value, int):
            numbers[number] = value
            if number == 4:
                sizes.append(value)
        elif number == 2:
            data = value
        elif number == 4:
            sizes.extend(varints(value))
    try:
        kind = Kind(numbers[1])
    except (KeyError, ValueError):
        raise BadNode("UnixFS data of an unknown type") from None
    size = numbers.get(3, len(data) + sum(sizes))
    return _UnixFs(kind, data, size, tuple(sizes), numbers.get(5, 0), numbers.get(6, 0))


def _node(found: _UnixFs, links: list[Link]) -> Node:
    if found.kind in (Kind.FILE, Kind.RAW):
        return _file(found, links)
    if found.kind is Kind.SHARD:
        if found.hash != MURMUR3 or not 8 <= found.fanout <= MAX_FANOUT or found.fanout & found.fanout - 1:
            raise BadNode("a sharded directory of an unknown kind")
        return Node(found.kind, found.data, links=tuple(links), fanout=found.fanout)
    if found.kind is Kind.DIRECTORY:
        return Node(found.kind, links=tuple(links))
    raise BadNode(f"a {found.kind.name.lower()}, which is not fetched")


def _file(found: _UnixFs, links: list[Link]) -> Node:
    """A link without bytes is refused: trees of such links could be walked for ever."""
    if len(found.sizes) != len(links) or found.size != len(found.data) + sum(found.sizes):
        raise BadNode("a file whose sizes contradict each other")
    if any(size == 0 for size in found.sizes) and found.size:
        raise BadNode("a file with an empty part")
    sized = (Link(link.name, link.cid, size) for link, size in zip(links, found.sizes, strict=True))
    return Node(found.kind, found.data, found.size, tuple(link for link in sized if link.size))
