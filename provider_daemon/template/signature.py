"""Ed25519 signatures over the SHA-256 of a template (docs/templates.md, 'The signature'). Pure."""

from collections.abc import Collection

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from provider_daemon.template.document import TemplateError, content_hash
from provider_daemon.template.model import Signature, Template


def sign(template: Template, seed: bytes, signed_at: str) -> Template:
    """Returns the template signed with the key of the 32-byte seed; `signed_at` is RFC 3339."""
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
    """Returns the signer's public key (hex); raises TemplateError unless signed by a trusted signer."""
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
    """Returns the public key of the 32-byte seed, in hex."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw().hex()
