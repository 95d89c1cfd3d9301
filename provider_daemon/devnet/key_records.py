"""Recipient keys in the encryption store, and in a genesis file (docs/protocol.md, 'Recipient keys').

All other rows of the store follow from the key records, so a genesis file has only these.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from provider_daemon.chain import bech32, codec, keyspace
from provider_daemon.chain.proto.virtengine.encryption.v1.types_pb2 import RecipientKeyRecord
from provider_daemon.devnet.kv import Layer
from provider_daemon.encryption.fingerprint import fingerprint

Row = tuple[bytes, bytes]

STORE = keyspace.ENCRYPTION_STORE


def of_account(state: Layer, address: str) -> list[RecipientKeyRecord]:
    """Returns the account's keys in the order of the store."""
    return list(_scanned(state, keyspace.recipient_key(bech32.decode(address))))


def every(state: Layer) -> list[RecipientKeyRecord]:
    return list(_scanned(state, keyspace.RECIPIENT_KEY))


def by_fingerprint(state: Layer, wanted: str) -> RecipientKeyRecord | None:
    owner = state.get(STORE, keyspace.KEY_OWNER + wanted.encode())
    value = state.get(STORE, keyspace.recipient_key(owner, wanted)) if owner else b""
    return codec.decode(RecipientKeyRecord, value) if value else None


def add(state: Layer, record: RecipientKeyRecord) -> None:
    """Stores a new key of an account: it becomes the active one."""
    for key, value in rows_of(record):
        state.put(STORE, key, value)


def update(state: Layer, record: RecipientKeyRecord) -> None:
    key, value = next(iter(rows_of(record)))
    state.put(STORE, key, value)


def remove(state: Layer, record: RecipientKeyRecord) -> None:
    """Deletes a key; the newest one that is left becomes the active one."""
    for key, _ in rows_of(record):
        state.delete(STORE, key)
    if left := of_account(state, record.address):
        add(state, max(left, key=lambda each: each.key_version))


def rows_of(record: RecipientKeyRecord) -> Iterator[Row]:
    """Yields the rows of the store for an account's newest key, the record first."""
    owner, name = bech32.decode(record.address), record.key_fingerprint.encode()
    yield keyspace.recipient_key(owner, record.key_fingerprint), codec.encode(record)
    yield keyspace.KEY_OWNER + name, owner
    yield keyspace.KEY_OF_VERSION + owner + record.key_version.to_bytes(4, "big"), name
    yield keyspace.ACTIVE_KEY + owner, name


def _scanned(state: Layer, prefix: bytes) -> Iterator[RecipientKeyRecord]:
    return (codec.decode(RecipientKeyRecord, value) for _, value in state.scan(STORE, prefix))


# --- genesis file ---


def show(rows: Iterable[Row]) -> Any:
    return {
        "recipient_keys": [codec.loads(value) for key, value in rows if key[:1] == keyspace.RECIPIENT_KEY]
    }


def rows(section: Any) -> list[Row]:
    """Raises Unreadable, ValueError, KeyError or TypeError."""
    records = [codec.decode(RecipientKeyRecord, codec.dumps(value)) for value in section["recipient_keys"]]
    found: dict[bytes, bytes] = {}
    for record in sorted(records, key=lambda each: each.key_version):
        if record.key_fingerprint != fingerprint(record.public_key):
            raise ValueError(f"the key {record.key_fingerprint!r} has another fingerprint")
        made = dict(rows_of(record))
        if next(iter(made)) in found:
            raise ValueError(f"it holds the key {record.key_fingerprint} twice")
        found |= made
    return list(found.items())
