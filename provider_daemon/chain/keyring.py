"""The SDK's `file` keyring: one compact JWE per key, PBES2-HS256+A128KW and A256GCM.

See docs/protocol.md, 'Keys at rest'.
"""

import base64
import binascii
import json
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError

from provider_daemon.chain.proto.cosmos.crypto.keyring.v1.record_pb2 import Record
from provider_daemon.chain.proto.cosmos.crypto.secp256k1.keys_pb2 import PrivKey

_ALGORITHM, _ENCRYPTION, _ITERATIONS = "PBES2-HS256+A128KW", "A256GCM", 8192
_TYPE = "/cosmos.crypto.secp256k1.PrivKey"


_DAMAGED = "the keyring entry is damaged, or of an older SDK: export the key as armor instead"


def decrypt(token: str, passphrase: str) -> bytes:
    """Returns the 32 bytes of the key in one `<name>.info` file.

    Raises ValueError if the file is invalid or the passphrase is wrong.
    """
    try:
        record = Record.FromString(decrypt_item(token, passphrase))
    except DecodeError:
        raise ValueError(_DAMAGED) from None
    if not record.HasField("local"):
        raise ValueError("the keyring entry contains no local key (it may be a Ledger device or a multisig)")
    if record.local.priv_key.type_url != _TYPE:
        raise ValueError("the keyring entry contains another type of key: provd signs with secp256k1")
    return _bare(record.local.priv_key.value)


def _bare(value: bytes) -> bytes:
    try:
        return PrivKey.FromString(value).key
    except DecodeError:
        raise ValueError("the keyring entry is damaged") from None


def encrypt(name: str, secret: bytes, passphrase: str) -> str:
    """Returns the content of `<name>.info`."""
    key = Any(type_url=_TYPE, value=PrivKey(key=secret).SerializeToString())
    return encrypt_item(
        f"{name}.info", Record(name=name, local=Record.Local(priv_key=key)).SerializeToString(), passphrase
    )


def looks_like(text: str) -> bool:
    """Reports whether the text is a compact JWE: five parts, none of them with a space."""
    return text.strip().count(".") == 4 and " " not in text.strip()


def decrypt_item(token: str, passphrase: str) -> bytes:
    """Returns the data of any file of the keyring."""
    try:
        return base64.b64decode(json.loads(_open(token.strip(), passphrase))["Data"])
    except (KeyError, TypeError, json.JSONDecodeError, binascii.Error):
        raise ValueError(_DAMAGED) from None


def encrypt_item(file_name: str, data: bytes, passphrase: str) -> str:
    return _seal(json.dumps({"Key": file_name, "Data": base64.b64encode(data).decode()}).encode(), passphrase)


def _open(token: str, passphrase: str) -> bytes:
    protected, wrapped, nonce, sealed, tag = _parts(token)
    salt, iterations = _parameters(protected)
    try:
        key = aes_key_unwrap(_wrapping_key(passphrase, salt, iterations), wrapped)
        return AESGCM(key).decrypt(nonce, sealed + tag, token.partition(".")[0].encode())
    except (InvalidUnwrap, InvalidTag):
        raise ValueError("wrong passphrase") from None


def _parts(token: str) -> list[bytes]:
    parts = token.split(".")
    if len(parts) != 5:
        raise ValueError("not a keyring entry")
    try:
        return [_decode(part) for part in parts]
    except ValueError:
        raise ValueError("not a keyring entry") from None


def _parameters(protected: bytes) -> tuple[bytes, int]:
    try:
        header = json.loads(protected)
        algorithms, salt, iterations = (
            (header["alg"], header["enc"]),
            _decode(header["p2s"]),
            int(header["p2c"]),
        )
    except (KeyError, TypeError, ValueError):
        raise ValueError("not a keyring entry") from None
    if algorithms != (_ALGORITHM, _ENCRYPTION):
        raise ValueError("the keyring entry uses an unsupported encryption")
    return salt, iterations


def _seal(plain: bytes, passphrase: str) -> str:
    salt, key, nonce = os.urandom(12), os.urandom(32), os.urandom(12)
    header = {"alg": _ALGORITHM, "enc": _ENCRYPTION, "p2c": _ITERATIONS, "p2s": _encode(salt)}
    protected = _encode(json.dumps(header).encode())
    sealed = AESGCM(key).encrypt(nonce, plain, protected.encode())
    wrapped = aes_key_wrap(_wrapping_key(passphrase, salt, _ITERATIONS), key)
    return ".".join([protected, *map(_encode, (wrapped, nonce, sealed[:-16], sealed[-16:]))])


def _wrapping_key(passphrase: str, salt: bytes, iterations: int) -> bytes:
    derive = PBKDF2HMAC(
        hashes.SHA256(), length=16, salt=_ALGORITHM.encode() + b"\0" + salt, iterations=iterations
    )
    return derive.derive(passphrase.encode())


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
