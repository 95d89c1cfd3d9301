"""A directory of keys in the format of the Cosmos SDK's `file` keyring, compatible with the chain's client.

Each key is `<name>.info`; `<address in hex>.address` maps its address to its name. All files are encrypted.
"""

import re
from pathlib import Path

from provider_daemon.chain import bech32, keyring, keys
from provider_daemon.chain.sign import LocalSigner

FOLDER = "keyring-file"  # below the SDK's --keyring-dir
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Keystore:
    """`directory` is an SDK --keyring-dir or the folder of the entries. Raises ValueError and OSError."""

    def __init__(self, directory: Path) -> None:
        self.folder = directory if any(directory.glob("*.info")) else directory / FOLDER

    def names(self) -> list[str]:
        return sorted(path.stem for path in self.folder.glob("*.info"))

    def has(self, name: str) -> bool:
        return self._info(name).exists()

    def read(self, name: str, passphrase: str) -> bytes:
        """Returns the 32 bytes of the key."""
        return keyring.decrypt(keys.read_private(str(self._info(name))), passphrase)

    def add(self, name: str, secret: bytes, passphrase: str) -> None:
        """Adds a key; never overwrites one."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        keys.write_private(str(self._info(name)), keyring.encrypt(name, secret, passphrase))
        pointer = self._pointer(LocalSigner(secret).address)
        if not pointer.exists():
            keys.write_private(
                str(pointer), keyring.encrypt_item(pointer.name, f"{name}.info".encode(), passphrase)
            )

    def delete(self, name: str, address: str) -> None:
        self._info(name).unlink()
        self._pointer(address).unlink(missing_ok=True)

    def name_of(self, address: str, passphrase: str) -> str:
        """Raises ValueError if no entry has the address."""
        pointer = self._pointer(address)
        if not pointer.exists():
            raise ValueError(
                f"no key with address {address} in {self.folder} (keys: {', '.join(self.names()) or 'none'})"
            )
        return (
            keyring.decrypt_item(keys.read_private(str(pointer)), passphrase).decode().removesuffix(".info")
        )

    def _info(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"invalid key name: {name!r} (allowed: letters, digits, '_', '.' and '-')")
        return self.folder / f"{name}.info"

    def _pointer(self, address: str) -> Path:
        return self.folder / f"{bech32.decode(address).hex()}.address"
