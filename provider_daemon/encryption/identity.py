"""A recipient key: 32 bytes that age writes as an identity and the chain's envelope uses as an X25519 key.

Pure. No repr or error text of this module contains a secret.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import nacl.bindings
import nacl.public
import nacl.utils
import pyrage
from nacl.exceptions import CryptoError

from provider_daemon.chain import bech32
from provider_daemon.encryption.fingerprint import PUBLIC_KEY_BYTES, fingerprint

RECIPIENT_PREFIX, SECRET_PREFIX = "age", "age-secret-key-"
SECRET_BYTES = 32
_SECRET = re.compile(r"AGE-SECRET-KEY-1[0-9A-Z]{58}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Identity:
    """A secret key. `public_key` has 32 bytes; `recipient` is the same key as age writes it, `age1...`."""

    secret: bytes = field(repr=False)

    @property
    def public_key(self) -> bytes:
        return bytes(nacl.public.PrivateKey(self.secret).public_key)

    @property
    def recipient(self) -> str:
        return recipient_of(self.public_key)

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.public_key)

    @property
    def secret_text(self) -> str:
        """Returns the secret as age writes it, `AGE-SECRET-KEY-1...`."""
        return bech32.encode(self.secret, SECRET_PREFIX).upper()

    def for_age(self) -> pyrage.x25519.Identity:
        return pyrage.x25519.Identity.from_str(self.secret_text)


@dataclass(frozen=True, slots=True)
class Keyring:
    """The recipient keys of one file. New data is encrypted to the first; all of them decrypt."""

    identities: tuple[Identity, ...]

    @property
    def current(self) -> Identity:
        return self.identities[0]

    def with_fingerprint(self, wanted: str) -> Identity | None:
        return next((each for each in self.identities if each.fingerprint == wanted), None)


def generate(entropy: Callable[[int], bytes] = nacl.utils.random) -> Identity:
    return Identity(entropy(SECRET_BYTES))


def recipient_of(public_key: bytes) -> str:
    """Returns the key as age writes it, `age1...`. Raises ValueError for a key that has not 32 bytes."""
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise ValueError(f"an X25519 public key has {PUBLIC_KEY_BYTES} bytes, not {len(public_key)}")
    return bech32.encode(public_key, RECIPIENT_PREFIX)


def public_key_of(recipient: str) -> bytes:
    """Returns the 32 bytes of an age recipient. Raises ValueError for any other text."""
    try:
        key = bech32.decode(recipient, RECIPIENT_PREFIX)
    except ValueError:
        key = b""
    if len(key) != PUBLIC_KEY_BYTES:
        raise ValueError(f"invalid age recipient: {recipient[:80]!r} (must be age1...)")
    return key


def is_weak(public_key: bytes) -> bool:
    """Reports whether everybody can compute the key's shared secrets: it is of low order."""
    try:
        nacl.bindings.crypto_scalarmult(bytes([1]) * SECRET_BYTES, public_key)
    except CryptoError:
        return True
    return False


def parse(text: str) -> Keyring:
    """Reads an identity file as age-keygen writes it; it may contain several identities.

    Raises ValueError, which does not quote the text.
    """
    lines = [line.strip() for line in text.splitlines()]
    found = tuple(_identity(line) for line in lines if line and not line.startswith("#"))
    if not found:
        raise ValueError("no age identity (AGE-SECRET-KEY-1...)")
    return Keyring(found)


def render(identities: Sequence[Identity]) -> str:
    """Returns the text of an identity file, readable by age; the first identity is the current one."""
    return "".join(f"# public key: {each.recipient}\n{each.secret_text}\n" for each in identities)


def _identity(line: str) -> Identity:
    if not _SECRET.fullmatch(line):
        raise ValueError("a line is not an age identity (AGE-SECRET-KEY-1...)")
    try:
        secret = bech32.decode(line, SECRET_PREFIX)
    except ValueError:
        raise ValueError("an age identity is mistyped or damaged: its checksum does not match") from None
    if len(secret) != SECRET_BYTES:
        raise ValueError("an age identity has the wrong length")
    return Identity(secret)
