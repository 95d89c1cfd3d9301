"""The agent's Ed25519 key. It is made at the first start, and identifies the node from its registration on.

The file has the published agent's format: JSON with the private and the public key in base64.
"""

import base64
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provider_daemon.agent import files
from provider_daemon.errors import ConfigError

SEED_BYTES = 32


def load_or_create(path: Path) -> Ed25519PrivateKey:
    """Returns the key. Raises ConfigError, without content, if it is damaged or others can read it."""
    try:
        data = files.read_private(path)
    except FileNotFoundError:
        key = Ed25519PrivateKey.generate()
        files.write(path, _encode(key))
        return key
    try:
        raw = base64.b64decode(json.loads(data)["private_key"], validate=True)
        key = Ed25519PrivateKey.from_private_bytes(raw[:SEED_BYTES])
        if raw[SEED_BYTES:] != key.public_key().public_bytes_raw():
            raise ValueError("the public key does not belong to the private one")
    except (ValueError, TypeError, KeyError):
        problem = f"{path}: damaged; restore it, or delete it and register the node with a new token"
        raise ConfigError([problem]) from None
    return key


def public_text(key: Ed25519PrivateKey) -> str:
    """Returns the public key in base64."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def _encode(key: Ed25519PrivateKey) -> bytes:
    public = key.public_key().public_bytes_raw()
    both = base64.b64encode(key.private_bytes_raw() + public).decode()
    return json.dumps({"private_key": both, "public_key": public_text(key)}).encode()
