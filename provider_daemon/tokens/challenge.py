"""The text that a customer's wallet signs to log in (ADR-036, `signArbitrary`).

It names everything that it is good for, so that the customer can read it in the wallet, and so that it is
worth nothing at another gateway, on another chain, for another account, or later.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime

from provider_daemon.chain import bech32, sign
from provider_daemon.chain.signed_documents import adr036
from provider_daemon.tokens import strict
from provider_daemon.tokens.identity import Audience
from provider_daemon.tokens.refusal import TokenRefusal, TokenRefused
from provider_daemon.tokens.session import SessionKey

LIFETIME_SECONDS = 300
MAX_CHARACTERS = 4096
NONCE_BYTES = 16
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_TITLE = "Log in to the gateway of a VirtEngine provider. Signing this costs nothing and moves no tokens."


@dataclass(frozen=True, slots=True)
class Challenge:
    """A text to sign. `expires_at`: in seconds since the epoch."""

    text: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A signed challenge that is genuine. `nonce`: used once by the caller."""

    address: str
    nonce: str
    expires_at: int


def make(address: str, audience: Audience, key: SessionKey, nonce: bytes, now: float) -> Challenge:
    """Returns a new challenge. `nonce`: 16 random bytes. Raises TokenRefused (malformed) for the address."""
    if not _is_account(address):
        raise TokenRefused(TokenRefusal.MALFORMED, "The address must be an account of the chain (ve1...).")
    expires_at = int(now) + LIFETIME_SECONDS
    unsigned = _text(address, audience, nonce.hex(), expires_at)
    return Challenge(f"{unsigned}\nCode: {key.code('challenge', unsigned.encode()).hex()}", expires_at)


def _is_account(address: str) -> bool:
    try:
        return len(bech32.decode(address)) == 20 and address == address.lower()
    except ValueError:
        return False


def _text(address: str, audience: Audience, nonce: str, expires_at: int) -> str:
    lines = {
        "Gateway": audience.url,
        "Chain": audience.chain_id,
        "Provider": ", ".join(sorted(audience.providers)),
        "Account": address,
        "Expires": datetime.fromtimestamp(expires_at, UTC).strftime(_TIME),
        "Nonce": nonce,
    }
    return "\n".join([_TITLE, "", *(f"{name}: {value}" for name, value in lines.items())])


def check(
    text: str, public_key: str, signature: str, audience: Audience, key: SessionKey, now: float
) -> Answer:
    """Returns the account that signed the challenge. `public_key` and `signature`: base64, as wallets give.

    Raises TokenRefused (malformed, signature, wrong audience, expired).
    """
    answer = _read(text, audience, key)
    if not _signed(text, public_key, signature, answer.address):
        raise TokenRefused(
            TokenRefusal.SIGNATURE, "The signature of the challenge is not valid for this account."
        )
    if answer.expires_at <= now:
        raise TokenRefused(TokenRefusal.EXPIRED, "The challenge has expired. Ask for a new one.")
    return answer


def _read(text: str, audience: Audience, key: SessionKey) -> Answer:
    unsigned, _, code = text[:MAX_CHARACTERS].rpartition("\nCode: ")
    genuine = key.code("challenge", unsigned.encode(errors="replace")).hex()
    if not hmac.compare_digest(genuine.encode(), code.encode(errors="replace")):
        raise TokenRefused(
            TokenRefusal.MALFORMED,
            "The challenge was not made by this gateway, or the gateway was restarted. Ask for a new one.",
        )
    fields = dict(line.split(": ", 1) for line in unsigned.split("\n")[2:])
    ends = int(datetime.strptime(fields["Expires"], _TIME).replace(tzinfo=UTC).timestamp())
    answer = Answer(fields["Account"], fields["Nonce"], ends)
    if unsigned != _text(answer.address, audience, answer.nonce, ends):
        raise TokenRefused(
            TokenRefusal.WRONG_AUDIENCE, "The challenge is for another gateway. Ask for a new one."
        )
    return answer


def _signed(text: str, public_key: str, signature: str, address: str) -> bool:
    try:
        key, code = strict.from_base64(public_key), strict.from_base64(signature)
        if bech32.address_of(key) != address:
            return False
    except ValueError:
        return False
    return sign.verify(key, hashlib.sha256(adr036(text.encode(), address)).digest(), code)
