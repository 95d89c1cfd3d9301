"""Finds a name in a directory of IPFS, one block at a time."""

from provider_daemon.sources.cid import Cid
from provider_daemon.sources.murmur3 import murmur3_64
from provider_daemon.sources.unixfs import BadNode, Kind, Node


def step(node: Node, name: str, depth: int) -> tuple[Cid | None, bool]:
    """Returns the CID that leads towards `name`, and whether it is the named one itself.

    `depth`: how many shards of the same directory were passed. (None, True): there is no such name. Raises
    BadNode for a node that is not a directory, or names one entry twice.
    """
    if node.kind is Kind.DIRECTORY:
        return _only([link.cid for link in node.links if link.name == name]), True
    if node.kind is not Kind.SHARD:
        raise BadNode("not a directory")
    prefix = _prefix(node.fanout, name, depth)
    entry = _only([link.cid for link in node.links if link.name == f"{prefix}{name}"])
    if entry is not None:
        return entry, True
    shard = _only([link.cid for link in node.links if link.name == prefix])
    return shard, shard is None


def _only(found: list[Cid]) -> Cid | None:
    if len(found) > 1:
        raise BadNode("a directory with a name twice")
    return found[0] if found else None


def _prefix(fanout: int, name: str, depth: int) -> str:
    """Returns the start of the names of the links in this slot: its number in upper-case hex."""
    bits = fanout.bit_length() - 1
    if (depth + 1) * bits > 64:
        raise BadNode("a sharded directory that is too deep")
    number = int.from_bytes(murmur3_64(name.encode()))
    slot = number >> 64 - (depth + 1) * bits & fanout - 1
    return f"{slot:0{len(f'{fanout - 1:x}')}X}"
