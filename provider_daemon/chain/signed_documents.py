"""Documents of ours that an account key signs: canonical JSON under an ADR-036 signature.

See docs/protocol.md, 'Signed usage'. ADR-036 signs arbitrary data, so stock Cosmos tools can check it; its
document can never be a transaction.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Protocol

from provider_daemon.chain import bech32
from provider_daemon.chain.sign import verify as verify_signature


class DocumentSigner(Protocol):
    """The holder of an account key: a chain.keys.Signer."""

    @property
    def address(self) -> str: ...

    def sign(self, digest: bytes) -> bytes: ...


def sign_document(data: bytes, signer: DocumentSigner) -> str:
    """Returns base64 of the signature over any document of ours. All documents of provd are signed here."""
    return base64.b64encode(signer.sign(_digest(data, signer.address))).decode()


def verify_document(data: bytes, signature: str, provider: str, public_key: bytes) -> bool:
    """Reports whether `provider` owns that public key and signed exactly this document."""
    try:
        raw = base64.b64decode(signature, validate=True)
        signer = bech32.address_of(public_key)
    except ValueError:
        return False
    return signer == provider and verify_signature(public_key, _digest(data, provider), raw)


def _digest(data: bytes, signer: str) -> bytes:
    return hashlib.sha256(adr036(data, signer)).digest()


def adr036(data: bytes, signer: str) -> bytes:
    """Returns the sign document of `sign/MsgSignData`, byte for byte as cosmjs writes it.

    See docs/protocol.md, 'Signed usage'.
    """
    value = {"data": base64.b64encode(data).decode(), "signer": signer}
    return canonical(
        {
            "account_number": "0",
            "chain_id": "",
            "fee": {"amount": [], "gas": "0"},
            "memo": "",
            "msgs": [{"type": "sign/MsgSignData", "value": value}],
            "sequence": "0",
        }
    )


def canonical(value: Mapping[str, object]) -> bytes:
    """Returns JSON with sorted keys and no spaces, in UTF-8: one value has one form."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
