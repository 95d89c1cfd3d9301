"""An account's recipient keys over the wire: by the store, by RPC, and what is neither."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from provider_daemon.chain import bech32, codec
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.proto.virtengine.encryption.v1.query_pb2 import (
    QueryKeyByFingerprintRequest,
    QueryKeyByFingerprintResponse,
    QueryRecipientKeyResponse,
)
from provider_daemon.chain.proto.virtengine.encryption.v1.types_pb2 import RecipientKeyRecord
from provider_daemon.errors import Refused, Transient, Unreadable
from tests.fakes.chain import ALICE, BOB, CHAIN_ID, FakeClock
from tests.unit.chain.far_end import Abort, FarEnd

PREFIX = b"\x01" + bech32.decode(ALICE.address)


def record(version: int, name: str = "a" * 40) -> RecipientKeyRecord:
    return RecipientKeyRecord(
        address=ALICE.address, public_key=bytes(32), key_fingerprint=name, key_version=version
    )


def rows(*records: RecipientKeyRecord) -> dict[tuple[str, bytes], bytes]:
    return {("encryption", PREFIX + each.key_fingerprint.encode()): codec.encode(each) for each in records}


@asynccontextmanager
async def chain_over(*far: FarEnd, quorum: int = 1) -> AsyncIterator[GrpcChain]:
    chain = GrpcChain(CHAIN_ID, [await each.start() for each in far], FakeClock(), quorum=quorum)
    try:
        yield chain
    finally:
        await chain.close()
        for each in far:
            await each.stop()


async def test_from_the_store() -> None:
    """All keys of the account and no others, in the order of their versions, in one read."""
    other = ("encryption", b"\x01" + bech32.decode(BOB.address) + b"c" * 40)
    far = FarEnd(records={**rows(record(2), record(1, "b" * 40)), other: b"{"})
    async with chain_over(far) as chain:
        found = await chain.recipient_keys(ALICE.address)
        assert [(each.key_version, each.key_fingerprint) for each in found] == [(1, "b" * 40), (2, "a" * 40)]
        assert found[0].public_key == bytes(32)
        assert far.calls.count("/store/encryption/subspace") == 1
        assert "RecipientKey" not in far.calls


async def test_no_keys() -> None:
    """An empty answer of the store is absence."""
    async with chain_over(FarEnd()) as chain:
        assert await chain.recipient_keys(ALICE.address) == ()


async def test_a_failed_read_is_not_absence() -> None:
    """A height that the node does not have, a failure, and an unreadable answer are errors."""
    for far in (
        FarEnd(store_log="version does not exist"),
        FarEnd(store_log="internal", store_code=1, store_codespace="sdk"),
    ):
        async with chain_over(far) as chain:
            with pytest.raises(Transient):
                await chain.recipient_keys(ALICE.address)
    async with chain_over(FarEnd(subspace=b"\xff")) as chain:
        with pytest.raises(Unreadable):
            await chain.recipient_keys(ALICE.address)


@pytest.mark.parametrize(
    "value", [b"{", b'{"public_key": 5}', b'{"public_key": "?"}', b'{"key_version": -1}']
)
async def test_an_unreadable_record(value: bytes) -> None:
    """One makes the whole list unreadable: it may be the key to use."""
    far = FarEnd(records={**rows(record(1)), ("encryption", PREFIX + b"d" * 40): value})
    async with chain_over(far) as chain:
        with pytest.raises(Unreadable, match=ALICE.address):
            await chain.recipient_keys(ALICE.address)


async def test_a_record_under_another_name() -> None:
    """It is refused: a store has each record under its own fingerprint."""
    far = FarEnd(records={("encryption", PREFIX + b"d" * 40): codec.encode(record(1))})
    async with chain_over(far) as chain:
        with pytest.raises(Unreadable, match="another key"):
            await chain.recipient_keys(ALICE.address)


async def test_by_rpc() -> None:
    """A node that does not let its stores be read is asked by RPC."""
    answer = QueryRecipientKeyResponse(keys=[record(2), record(1, "b" * 40)])
    far = FarEnd(store_log="no", store_code=4, answers={"RecipientKey": lambda asked: answer})
    async with chain_over(far) as chain:
        found = await chain.recipient_keys(ALICE.address)
        assert [each.key_version for each in found] == [1, 2]


async def test_a_chain_without_the_module() -> None:
    """It is a refusal that names the module; an error of the RPC is passed on."""
    far = FarEnd(store_log="no", store_code=4)
    async with chain_over(far) as chain:
        with pytest.raises(Refused, match="no encryption module"):
            await chain.recipient_keys(ALICE.address)

    def down(asked: object) -> QueryRecipientKeyResponse:
        raise Abort(grpc.StatusCode.UNAVAILABLE)

    far = FarEnd(store_log="no", store_code=4, answers={"RecipientKey": down})
    async with chain_over(far) as chain:
        with pytest.raises(Transient):
            await chain.recipient_keys(ALICE.address)


async def test_an_invalid_address() -> None:
    """Nothing is asked about it."""
    far = FarEnd()
    async with chain_over(far) as chain:
        with pytest.raises(ValueError, match="invalid address"):
            await chain.recipient_keys("ve1x")
    assert not [call for call in far.calls if "encryption" in call]


async def test_one_endpoint_cannot_substitute_a_key() -> None:
    """With a quorum of two, the answer of two others counts."""
    honest, lying = rows(record(1)), rows(record(1), record(2, "e" * 40))
    async with chain_over(
        FarEnd(records=lying), FarEnd(records=honest), FarEnd(records=honest), quorum=2
    ) as chain:
        assert [each.key_version for each in await chain.recipient_keys(ALICE.address)] == [1]


async def test_the_owner_of_a_key() -> None:
    """By the store's index, or by RPC; nobody's key is "", a damaged index unreadable."""
    place = ("encryption", b"\x02" + b"a" * 40)
    async with chain_over(FarEnd(records={place: bech32.decode(BOB.address)})) as chain:
        assert await chain.key_owner("a" * 40) == BOB.address
        assert await chain.key_owner("b" * 40) == ""
    async with chain_over(FarEnd(records={place: b"short"})) as chain:
        with pytest.raises(Unreadable):
            await chain.key_owner("a" * 40)

    def found(asked: QueryKeyByFingerprintRequest) -> QueryKeyByFingerprintResponse:
        if asked.fingerprint != "a" * 40:
            raise Abort(grpc.StatusCode.NOT_FOUND, "not found")
        return QueryKeyByFingerprintResponse(key=record(1))

    far = FarEnd(store_log="no", store_code=4, answers={"KeyByFingerprint": found})
    async with chain_over(far) as chain:
        assert await chain.key_owner("a" * 40) == ALICE.address
        assert await chain.key_owner("b" * 40) == ""
    async with chain_over(FarEnd(store_log="no", store_code=4)) as chain:
        with pytest.raises(Refused, match="no encryption module"):
            await chain.key_owner("a" * 40)
