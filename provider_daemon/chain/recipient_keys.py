"""The recipient keys of an account: from the raw store, or by RPC if the node refuses that read.

The store is read first: it shows each record with its key, so that a record under a wrong name is noticed.
See docs/protocol.md, 'Recipient keys'.
"""

from collections.abc import Iterable

import grpc.aio

from provider_daemon.chain import bech32, codec, keyspace
from provider_daemon.chain.endpoint import CALL_SECONDS, Caller
from provider_daemon.chain.grpc_errors import NotFound, Unimplemented
from provider_daemon.chain.proto.virtengine.encryption.v1 import query_pb2, query_pb2_grpc
from provider_daemon.chain.proto.virtengine.encryption.v1.types_pb2 import RecipientKeyRecord
from provider_daemon.chain.store import Store
from provider_daemon.errors import Refused, Unreadable

Records = tuple[RecipientKeyRecord, ...]

ADDRESS_BYTES = 20


class NoModule(Refused):
    """The chain has no encryption module, so that no account has a recipient key."""

    def __init__(self) -> None:
        super().__init__("the chain has no encryption module: it has no recipient keys")


async def recipient_keys(caller: Caller, store: Store, address: str) -> Records:
    """Returns the records in the order of their versions, revoked ones too.

    They are not checked beyond their form (encryption/recipients.py). Raises ValueError for an invalid
    address, Unreadable if one record cannot be read, and NoModule.
    """
    prefix = keyspace.recipient_key(bech32.decode(address))
    try:
        rows = await store.subspace(prefix, keyspace.ENCRYPTION_STORE)
    except Refused:
        return _in_order(await _by_rpc(caller, address))
    return _in_order(_decoded(key.removeprefix(prefix), value, address) for key, value in rows)


def _decoded(name: bytes, value: bytes, address: str) -> RecipientKeyRecord:
    try:
        record = codec.decode(RecipientKeyRecord, value)
    except Unreadable as error:
        raise Unreadable(f"a recipient key of {address} cannot be read: {error}") from error
    if record.key_fingerprint.encode() != name:
        raise Unreadable(f"a recipient key of {address} is stored under the name of another key")
    return record


def _in_order(records: Iterable[RecipientKeyRecord]) -> Records:
    return tuple(sorted(records, key=lambda record: (record.key_version, record.key_fingerprint)))


async def _by_rpc(caller: Caller, address: str) -> Iterable[RecipientKeyRecord]:
    async def request(channel: grpc.aio.Channel) -> query_pb2.QueryRecipientKeyResponse:
        asked = query_pb2.QueryRecipientKeyRequest(address=address)
        return await query_pb2_grpc.QueryStub(channel).RecipientKey(asked, timeout=CALL_SECONDS)

    try:
        return (await caller.call(request)).keys
    except Unimplemented as error:
        raise NoModule from error


async def key_owner(caller: Caller, store: Store, fingerprint: str) -> str:
    """Returns the address of the account that has registered the key; "" if none has.

    A hint only: a customer's keys are looked up by address. Raises Unreadable and NoModule as above.
    """
    try:
        owner = await store.get(keyspace.KEY_OWNER + fingerprint.encode(), keyspace.ENCRYPTION_STORE)
    except Refused:
        return await _owner_by_rpc(caller, fingerprint)
    if owner and len(owner) != ADDRESS_BYTES:
        raise Unreadable(f"the owner of the key {fingerprint} cannot be read: {owner[:40].hex()}")
    return bech32.encode(owner) if owner else ""


async def _owner_by_rpc(caller: Caller, fingerprint: str) -> str:
    async def request(channel: grpc.aio.Channel) -> query_pb2.QueryKeyByFingerprintResponse:
        asked = query_pb2.QueryKeyByFingerprintRequest(fingerprint=fingerprint)
        return await query_pb2_grpc.QueryStub(channel).KeyByFingerprint(asked, timeout=CALL_SECONDS)

    try:
        return (await caller.call(request)).key.address
    except NotFound:
        return ""
    except Unimplemented as error:
        raise NoModule from error
