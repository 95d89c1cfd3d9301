"""A customer's wallet, the gateway that he logs in to, and the recorded work of stock wallets."""

import asyncio
import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from provider_daemon.chain.sign import LocalSigner
from provider_daemon.chain.signed_documents import adr036
from provider_daemon.tokens.identity import Audience, Identity
from provider_daemon.tokens.login import Authenticator
from provider_daemon.tokens.replay import ReplayGuard
from provider_daemon.tokens.session import SessionKey

FIXTURES = Path(__file__).parents[2] / "fixtures" / "wallets"
VECTORS: dict[str, Any] = json.loads((FIXTURES / "vectors.json").read_text())
CHALLENGE = (FIXTURES / "challenge.txt").read_text()

NOW = 1_800_000_000.0
CUSTOMER = LocalSigner(bytes(range(1, 33)))
PROVIDER = LocalSigner(bytes(range(2, 34))).address
STRANGER = LocalSigner(bytes(range(3, 35)))
AUDIENCE = Audience("https://gateway.example:8443", "virtengine-localnet-1", frozenset({PROVIDER}))
KEYS = {signer.address: signer.public_key for signer in (CUSTOMER, STRANGER)}
KEY = SessionKey(bytes(32))


def gateway(audience: Audience = AUDIENCE, key: SessionKey = KEY, started_at: float = 0.0) -> Authenticator:
    async def public_key_of(address: str) -> bytes | None:
        return KEYS.get(address)

    return Authenticator(audience, key, ReplayGuard(started_at), public_key_of)


def authenticate(token: str, now: float = NOW, at: Authenticator | None = None) -> Identity:
    return asyncio.run((at or gateway()).authenticate(token, now))


def claims(access: str = "full", **changes: object) -> dict[str, Any]:
    """Returns the recorded claims of that access with changes; None removes one."""
    changed = {**VECTORS["claims"][access], **changes}
    return {name: value for name, value in changed.items() if value is not None}


def signed(text: str, signer: LocalSigner = CUSTOMER) -> str:
    """Returns base64 of what the wallet's signArbitrary returns."""
    digest = hashlib.sha256(adr036(text.encode(), signer.address)).digest()
    return base64.b64encode(signer.sign(digest)).decode()


def public_key(signer: LocalSigner = CUSTOMER) -> str:
    return base64.b64encode(signer.public_key).decode()
