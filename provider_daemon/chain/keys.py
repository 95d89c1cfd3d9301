"""The sources of a signing key.

Encryption at rest is the normal way; a plaintext file must be configured explicitly. No error text, repr or
log of this module ever contains a secret.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from provider_daemon.chain import armor, hd, keyring
from provider_daemon.chain.sign import LocalSigner
from provider_daemon.errors import ConfigError

KINDS = ("credential", "armor", "keyring", "plaintext-hex", "plaintext-mnemonic")


class Signer(Protocol):
    """The holder of the key: this process, or in future a remote signer."""

    @property
    def address(self) -> str: ...

    @property
    def public_key(self) -> bytes:
        """Returns the compressed key, 33 bytes."""
        ...

    def sign(self, digest: bytes) -> bytes:
        """Returns 64 bytes r || s with a low s, over a 32-byte digest.

        The same digest always gives the same signature (RFC 6979).
        """
        ...

    def __hash__(self) -> int: ...


def load(kind: str, name: str = "", path: str = "", passphrase_file: str = "") -> LocalSigner:
    """Returns the key. Raises ConfigError with one line that describes what to fix.

    credential: a systemd credential `name` ($CREDENTIALS_DIRECTORY), with a hex key or a mnemonic. armor: an
    SDK export at `path`. keyring: entry `name` of the SDK `file` keyring directory at `path`. The two
    encrypted kinds read their passphrase from a file.
    """
    with mending(f"key ({kind} {name or path})"):
        return LocalSigner(_secret(kind, name, path, passphrase_file))


@contextmanager
def mending(what: str) -> Iterator[None]:
    """Converts any error with a key into ConfigError.

    Its text is one line, without any part of the text that was read.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        raise ConfigError([f"{what}: {_reason(error)}"]) from None


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "not a text file"  # its own text quotes a byte of the file
    return f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else str(error)


def _secret(kind: str, name: str, path: str, passphrase_file: str) -> bytes:
    match kind:
        case "credential":
            return parse(_credential(name))
        case "armor":
            return armor.decrypt(read_private(path), read_passphrase(passphrase_file))
        case "keyring":
            return keyring.decrypt(
                read_private(str(Path(path) / f"{name}.info")), read_passphrase(passphrase_file)
            )
        case "plaintext-hex":
            return _hex(read_private(path))
        case "plaintext-mnemonic":
            return hd.secret_of(read_private(path))
        case _:
            raise ValueError(f"unknown kind; must be one of {', '.join(KINDS)}")


def _credential(name: str) -> str:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise ValueError(
            "$CREDENTIALS_DIRECTORY is not set: run provd as a systemd service with LoadCredential= "
            "or LoadCredentialEncrypted="
        )
    return (Path(directory) / name).read_text()


def parse(text: str) -> bytes:
    """Converts a mnemonic, or 64 hex digits, to the 32 bytes of the key.

    Raises ValueError that does not quote the text.
    """
    return hd.secret_of(text) if len(text.split()) > 1 else _hex(text)


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text.strip())
    except ValueError:
        raise ValueError("not 64 hex digits") from None


def read_private(path: str) -> str:
    """Reads a file that only its owner may read. Refuses one that others can read."""
    with open(path) as file:
        if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ValueError(f"{path} is readable by other users; run `chmod 600` on it")
        return file.read()


def read_passphrase(path: str) -> str:
    """Returns the passphrase without its line end."""
    return read_private(path).rstrip("\r\n")


def write_private(path: str, text: str) -> None:
    """Writes a new file, mode 0600. Raises FileExistsError rather than replace a key."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
