"""`provd keys`: make, import and show signing keys, encrypted at rest."""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Signing keys, encrypted at rest.", no_args_is_help=True)

KeyFile = Annotated[Path, typer.Argument(help="The armored key file (the SDK's export format).")]
PassphraseFile = Annotated[Path, typer.Option(help="A file that holds the passphrase; only its owner may read it.")]


@app.command()
def add(path: KeyFile, passphrase_file: PassphraseFile) -> None:
    """Make a new key, write it armored, and print its address. Its mnemonic is shown once: write it down."""
    from mnemonic import Mnemonic

    from provider_daemon.chain import hd

    words = Mnemonic("english").generate(256)
    _store(path, passphrase_file, hd.secret_of(words))
    typer.echo(f"mnemonic (shown once): {words}", err=True)


@app.command("import")
def import_(path: KeyFile, passphrase_file: PassphraseFile) -> None:
    """Read a mnemonic or 64 hex digits from standard input and write the key armored."""
    from provider_daemon.chain import hd
    from provider_daemon.errors import ConfigError

    text = sys.stdin.read()
    try:
        _store(path, passphrase_file, hd.secret_of(text) if " " in text.strip() else bytes.fromhex(text.strip()))
    except ValueError as error:
        raise ConfigError([f"standard input: {error if ' ' in text.strip() else 'not 64 hex digits'}"]) from None


@app.command()
def show(path: KeyFile, passphrase_file: PassphraseFile) -> None:
    """Print the key's address."""
    from provider_daemon.chain import keys

    typer.echo(keys.load("armor", path=str(path), passphrase_file=str(passphrase_file)).address)


def _store(path: Path, passphrase_file: Path, secret: bytes) -> None:
    from provider_daemon.chain import armor, keys
    from provider_daemon.chain.sign import LocalSigner

    signer = LocalSigner(secret)
    keys.write_private(str(path), armor.encrypt(secret, keys.read_private(str(passphrase_file)).rstrip("\n")))
    typer.echo(signer.address)
