"""Identifies the signer: a key of the keystore by name or address, or an encrypted key file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from provider_daemon.chain import armor, bech32, keyring, keys
from provider_daemon.chain.sign import LocalSigner
from provider_daemon.client.keystore import Keystore

ARMOR_HEAD = "-----BEGIN TENDERMINT PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class Who:
    """`name`: a key's name, a `ve1...` address or a file. `passphrase` is called at most once, if needed."""

    name: str
    keyring_dir: Path
    passphrase: Callable[[], str]

    @property
    def is_address(self) -> bool:
        return self.name.startswith(f"{bech32.PREFIX}1") and "/" not in self.name

    @property
    def is_at_hand(self) -> bool:
        """Whether the name is that of a file or of a key of the keystore."""
        return is_file(self.name) or (not self.is_address and Keystore(self.keyring_dir).has(self.name))

    def signer(self) -> LocalSigner:
        """Raises ConfigError."""
        with keys.mending(f"key {self.name}"):
            return LocalSigner(self.secret())

    def secret(self) -> bytes:
        """Returns the 32 bytes; raises ValueError and OSError, whose texts do not quote them."""
        return (
            secret_of_text(keys.read_private(self.name), self.passphrase)
            if is_file(self.name)
            else self._entry()
        )

    def _entry(self) -> bytes:
        store = Keystore(self.keyring_dir)
        if self.is_address:
            bech32.decode(self.name)
        elif not store.has(self.name):
            raise ValueError(
                f"not found in {store.folder} (keys: {', '.join(store.names()) or 'none'}): check "
                "--keyring-dir, or run `provd keys add`"
            )
        passphrase = self.passphrase()
        return store.read(store.name_of(self.name, passphrase) if self.is_address else self.name, passphrase)


def is_file(name: str) -> bool:
    return "/" in name or name.endswith((".armor", ".info"))


def secret_of_text(text: str, passphrase: Callable[[], str]) -> bytes:
    """Decrypts an armored key or a keyring entry. Raises ValueError for a key that is not encrypted."""
    if text.lstrip().startswith(ARMOR_HEAD):
        return armor.decrypt(text, passphrase())
    if keyring.looks_like(text):
        return keyring.decrypt(text, passphrase())
    raise ValueError(
        "not an encrypted key (armor or SDK keyring entry): import it first with `provd keys import`"
    )


def address_only(who: Who) -> str:
    """Returns the signer's address, decrypting the key only if no address was given. Raises ConfigError."""
    if who.is_address:
        with keys.mending(f"address {who.name}"):
            bech32.decode(who.name)
        return who.name
    return who.signer().address


def once(ask: Callable[[], str]) -> Callable[[], str]:
    """Prompts for the passphrase at the first use and remembers it."""
    answers: list[str] = []

    def answer() -> str:
        if not answers:
            answers.append(ask())
        return answers[0]

    return answer
