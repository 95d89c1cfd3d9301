"""The customer's login at one gateway: a token of the account's key, or a session. Pure.

A token is signed here and needs the account's public key on chain, which an account has after its first
transaction. Before that, the key signs a challenge of the gateway in exchange for a session.
"""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

from provider_daemon.chain import signed_documents
from provider_daemon.chain.keys import Signer
from provider_daemon.client import gateway_facts
from provider_daemon.client.gateway_facts import Challenge, Session
from provider_daemon.errors import Refused
from provider_daemon.tokens.identity import Audience
from provider_daemon.tokens.jwt import mint
from provider_daemon.tokens.refusal import TokenRefusal

LIFE_SECONDS = 600
MARGIN_SECONDS = 60  # a token is renewed this long before it expires

_NO_KEY = (TokenRefusal.UNKNOWN_ACCOUNT.value, "no_public_key")

Post = Callable[[str, object], Awaitable[Any]]
"""POST of a JSON body to a path of the gateway, without a token; returns the answer's JSON."""


class Login:
    """`audience.providers`: the provider accounts of this gateway; a token is valid for no other."""

    def __init__(self, signer: Signer, audience: Audience, now: Callable[[], float]) -> None:
        self._signer = signer
        self._audience = audience
        self._now = now
        self._by_challenge = False
        self._token = ""
        self._until = 0.0

    @property
    def address(self) -> str:
        return self._signer.address

    async def token(self, post: Post) -> str:
        """Returns a token that is valid for a minute at least. Raises Refused, and what `post` raises."""
        now = self._now()
        if not self._token or now > self._until - MARGIN_SECONDS:
            if self._by_challenge:
                self._token, self._until = await self._session(post)
            else:
                self._token, self._until = self._minted(now), now + LIFE_SECONDS
        return self._token

    def rejected(self, reason: str) -> bool:
        """Takes note that the gateway rejected the token. Returns whether another one may be accepted."""
        if reason in _NO_KEY and not self._by_challenge:
            self._by_challenge, self._token = True, ""
            return True
        # a session ends when the gateway is restarted
        if self._by_challenge and reason in (TokenRefusal.SIGNATURE.value, TokenRefusal.EXPIRED.value):
            self._token = ""
            return True
        return False

    def _minted(self, now: float) -> str:
        return mint(self._signer, self._audience, now, LIFE_SECONDS)

    async def _session(self, post: Post) -> tuple[str, float]:
        asked = await post("/v1/login/challenge", {"address": self.address})
        text = gateway_facts.read(Challenge, asked, "the login").challenge
        self._check_challenge(text)
        answer = {
            "challenge": text,
            "public_key": base64.b64encode(self._signer.public_key).decode(),
            "signature": signed_documents.sign_document(text.encode(), self._signer),
        }
        session = gateway_facts.read(Session, await post("/v1/login/session", answer), "the login")
        return session.token, session.expires_at

    def _check_challenge(self, text: str) -> None:
        """Raises Refused for a text of another kind: a gateway could pass on the challenge of another one."""
        lines = text.split("\n")
        wanted = {
            f"Gateway: {self._audience.url}",
            f"Chain: {self._audience.chain_id}",
            f"Account: {self.address}",
        }
        names = [line.partition(": ")[0] for line in lines if ": " in line]
        if not wanted <= set(lines) or any(names.count(name) > 1 for name in ("Gateway", "Chain", "Account")):
            raise Refused(
                "the gateway's challenge does not name this gateway, chain and account: nothing was signed"
            )
