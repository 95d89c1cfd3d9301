"""An account's recipient keys on the chain, and which of them may be used (docs/protocol.md,
'Recipient keys').

Keys are found by address only. Anybody can register a public key first, and anybody can mark any key
deprecated; so each record is checked against its own content, and "no usable key" is never "no encryption".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from provider_daemon.chain.proto.virtengine.encryption.v1.types_pb2 import RecipientKeyRecord
from provider_daemon.encryption.fingerprint import ALGORITHM, PUBLIC_KEY_BYTES, fingerprint
from provider_daemon.encryption.identity import is_weak, recipient_of
from provider_daemon.errors import Refused, Unreadable


class KeyProblem(StrEnum):
    """Why a key must not be used for new data.

    WEAK: a public key of low order; what is encrypted to it can be read by anybody.
    """

    REVOKED = "revoked"
    DEPRECATED = "deprecated"
    EXPIRED = "expired"
    ALGORITHM = "algorithm"
    WEAK = "weak"


@dataclass(frozen=True, slots=True)
class RecipientKey:
    """A key of an account. `public_key` has 32 bytes. Times are in seconds since the epoch, 0 for never."""

    address: str
    public_key: bytes
    fingerprint: str
    version: int
    algorithm: str
    registered_at: int
    revoked_at: int = 0
    deprecated_at: int = 0
    expires_at: int = 0
    purge_at: int = 0
    label: str = ""

    @property
    def recipient(self) -> str:
        """Returns the key as age writes it, `age1...`."""
        return recipient_of(self.public_key)


class NoKey(Refused):
    """The account has never registered a key, all were deleted, or the chain has no encryption module."""


class NoUsableKey(Refused):
    """The account has keys, and none may be used. Data for it must not be sent unencrypted."""


def read(record: RecipientKeyRecord, address: str) -> RecipientKey:
    """Raises Unreadable for a record of another account, or one that contradicts itself."""
    if record.address != address:
        raise Unreadable(f"the node returned a key of {record.address[:60]!r} instead of {address}")
    if len(record.public_key) != PUBLIC_KEY_BYTES:
        raise Unreadable(f"a recipient key of {address} has {len(record.public_key)} bytes")
    if record.key_fingerprint != fingerprint(record.public_key):
        raise Unreadable(
            f"a recipient key of {address} has the fingerprint {record.key_fingerprint[:60]!r} instead of "
            f"{fingerprint(record.public_key)}"
        )
    return RecipientKey(
        address=address,
        public_key=record.public_key,
        fingerprint=record.key_fingerprint,
        version=record.key_version,
        algorithm=record.algorithm_id,
        registered_at=record.registered_at,
        revoked_at=record.revoked_at,
        deprecated_at=record.deprecated_at,
        expires_at=record.expires_at,
        purge_at=record.purge_at,
        label=record.label,
    )


def read_all(records: Iterable[RecipientKeyRecord], address: str) -> tuple[RecipientKey, ...]:
    """Returns an account's keys, the newest first. Raises Unreadable if one of them cannot be read."""
    found = [read(record, address) for record in records]
    return tuple(sorted(found, key=lambda key: key.version, reverse=True))


def problem(key: RecipientKey, now: float) -> KeyProblem | None:
    """`now`: the time of the chain's newest block, in seconds since the epoch."""
    if key.revoked_at:
        return KeyProblem.REVOKED
    if key.deprecated_at:
        return KeyProblem.DEPRECATED
    if key.expires_at and now >= key.expires_at:
        return KeyProblem.EXPIRED
    if key.algorithm != ALGORITHM:
        return KeyProblem.ALGORITHM
    return KeyProblem.WEAK if is_weak(key.public_key) else None


def choose(keys: Sequence[RecipientKey], now: float, address: str) -> RecipientKey:
    """Returns the newest usable key. Raises NoKey, and NoUsableKey with the problem of each key."""
    if not keys:
        raise NoKey(f"{address} has no recipient key on the chain")
    newest_first = sorted(keys, key=lambda key: key.version, reverse=True)
    problems = [problem(key, now) for key in newest_first]
    for key, why in zip(newest_first, problems, strict=True):
        if why is None:
            return key
    listed = ", ".join(f"{key.fingerprint} {why}" for key, why in zip(newest_first, problems, strict=True))
    raise NoUsableKey(f"{address} has no usable recipient key on the chain: {listed}")
