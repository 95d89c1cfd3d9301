"""CIDs in their text and binary forms."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.sources.cid import (
    DAG_PB,
    RAW,
    SHA2_256,
    BadCid,
    Cid,
    parse_cid,
    read_cid,
    read_varint,
    write_varint,
)
from tests.unit.sources.gateway import INDEX, blocks

HELLO = Cid(RAW, SHA2_256, hashlib.sha256(b"hello\n").digest())


@pytest.mark.parametrize(
    "text",
    [
        "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am",
        "BAFKREICYSG23KIWV34EG2D7QWEIPXWOSDO2PY4LDV42NBAUGULUEN5V6AM",
        "f015512205891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
        "F015512205891B5B522D5DF086D0FF0B110FBD9D21BB4FC7163AF34D08286A2E846F6BE03",
    ],
)
def test_text_forms(text: str) -> None:
    """One CID in two bases and in both cases."""
    assert parse_cid(text) == HELLO
    assert str(parse_cid(text)) == "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am"


def test_other_bases() -> None:
    """Base58 and base36, which gateways use in host names."""
    assert parse_cid("zb2rhe5P4gXftAwvA4eXQ5HJwsER2owDyS9sKaQRRVQPn93bA").codec == RAW
    assert parse_cid("k2jmtxw8rjh1z69c6not3wtdxb0u3urbzhyll1t9jg6ox26dhi5sfi1m").codec in (RAW, DAG_PB)


@pytest.mark.parametrize("fixture", INDEX)
def test_recorded(fixture: str) -> None:
    """Each recorded block matches its CID, and no other block does; the text form is the recorded one."""
    for text, block in blocks(fixture).items():
        cid = parse_cid(text)
        assert cid.matches(block)
        assert not cid.matches(block + b"x")
        assert str(cid) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        "Qm",
        "QmPYTGYovo3jq6M49dKVh9vH8UwqmCxU2bEUNaYmZgUxy0",
        "PmPYTGYovo3jq6M49dKVh9vH8UwqmCxU2bEUNaYmZgUxyN",
        "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6a",
        "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6an",
        "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6a1",
        "f01551220",
        "f0155122000",
        "f01711220" + "00" * 32,
        "f01551114" + "00" * 20,
        "f01551120" + "00" * 16,
        "f0155008101" + "00" * 129,
        "f02551220" + "00" * 32,
        "f8101551220" + "00" * 32,
        "f" + "01551220" + "00" * 33,
        "m" + "A" * 50,
        "docs.ipfs.tech",
        "b" + "a" * 300,
        "bafkre\u0131",
    ],
)
def test_refused(text: str) -> None:
    """Texts that are none, codecs that are no files, and hashes that are not verified."""
    with pytest.raises(BadCid):
        parse_cid(text)


@given(st.sampled_from([RAW, DAG_PB]), st.binary(min_size=32, max_size=32), st.binary(max_size=5))
def test_round_trip(codec: int, digest: bytes, rest: bytes) -> None:
    """Text and bytes lead back to the same CID, and the length is that of the CID alone."""
    cid = Cid(codec, SHA2_256, digest)
    data = bytes([1, codec, 0x12, 0x20]) + digest
    assert parse_cid(str(cid)) == parse_cid(f"f{data.hex()}") == cid
    assert read_cid(data + rest) == (cid, len(data))


@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_any_bytes(data: bytes) -> None:
    """Any bytes are a CID within them, or refused."""
    try:
        cid, length = read_cid(data)
    except BadCid:
        return
    assert length <= len(data)
    assert data[length - len(cid.digest) : length] == cid.digest


@given(st.integers(0, 2**63 - 1))
def test_varints(value: int) -> None:
    """Varints round-trip; a longer form of the same number is refused."""
    written = write_varint(value)
    assert read_varint(written, 0) == (value, len(written))
    with pytest.raises(BadCid):
        read_varint(written[:-1] + bytes([written[-1] | 0x80, 0]), 0)
