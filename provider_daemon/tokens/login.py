"""Authentication: from a token to a customer and the customer's rights.

A token is checked in this order: its form and times, the account's public key from the chain, the signature,
and last its one-time identifier, so that nobody can use up the identifiers of another account.
"""

from collections.abc import Awaitable, Callable

from provider_daemon.tokens import challenge as challenges
from provider_daemon.tokens import jwt, session
from provider_daemon.tokens.challenge import Challenge
from provider_daemon.tokens.claims import Claims, Full, Granular, Scoped
from provider_daemon.tokens.identity import ALL, READ_ONLY, Audience, Identity, Right, Scope
from provider_daemon.tokens.refusal import TokenRefusal, TokenRefused
from provider_daemon.tokens.replay import LEEWAY_SECONDS, ReplayGuard
from provider_daemon.tokens.session import Session, SessionKey

ONE_TIME_SECONDS = 15 * 60  # the longest life of a token that is not limited to one provider
GRANULAR_SECONDS = 24 * 3600
SESSION_SECONDS = 8 * 3600
LINK_SECONDS = 7 * 24 * 3600  # the longest life of a link

PublicKeyOf = Callable[[str], Awaitable[bytes | None]]
"""The compressed public key of an account, None if the chain has none. May raise Transient."""

_RIGHTS = {
    "status": Right.STATUS,
    "events": Right.STATUS,
    "logs": Right.FILES,
    "send-manifest": Right.UPLOAD,
}


class Authenticator:
    """Checks the logins of one gateway. `replay` and `key` live as long as the process."""

    def __init__(
        self, audience: Audience, key: SessionKey, replay: ReplayGuard, public_key_of: PublicKeyOf
    ) -> None:
        self._audience = audience
        self._key = key
        # one for each process: a restarted gateway has forgotten which challenges were used
        self._challenge_key = key.derive(f"challenges since {replay.started_at!r}")
        self._replay = replay
        self._public_key_of = public_key_of

    async def authenticate(self, token: str, now: float) -> Identity:
        """Returns the customer of a JWT, a session or a link.

        Raises TokenRefused, and Transient if the chain could not be queried.
        """
        if token.startswith(session.PREFIX):
            return self._key.open(token, now)
        read = jwt.read(token)
        claims = read.claims
        check_times(claims, now)
        rights = rights_of(claims, self._audience)
        one_time = not isinstance(claims.leases, Granular)
        if one_time:
            self._replay.check_issued(claims.iat, now)
        jwt.verify(read, await self._key_of(claims.iss))
        if one_time:
            self._replay.claim(claims.iss, f"jti:{claims.jti}", claims.exp, now)
        return Identity(claims.iss, Scope(rights), claims.exp)

    async def _key_of(self, address: str) -> bytes:
        public_key = await self._public_key_of(address)
        if public_key is None:
            raise TokenRefused(
                TokenRefusal.UNKNOWN_ACCOUNT,
                f"The chain has no public key of {address}: an account has one after its first transaction.",
            )
        return public_key

    def challenge(self, address: str, nonce: bytes, now: float) -> Challenge:
        """Returns a text for the customer's wallet to sign. `nonce`: 16 random bytes.

        Raises TokenRefused (malformed) if the address is not an account's.
        """
        return challenges.make(address, self._audience, self._challenge_key, nonce, now)

    def log_in(self, challenge: str, public_key: str, signature: str, now: float) -> Session:
        """Returns a session with all rights for a signed challenge. Raises TokenRefused."""
        answer = challenges.check(challenge, public_key, signature, self._audience, self._challenge_key, now)
        self._replay.claim(answer.address, f"nonce:{answer.nonce}", answer.expires_at, now)
        return self._key.seal(Identity(answer.address, Scope(ALL), int(now) + SESSION_SECONDS))

    def session(self, identity: Identity) -> Session:
        """Returns a session with the rights and the end of a login: a one-time JWT serves one request."""
        return self._key.seal(identity)

    def link(self, identity: Identity, job_id: str, seconds: int, now: float) -> Session:
        """Returns a token that reads one job, for somebody else. The caller checks whose job it is.

        `seconds` is at most LINK_SECONDS. Raises TokenRefused (no permission).
        """
        if not identity.scope.allows(Right.DELEGATE, job_id):
            raise TokenRefused(TokenRefusal.NO_PERMISSION, "This login may not make links.")
        ends = int(now) + max(1, min(seconds, LINK_SECONDS))
        return self._key.seal(Identity(identity.address, Scope(READ_ONLY, job_id), ends))


def check_times(claims: Claims, now: float) -> None:
    """Raises TokenRefused for a token that is not valid now, or for too long."""
    if claims.exp + LEEWAY_SECONDS <= now:
        raise TokenRefused(TokenRefusal.EXPIRED, "The token has expired. Make a new one.")
    if max(claims.iat, claims.nbf) - LEEWAY_SECONDS > now:
        raise TokenRefused(
            TokenRefusal.NOT_YET_VALID, "The token is not valid yet. Is the clock of your computer right?"
        )
    granular = isinstance(claims.leases, Granular)
    most = GRANULAR_SECONDS if granular else ONE_TIME_SECONDS
    if claims.exp - claims.iat > most:
        raise TokenRefused(
            TokenRefusal.TOO_LONG_LIVED,
            f"The token is valid for {claims.exp - claims.iat} s; with {claims.leases.access} access "
            f"at most {most} s are accepted.",
        )
    if claims.jti is None and not granular:
        raise TokenRefused(
            TokenRefusal.NOT_ONE_TIME,
            "A token with full or scoped access is valid at every provider, so it must have a jti and is "
            "accepted once. Add a random jti, or use granular access that names this provider.",
        )


def rights_of(claims: Claims, audience: Audience) -> frozenset[Right]:
    """Returns what the token permits at this gateway. Raises TokenRefused if it is not for it."""
    named = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if named is not None and audience.claim not in named:
        raise TokenRefused(
            TokenRefusal.WRONG_AUDIENCE, f"The token's aud is not this gateway's ({audience.claim})."
        )
    if not isinstance(claims.leases, Granular):
        return _rights(claims.leases)
    ours = [entry for entry in claims.leases.permissions if entry.provider in audience.providers]
    if not ours:
        raise TokenRefused(
            TokenRefusal.WRONG_PROVIDER,
            f"The token does not name this provider ({', '.join(sorted(audience.providers))}).",
        )
    granted = [_rights(entry) for entry in ours if isinstance(entry, Full | Scoped)]
    if not granted:
        raise TokenRefused(
            TokenRefusal.NO_PERMISSION,
            "The token's permission for this provider is limited to deployments; HPC jobs need full or "
            "scoped access.",
        )
    return frozenset().union(*granted)


def _rights(access: Full | Scoped) -> frozenset[Right]:
    if isinstance(access, Full):
        return ALL
    rights = frozenset(_RIGHTS[name] for name in access.scope if name in _RIGHTS)
    if not rights:
        raise TokenRefused(
            TokenRefusal.NO_PERMISSION,
            f"The token's scope has none of {', '.join(_RIGHTS)}.",
        )
    return rights
