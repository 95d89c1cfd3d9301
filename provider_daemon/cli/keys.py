"""`provd keys`: make, import and show signing keys, encrypted at rest."""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Signing keys, encrypted at rest.", no_args_is_help=True)

KeyFile = Annotated[Path, typer.Argument(help="The armored key file (the SDK's export format).")]
PassphraseFile = Annotated[
    Path | None, typer.Option(help="A file that holds the passphrase; only its owner may read it. Asked for when not given.")
]


@app.command()
def add(path: KeyFile, passphrase_file: PassphraseFile = None) -> None:
    """Make a new key, write it armored, and print its address. Its mnemonic is shown once, on stderr: write it down."""
    from mnemonic import Mnemonic

    words = Mnemonic("english").generate(256)
    _store(path, passphrase_file, words)
    typer.echo(f"mnemonic (shown once): {words}", err=True)


@app.command("import")
def import_(path: KeyFile, passphrase_file: PassphraseFile = None) -> None:
    """Read a mnemonic or 64 hex digits from standard input, write the key armored, and print its address."""
    _store(path, passphrase_file, sys.stdin.read())


@app.command()
def show(path: KeyFile, passphrase_file: PassphraseFile = None) -> None:
    """Print the key's address."""
    from provider_daemon.chain import armor, keys
    from provider_daemon.chain.sign import LocalSigner

    with keys.mending(f"key {path}"):
        signer = LocalSigner(armor.decrypt(keys.read_private(str(path)), _passphrase(passphrase_file, confirm=False)))
    typer.echo(signer.address)


def _store(path: Path, passphrase_file: Path | None, text: str) -> None:
    from provider_daemon.chain import armor, keys
    from provider_daemon.chain.sign import LocalSigner

    with keys.mending(f"key {path}"):
        secret = keys.parse(text)
        signer = LocalSigner(secret)
        keys.write_private(str(path), armor.encrypt(secret, _passphrase(passphrase_file, confirm=True)))
    typer.echo(signer.address)


def _passphrase(file: Path | None, confirm: bool) -> str:
    from provider_daemon.chain import keys

    if file is not None:
        return keys.read_passphrase(str(file))
    return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True))
