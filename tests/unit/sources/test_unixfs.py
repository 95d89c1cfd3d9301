"""Blocks of files and directories, also those that no importer makes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.sources.cid import Cid, parse_cid, read_cid
from provider_daemon.sources.directory import step
from provider_daemon.sources.murmur3 import murmur3_64
from provider_daemon.sources.unixfs import BadNode, Kind, Link, Node, decode
from tests.unit.sources.dag import Dag, string, varint
from tests.unit.sources.gateway import INDEX, blocks, root

DIRECTORY, FILE, SYMLINK, SHARD = (bytes([8, kind]) for kind in (1, 2, 4, 5))


def node(dag: Dag, cid: bytes) -> Node:
    known, _ = read_cid(cid, exact=True)
    return decode(known, dag.blocks[str(known)])


def unixfs(data: bytes, links: list[tuple[str, bytes]] | None = None) -> Node:
    dag = Dag()
    return node(dag, dag.node(links or [], data))


@pytest.mark.parametrize("fixture", INDEX)
def test_recorded(fixture: str) -> None:
    """Every recorded block is a node, and a file's size is that of its parts."""
    for text, block in blocks(fixture).items():
        found = decode(parse_cid(text), block)
        assert found.size == (0 if not found.is_file else len(found.data) + sum(x.size for x in found.links))


def test_packed_sizes() -> None:
    """Sizes of parts may be packed into one field."""
    dag = Dag()
    leaf = dag.leaf(b"ab")
    packed = FILE + varint(3, 4) + string(4, bytes([2, 2]))
    assert [link.size for link in node(dag, dag.node([("", leaf), ("", leaf)], packed)).links] == [2, 2]


def test_data_before_links() -> None:
    """A node may have bytes of its own before those of its links."""
    dag = Dag()
    found = node(dag, dag.file([(dag.leaf(b"cd"), 2)], b"ab"))
    assert (found.data, found.size) == (b"ab", 4)


LEAF = Dag().leaf(b"ab")
BAD = {
    "no UnixFS data": (b"", []),
    "no type": (varint(3, 0), []),
    "unknown type": (varint(1, 9), []),
    "symbolic link": (SYMLINK + string(2, b"/etc/passwd"), []),
    "sizes without links": (FILE + varint(3, 2) + varint(4, 2), []),
    "links without sizes": (FILE + varint(3, 2), [("", LEAF)]),
    "whole smaller than its parts": (FILE + varint(3, 1) + varint(4, 2), [("", LEAF)]),
    "an empty part": (FILE + varint(3, 2) + varint(4, 2) + varint(4, 0), [("", LEAF), ("", LEAF)]),
    "shards by another hash": (SHARD + varint(5, 0x12) + varint(6, 256), []),
    "shards of an odd fan-out": (SHARD + varint(5, 0x22) + varint(6, 255), []),
    "shards of a huge fan-out": (SHARD + varint(5, 0x22) + varint(6, 2**40), []),
    "cut field": (FILE + b"\x12\x05ab", []),
}


@pytest.mark.parametrize(("data", "links"), BAD.values(), ids=BAD)
def test_refused(data: bytes, links: list[tuple[str, bytes]]) -> None:
    """Nodes that contradict themselves, or are of no kind that is fetched."""
    with pytest.raises(BadNode):
        unixfs(data, links)


@pytest.mark.parametrize(
    "block",
    [
        b"\x0a",
        b"\x00",
        b"\x0b",
        b"\x18\x01",
        string(1, FILE) + string(1, FILE),
        string(2, b"") + string(1, FILE),
        string(2, string(1, b"\x01\x71\x12\x20" + bytes(32))) + string(1, FILE),
        string(2, string(1, LEAF) + string(2, b"\xff")) + string(1, DIRECTORY),
    ],
    ids=["cut", "field 0", "group", "field 3", "two data", "no CID", "dag-cbor", "name not UTF-8"],
)
def test_not_dag_pb(block: bytes) -> None:
    """Blocks that match their CID, but are no nodes."""
    with pytest.raises(BadNode):
        decode(parse_cid(root("chunks")), block)


@given(st.binary(max_size=200))
def test_any_block(block: bytes) -> None:
    """Any block is a consistent node, or BadNode."""
    try:
        found = decode(parse_cid(root("chunks")), block)
    except BadNode:
        return
    assert isinstance(found.kind, Kind)
    assert all(link.size > 0 for link in found.links if found.is_file)


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        ("", "0000000000000000"),
        ("hello", "cbd8a7b341bd9b02"),
        ("hello, world", "342fac623a5ebc8e"),
        ("The quick brown fox jumps over the lazy dog.", "cd99481f9ee902c9"),
    ],
)
def test_murmur3(text: str, digest: str) -> None:
    """Known hashes. All names of a recorded sharded directory are found by it too (test_ipfs)."""
    assert murmur3_64(text.encode()).hex() == digest


def cid(text: str = root("raw")) -> Cid:
    return parse_cid(text)


def test_step() -> None:
    """A name leads to its link; another name leads nowhere."""
    directory = Node(Kind.DIRECTORY, links=(Link("a", cid()), Link("b", cid(root("empty")))))
    assert step(directory, "b", 0) == (cid(root("empty")), True)
    assert step(directory, "c", 0) == (None, True)


def test_step_refused() -> None:
    """A file is no directory, a name must be unique, and shards end where the hash does."""
    twice = Node(Kind.DIRECTORY, links=(Link("a", cid()), Link("a", cid(root("empty")))))
    shard = Node(Kind.SHARD, fanout=256)
    for each, depth in ((twice, 0), (Node(Kind.FILE), 0), (shard, 8)):
        with pytest.raises(BadNode):
            step(each, "a", depth)
