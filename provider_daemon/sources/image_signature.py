"""Signatures of images in the form of `cosign sign --key`. Pure.

The signatures of an image are the layers of another one, with the tag `sha256-<hex>.sig`. Each layer is a
JSON document that names the signed digest; its signature is an annotation of the layer.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from provider_daemon.errors import ConfigError

ANNOTATION = "dev.cosignproject.cosign/signature"
MAX_SIGNATURES, MAX_PAYLOAD = 32, 64 * 1024


def signature_tag(digest: str) -> str:
    return f"{digest.replace(':', '-')}.sig"


def read_key(pem: bytes, name: str) -> ec.EllipticCurvePublicKey:
    """Raises ConfigError unless it is an ECDSA public key, as `cosign generate-key-pair` makes."""
    try:
        key = serialization.load_pem_public_key(pem)
    except ValueError:
        raise ConfigError([f"data.image_keys {name}: not a public key in PEM"]) from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ConfigError([f"data.image_keys {name}: not an ECDSA key"])
    return key


def signatures(manifest: bytes) -> list[tuple[str, bytes]]:
    """Returns (digest of the signed document, signature) of each layer that has one."""
    try:
        layers = json.loads(manifest)["layers"][:MAX_SIGNATURES]
        return [
            (layer["digest"], base64.b64decode(layer["annotations"][ANNOTATION], validate=True))
            for layer in layers
            if isinstance(layer.get("size"), int) and layer["size"] <= MAX_PAYLOAD
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def signed(
    payload: bytes, signature: bytes, digests: Iterable[str], keys: Sequence[ec.EllipticCurvePublicKey]
) -> bool:
    """Returns whether one of the keys signed the document, and the document names one of the digests."""
    return _named(payload) in set(digests) and any(_verified(key, payload, signature) for key in keys)


def _verified(key: ec.EllipticCurvePublicKey, payload: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, payload, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _named(payload: bytes) -> str:
    try:
        value: Any = json.loads(payload)
        return str(value["critical"]["image"]["docker-manifest-digest"])
    except (ValueError, KeyError, TypeError):
        return ""
