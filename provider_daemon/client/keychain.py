"""Implements `provd keys`: a name means a key of the keystore, a path or *.armor an armored file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mnemonic import Mnemonic

from provider_daemon.chain import armor, hd, keyring, keys
from provider_daemon.chain.sign import LocalSigner
from provider_daemon.client.identity import ARMOR_HEAD, Who, is_file, secret_of_text
from provider_daemon.client.keystore import Keystore

WORDS_BITS = 256  # bits of entropy: 24 words


@dataclass(frozen=True, slots=True)
class KeychainEntry:
    """`public_key` is empty and `why` is set if the passphrase does not decrypt the entry."""

    name: str
    address: str = ""
    public_key: bytes = b""
    why: str = ""


def new_words() -> str:
    return Mnemonic("english").generate(WORDS_BITS)


def add(name: str, directory: Path, secret: bytes, passphrase: str) -> str:
    """Returns the address. Raises ConfigError, also if the key exists already."""
    with keys.mending(f"key {name}"):
        signer = LocalSigner(secret)
        if is_file(name):
            keys.write_private(name, armor.encrypt(secret, passphrase))
        else:
            Keystore(directory).add(name, secret, passphrase)
    return signer.address


def read(text: str, passphrase: Callable[[], str], what: str) -> bytes:
    """Returns the 32 bytes of a mnemonic, 64 hex digits, armor or SDK keyring entry. Raises ConfigError."""
    with keys.mending(what):
        if text.lstrip().startswith(ARMOR_HEAD) or keyring.looks_like(text):
            return secret_of_text(text, passphrase)
        return keys.parse(text)


def from_words(words: str) -> bytes:
    return hd.secret_of(words)


def show(who: Who) -> KeychainEntry:
    """Raises ConfigError."""
    signer = who.signer()
    return KeychainEntry(who.name, signer.address, signer.public_key)


def every(directory: Path, passphrase: Callable[[], str]) -> list[KeychainEntry]:
    """Returns the keys of the keystore by name; prompts for the passphrase only if there is a key."""
    store = Keystore(directory)
    return [_entry(store, name, passphrase) for name in store.names()]


def _entry(store: Keystore, name: str, passphrase: Callable[[], str]) -> KeychainEntry:
    try:
        signer = LocalSigner(store.read(name, passphrase()))
    except (ValueError, OSError) as error:
        return KeychainEntry(name, why=str(error))
    return KeychainEntry(name, signer.address, signer.public_key)


def export(who: Who, new_passphrase: Callable[[], str]) -> str:
    """Returns the SDK's armor, encrypted with a new passphrase. Raises ConfigError."""
    with keys.mending(f"key {who.name}"):
        return armor.encrypt(who.secret(), new_passphrase())


def delete(who: Who) -> str:
    """Deletes a key and returns its address. The key must be decrypted first. Raises ConfigError."""
    with keys.mending(f"key {who.name}"):
        address = LocalSigner(who.secret()).address
        if is_file(who.name):
            Path(who.name).unlink()
        else:
            store = Keystore(who.keyring_dir)
            store.delete(store.name_of(who.name, who.passphrase()) if who.is_address else who.name, address)
    return address
