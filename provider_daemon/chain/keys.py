"""Where a signing key comes from. Encrypted at rest is the normal way; a plaintext file must be asked for by
its name.

No error text, repr or log of this module ever holds a secret.
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
    """Whoever holds the key: this process, or one day a remote signer."""

    @property
    def address(self) -> str: ...

    @property
    def public_key(self) -> bytes:
        """Compressed, 33 bytes."""
        ...

    def sign(self, digest: bytes) -> bytes:
        """64 bytes r || s with a low s, over a 32-byte digest. The same digest always gives the same
        signature (RFC 6979)."""
        ...

    def __hash__(self) -> int: ...


def load(kind: str, name: str = "", path: str = "", passphrase_file: str = "") -> LocalSigner:
    """The key; raises ConfigError with one line that says what to fix.

    credential: a systemd credential `name` ($CREDENTIALS_DIRECTORY), holding a hex key or a mnemonic. armor:
    an SDK export at `path`. keyring: entry `name` of the SDK `file` keyring directory at `path`. The two
    encrypted kinds take their passphrase from a file."""
    with mending(f"key ({kind} {name or path})"):
        return LocalSigner(_secret(kind, name, path, passphrase_file))


@contextmanager
def mending(what: str) -> Iterator[None]:
    """Turns whatever goes wrong with a key into ConfigError: one line, and no trace of the text that was
    read."""
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
    """A mnemonic, or 64 hex digits -> the 32 bytes of the key; raises ValueError that does not quote the
    text."""
    return hd.secret_of(text) if len(text.split()) > 1 else _hex(text)


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text.strip())
    except ValueError:
        raise ValueError("not 64 hex digits") from None


def read_private(path: str) -> str:
    """A file that only its owner may read; refuses one that others can."""
    with open(path) as file:
        if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ValueError(f"{path} is readable by other users; run `chmod 600` on it")
        return file.read()


def read_passphrase(path: str) -> str:
    """Its line end is not part of it."""
    return read_private(path).rstrip("\r\n")


def write_private(path: str, text: str) -> None:
    """A new file, mode 0600; raises FileExistsError rather than replace a key."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
