"""Who vouches for a template: Ed25519 over the SHA-256 of its canonical form (docs/templates.md, 'The
signature'). Pure."""

from collections.abc import Collection

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from provider_daemon.template.document import TemplateError, content_hash
from provider_daemon.template.model import Signature, Template


def sign(template: Template, seed: bytes, signed_at: str) -> Template:
    """The template with the signature of the 32-byte seed's key; `signed_at` is RFC 3339."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    digest = content_hash(template)
    signature = Signature(
        publisher_pub_key=public_key(seed),
        signature=key.sign(bytes.fromhex(digest)).hex(),
        signed_at=signed_at,
        content_hash=digest,
    )
    return template.model_copy(update={"signature": signature})


def verify(template: Template, trusted: Collection[str]) -> str:
    """The public key (hex) of the signer; raises TemplateError when the signature is missing, does not fit,
    or is nobody's we trust."""
    signature = template.signature
    if signature is None:
        raise TemplateError([f"{template.template_id} is not signed"])
    if content_hash(template) != signature.content_hash:
        raise TemplateError([f"{template.template_id}: its content was changed after signing"])
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature.publisher_pub_key))
        key.verify(bytes.fromhex(signature.signature), bytes.fromhex(signature.content_hash))
    except (InvalidSignature, ValueError):
        raise TemplateError(
            [
                (
                    f"{template.template_id}: the signature does not match public key "
                    f"{signature.publisher_pub_key}"
                )
            ]
        ) from None
    named = template.security.trusted_signers
    if signature.publisher_pub_key not in trusted or (named and signature.publisher_pub_key not in named):
        raise TemplateError(
            [
                (
                    f"{template.template_id}: signed by {signature.publisher_pub_key}, which is not a "
                    "trusted signer"
                )
            ]
        )
    return signature.publisher_pub_key


def public_key(seed: bytes) -> str:
    """Hex, of the 32-byte seed's key."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw().hex()
