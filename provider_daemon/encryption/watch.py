"""Whether a provider's own recipient key can be used by its customers. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from provider_daemon.encryption.recipients import KeyProblem, RecipientKey, problem

SOON_SECONDS = 14 * 86_400.0


class OwnKeyStatus(StrEnum):
    """The state of the provider's key on the chain.

    MISSING: the account has none of the keys of the file. FOREIGN: customers would use a key of the account
    that is not in the file, so nobody could decrypt. TAMPERED: another account marked the key deprecated.
    """

    USABLE = "usable"
    EXPIRES_SOON = "expires_soon"
    MISSING = "missing"
    FOREIGN = "foreign"
    REVOKED = "revoked"
    EXPIRED = "expired"
    DEPRECATED = "deprecated"
    TAMPERED = "tampered"
    UNUSABLE = "unusable"


USABLE = frozenset({OwnKeyStatus.USABLE, OwnKeyStatus.EXPIRES_SOON})
_PROBLEMS = {
    KeyProblem.REVOKED: OwnKeyStatus.REVOKED,
    KeyProblem.EXPIRED: OwnKeyStatus.EXPIRED,
    KeyProblem.DEPRECATED: OwnKeyStatus.DEPRECATED,
}


@dataclass(frozen=True, slots=True)
class OwnKey:
    """`key` is the key that the status is about, None for MISSING. `expires_at`: as in RecipientKey."""

    status: OwnKeyStatus
    key: RecipientKey | None = None

    @property
    def ok(self) -> bool:
        return self.status in USABLE


def own_key(keys: Sequence[RecipientKey], ours: Collection[str] | None, now: float) -> OwnKey:
    """Judges the key that a customer would choose: the newest usable one, else the newest of ours.

    `keys`: all keys of the provider's account. `ours`: fingerprints of the keys in its file; None if the file
    is not known, so that all keys of the account count. `now`: the time of the chain's newest block.
    """
    if ours is None:
        ours = {key.fingerprint for key in keys}
    newest_first = sorted(keys, key=lambda key: key.version, reverse=True)
    usable = next((key for key in newest_first if problem(key, now) is None), None)
    mine = next((key for key in newest_first if key.fingerprint in ours), None)
    if usable is None:
        return OwnKey(_lost(mine, newest_first, now), mine) if mine else OwnKey(OwnKeyStatus.MISSING)
    if usable.fingerprint not in ours:
        return OwnKey(OwnKeyStatus.FOREIGN, usable)
    soon = bool(usable.expires_at) and usable.expires_at - now <= SOON_SECONDS
    return OwnKey(OwnKeyStatus.EXPIRES_SOON if soon else OwnKeyStatus.USABLE, usable)


def is_tampered(key: RecipientKey, keys: Sequence[RecipientKey]) -> bool:
    """Reports whether another account marked the key deprecated.

    A rotation by the owner registers the owner's new key in the same block.
    """
    return bool(key.deprecated_at) and not any(
        other.registered_at == key.deprecated_at and other.version > key.version for other in keys
    )


def _lost(key: RecipientKey, keys: Sequence[RecipientKey], now: float) -> OwnKeyStatus:
    why = problem(key, now)
    if why is KeyProblem.DEPRECATED and is_tampered(key, keys):
        return OwnKeyStatus.TAMPERED
    return OwnKeyStatus.UNUSABLE if why is None else _PROBLEMS.get(why, OwnKeyStatus.UNUSABLE)
