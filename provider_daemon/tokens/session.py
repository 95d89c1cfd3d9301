"""Sessions and links: tokens that the gateway makes and only the same key can make.

A token is `provd1.<payload>.<HMAC-SHA256>`, both base64url. The payload is JSON of the account, the rights,
the job ("" for all) and the end. It carries no secret, and it is valid only at the gateway with this key.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass

from provider_daemon.tokens import strict
from provider_daemon.tokens.identity import Identity, Right, Scope
from provider_daemon.tokens.refusal import TokenRefusal, TokenRefused

PREFIX = "provd1."


@dataclass(frozen=True, slots=True)
class Session:
    """A token of the gateway. `expires_at`: in seconds since the epoch."""

    token: str
    expires_at: int
    address: str


class SessionKey:
    """The gateway's secret for sessions, links and challenges. It never shows it."""

    def __init__(self, secret: bytes) -> None:
        """`secret`: at least 32 random bytes. Raises ValueError if it is shorter."""
        if len(secret) < 32:
            raise ValueError("a session key has at least 32 bytes")
        self._secret = secret

    def derive(self, purpose: str) -> "SessionKey":
        """Returns another key: what is made with it is not valid with this one."""
        return SessionKey(self.code("derive", purpose.encode()))

    def code(self, purpose: str, text: bytes) -> bytes:
        """Returns the 32-byte authentication code. Codes of one purpose are never valid for another."""
        return hmac.digest(self._secret, purpose.encode() + b"\0" + text, hashlib.sha256)

    def seal(self, identity: Identity) -> Session:
        """Returns the token of a session or a link."""
        payload = strict.base64url(_payload(identity))
        code = strict.base64url(self.code("session", payload.encode()))
        return Session(f"{PREFIX}{payload}.{code}", identity.expires_at, identity.address)

    def open(self, token: str, now: float) -> Identity:
        """Returns who the token stands for. Raises TokenRefused (malformed, signature, expired)."""
        identity = self._read(token)
        if identity.expires_at <= now:
            raise TokenRefused(TokenRefusal.EXPIRED, "The login or link has expired. Log in again.")
        return identity

    def _read(self, token: str) -> Identity:
        payload, _, code = token.removeprefix(PREFIX).partition(".")
        try:
            given = strict.from_base64url(code)
        except ValueError:
            given = b""
        if not hmac.compare_digest(given, self.code("session", payload.encode(errors="replace"))):
            raise TokenRefused(
                TokenRefusal.SIGNATURE,
                "The login or link was not made by this gateway, or the gateway was restarted. Log in again.",
            )
        return _identity(strict.from_json(strict.from_base64url(payload)))

    def __repr__(self) -> str:
        return "SessionKey()"


def _payload(identity: Identity) -> bytes:
    rights = sorted(right.value for right in identity.scope.rights)
    fields = {
        "address": identity.address,
        "expires_at": identity.expires_at,
        "job": identity.scope.job_id,
        "rights": rights,
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def _identity(fields: dict[str, object]) -> Identity:
    """The fields are our own: their code was checked before."""
    address, expires_at, job, rights = (fields[name] for name in ("address", "expires_at", "job", "rights"))
    assert isinstance(rights, list)
    scope = Scope(frozenset(map(Right, rights)), str(job))
    return Identity(str(address), scope, int(str(expires_at)))
