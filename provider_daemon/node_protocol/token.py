"""Registration tokens: one node, one use, signed by the provider's account key. Pure.

`<base64url of the document>.<base64url of the signature>` (docs/agent.md, 'Registration').
"""

import base64
import hashlib
import json
from dataclasses import asdict, dataclass

from provider_daemon.chain.signed_documents import DocumentSigner, canonical, sign_document, verify_document
from provider_daemon.errors import Refused

TYPE, VERSION = "provd-node-token", 1
MAX_CHARACTERS = 4096


@dataclass(frozen=True, slots=True)
class NodeToken:
    """`provider_pubkey`: the account's compressed key in hex; the agent verifies commands with it.

    `nonce`: hex of 32 random bytes. `collector_url`: where the agent registers. Times are in seconds since
    the epoch.
    """

    chain_id: str
    cluster_id: str
    node_id: str
    hostname: str
    provider_address: str
    provider_pubkey: str
    collector_url: str
    nonce: str
    issued_at: int
    expires_at: int


def issue(token: NodeToken, signer: DocumentSigner) -> str:
    """Returns the token's text."""
    data = canonical({**asdict(token), "type": TYPE, "version": VERSION})
    signature = base64.b64decode(sign_document(data, signer))
    return f"{_text(data)}.{_text(signature)}"


def read(text: str) -> NodeToken:
    """Returns a token whose signature is that of the provider whom it names.

    Raises Refused, without the token's text, if it is not one. Who the provider is, whether the token was
    used and whether it expired is for the caller to check.
    """
    try:
        data, signature = (_bytes(part) for part in text[: MAX_CHARACTERS + 1].split("."))
        fields = json.loads(data)
        if (fields.pop("type"), fields.pop("version")) != (TYPE, VERSION) or len(text) > MAX_CHARACTERS:
            raise ValueError("another document")
        token = NodeToken(**fields)
        public_key = bytes.fromhex(token.provider_pubkey)
        if not all(type(value) is kind for value, kind in _typed(token)):
            raise ValueError("a field has the wrong type")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Refused(
            "this is not a node token: copy the whole line that `provd node token` printed"
        ) from None
    if not verify_document(data, base64.b64encode(signature).decode(), token.provider_address, public_key):
        raise Refused(
            "the node token was changed after it was signed: issue a new one with `provd node token`"
        )
    return token


def digest(text: str) -> str:
    """Returns what is stored in place of a token: its hex SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()


def _typed(token: NodeToken) -> list[tuple[object, type]]:
    return [(value, int if name.endswith("_at") else str) for name, value in asdict(token).items()]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
