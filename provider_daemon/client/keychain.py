"""What `provd keys` does: with a name it is about the keystore, with a file (a path, or *.armor) about that
armored file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mnemonic import Mnemonic

from provider_daemon.chain import armor, hd, keyring, keys
from provider_daemon.chain.sign import LocalSigner
from provider_daemon.client.identity import ARMOR_HEAD, Who, is_file, secret_of_text
from provider_daemon.client.keystore import Keystore

WORDS_BITS = 256  # of entropy: 24 words


@dataclass(frozen=True, slots=True)
class KeychainEntry:
    """`public_key` is empty and `why` set for an entry that the passphrase does not open."""

    name: str
    address: str = ""
    public_key: bytes = b""
    why: str = ""


def new_words() -> str:
    return Mnemonic("english").generate(WORDS_BITS)


def add(name: str, directory: Path, secret: bytes, passphrase: str) -> str:
    """The address. Raises ConfigError, also rather than replace a key."""
    with keys.mending(f"key {name}"):
        signer = LocalSigner(secret)
        if is_file(name):
            keys.write_private(name, armor.encrypt(secret, passphrase))
        else:
            Keystore(directory).add(name, secret, passphrase)
    return signer.address


def read(text: str, passphrase: Callable[[], str], what: str) -> bytes:
    """A mnemonic, 64 hex digits, an armored key or an entry of an SDK keyring -> the 32 bytes. Raises
    ConfigError."""
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
    """Of the keystore, by name; the passphrase is asked for only when there is one."""
    store = Keystore(directory)
    return [_entry(store, name, passphrase) for name in store.names()]


def _entry(store: Keystore, name: str, passphrase: Callable[[], str]) -> KeychainEntry:
    try:
        signer = LocalSigner(store.read(name, passphrase()))
    except (ValueError, OSError) as error:
        return KeychainEntry(name, why=str(error))
    return KeychainEntry(name, signer.address, signer.public_key)


def export(who: Who, new_passphrase: Callable[[], str]) -> str:
    """The SDK's armor, under a passphrase of its own. Raises ConfigError."""
    with keys.mending(f"key {who.name}"):
        return armor.encrypt(who.secret(), new_passphrase())


def delete(who: Who) -> str:
    """Its address; whoever deletes a key can open it. Raises ConfigError."""
    with keys.mending(f"key {who.name}"):
        address = LocalSigner(who.secret()).address
        if is_file(who.name):
            Path(who.name).unlink()
        else:
            store = Keystore(who.keyring_dir)
            store.delete(store.name_of(who.name, who.passphrase()) if who.is_address else who.name, address)
    return address
