"""CAR streams, block by block."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.sources.car import MAX_BLOCK, BadCar, CarReader
from provider_daemon.sources.cid import parse_cid
from tests.unit.sources.gateway import INDEX, blocks, car, root


def read(data: bytes, size: int = 10**9) -> list[tuple[str, bytes]]:
    reader = CarReader()
    found = []
    for at in range(0, len(data), size):
        found += [(str(cid), block) for cid, block in reader.feed(data[at : at + size])]
    reader.finish()
    return found


@pytest.mark.parametrize("size", [1, 7, 4096, 10**9])
@pytest.mark.parametrize("fixture", ["raw", "empty", "directory"])
def test_recorded(fixture: str, size: int) -> None:
    """The same blocks come out however the stream is cut, the root first."""
    found = read(car(fixture), size)
    assert found[0][0] == str(parse_cid(root(fixture)))
    assert dict(found) == blocks(fixture)


@pytest.mark.parametrize("fixture", INDEX)
def test_cut(fixture: str) -> None:
    """A stream that ends within a block is noticed."""
    with pytest.raises(BadCar, match="incomplete"):
        read(car(fixture)[:-1])


@pytest.mark.parametrize(
    "data",
    [
        b"<html>" * 20,
        b"\x00",
        b"\xff" * 11,
        b"\x0a\xa1\x67version\x02" + bytes(40),
        car("raw")[:59] + b"\x00",
        car("raw")[:59] + b"\xff\xff\xff\x7f",
    ],
    ids=["text", "empty header", "endless varint", "version 2", "empty section", "huge section"],
)
def test_not_a_car(data: bytes) -> None:
    """Other formats and sections of impossible size are refused before they are held."""
    with pytest.raises(BadCar):
        list(CarReader().feed(data))


def test_limit() -> None:
    """No block of more than 4 MiB is held."""
    assert MAX_BLOCK == 4 * 1024 * 1024


@given(st.integers(0, len(car("chunks")) - 1), st.integers(1, 255))
def test_any_changed_byte_of_a_block(at: int, change: int) -> None:
    """One changed byte anywhere behind the header is noticed, or damages nothing that is returned."""
    recorded = bytearray(car("chunks"))
    recorded[at] ^= change
    reader = CarReader()
    known = blocks("chunks")
    try:
        for cid, block in reader.feed(bytes(recorded)):
            assert cid.matches(block)
            assert known.get(str(cid), block) == block
    except BadCar:
        pass


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    """Any bytes give verified blocks or BadCar."""
    try:
        found = list(CarReader().feed(data))
    except BadCar:
        return
    assert all(cid.matches(block) for cid, block in found)
