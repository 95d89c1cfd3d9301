"""Where a signing key comes from. Encrypted at rest is the normal way; a plaintext file must be asked for by its name.

No error text, repr or log of this module ever holds a secret.
"""

import os
import stat
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
        """64 bytes r || s with a low s, over a 32-byte digest."""
        ...


def load(kind: str, name: str = "", path: str = "", passphrase_file: str = "") -> LocalSigner:
    """The key, or ConfigError with one line that says what to mend.

    credential: a systemd credential `name` ($CREDENTIALS_DIRECTORY), holding a hex key or a mnemonic. armor: an SDK export at `path`.
    keyring: entry `name` of the SDK `file` keyring directory at `path`. The two encrypted kinds take their passphrase from a file.
    """
    where = f"key ({kind} {name or path})"
    try:
        return LocalSigner(_secret(kind, name, path, passphrase_file))
    except (ValueError, OSError) as error:
        raise ConfigError([f"{where}: {_reason(error)}"]) from None


def _reason(error: Exception) -> str:
    return f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else str(error)


def _secret(kind: str, name: str, path: str, passphrase_file: str) -> bytes:
    match kind:
        case "credential":
            return _hex_or_mnemonic(_credential(name))
        case "armor":
            return armor.decrypt(read_private(path), read_private(passphrase_file).rstrip("\n"))
        case "keyring":
            return keyring.decrypt(read_private(str(Path(path) / f"{name}.info")), read_private(passphrase_file).rstrip("\n"))
        case "plaintext-hex":
            return _hex(read_private(path))
        case "plaintext-mnemonic":
            return hd.secret_of(read_private(path))
        case _:
            raise ValueError(f"unknown kind; one of {', '.join(KINDS)}")


def _credential(name: str) -> str:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise ValueError("no $CREDENTIALS_DIRECTORY: systemd passes it with LoadCredential= or LoadCredentialEncrypted=")
    return (Path(directory) / name).read_text()


def _hex_or_mnemonic(text: str) -> bytes:
    return hd.secret_of(text) if " " in text.strip() else _hex(text)


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text.strip())
    except ValueError:
        raise ValueError("not 64 hex digits") from None


def read_private(path: str) -> str:
    """A file that only its owner may read; refuses one that others can."""
    with open(path) as file:
        if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ValueError(f"{path} can be read by others: chmod 600 it")
        return file.read()


def write_private(path: str, text: str) -> None:
    """A new file, mode 0600; raises FileExistsError rather than replace a key."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
