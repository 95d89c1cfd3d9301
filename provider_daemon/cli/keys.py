"""`provd keys`: create, import, show, export and delete signing keys, encrypted at rest.

Secrets are never command-line arguments.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli import recipient
from provider_daemon.cli.options import (
    KEYRING_DIR,
    AsText,
    KeyringDir,
    PassphraseFile,
    Text,
    example,
    passphrase,
)
from provider_daemon.cli.run import DEFAULT, ConfigFile

if TYPE_CHECKING:
    from provider_daemon.audit_log.records import Action
    from provider_daemon.client.identity import Who
    from provider_daemon.client.keychain import KeychainEntry
    from provider_daemon.client.rotation import RotationFacts

app = typer.Typer(help="Create, import, list and delete encrypted signing keys.", no_args_is_help=True)

app.add_typer(recipient.app, name="recipient")

Key = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE",
        help="Name of a key in the keyring, or a file in the SDK's armored export format.",
    ),
]


DaemonConfig = Annotated[
    Path,
    typer.Option(
        "--config",
        "-c",
        envvar="PROVD_CONFIG",
        metavar="FILE",
        help="Configuration of the daemon on this machine, if any: its audit log records the command.",
    ),
]


@app.command(epilog=example("provd keys add alice"))
def add(
    key: Key,
    passphrase_file: PassphraseFile = None,
    keyring_dir: KeyringDir = KEYRING_DIR,
    config: DaemonConfig = DEFAULT,
) -> None:
    """Create a key and print its address. Its mnemonic is printed once, on stderr: write it down."""
    from provider_daemon.audit_log.records import Action
    from provider_daemon.chain.sign import LocalSigner
    from provider_daemon.client import keychain

    words = keychain.new_words()
    secret, chosen = keychain.from_words(words), passphrase(passphrase_file, confirm=True)
    _record(config, Action.KEY_CREATED, LocalSigner(secret).address)
    typer.echo(keychain.add(key, keyring_dir, secret, chosen))
    typer.echo(f"mnemonic (shown once): {words}", err=True)


@app.command("import", epilog=example("provd keys import alice --source alice.armor"))
def import_(
    key: Key,
    source: Annotated[
        str,
        typer.Option(metavar="FILE", help="File to import, such as an entry of an SDK keyring; - for stdin."),
    ] = "-",
    source_passphrase_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File with the passphrase of an encrypted source, readable by its owner only.",
        ),
    ] = None,
    passphrase_file: PassphraseFile = None,
    keyring_dir: KeyringDir = KEYRING_DIR,
    config: DaemonConfig = DEFAULT,
) -> None:
    """Import a key and print its address. Accepts a mnemonic, 64 hex digits, an armored key, or an entry of
    an SDK keyring."""
    from provider_daemon.audit_log.records import Action
    from provider_daemon.chain import keys
    from provider_daemon.chain.sign import LocalSigner
    from provider_daemon.client import keychain

    with keys.mending(f"key {source}"):
        text = sys.stdin.read() if source == "-" else keys.read_private(source)
    secret = keychain.read(
        text, lambda: passphrase(source_passphrase_file, what="Passphrase of the source"), f"key {key}"
    )
    chosen = passphrase(passphrase_file, confirm=True)
    with keys.mending(f"key {key}"):
        address = LocalSigner(secret).address
    _record(config, Action.KEY_IMPORTED, address)
    typer.echo(keychain.add(key, keyring_dir, secret, chosen))


@app.command()
def show(
    key: Key,
    passphrase_file: PassphraseFile = None,
    keyring_dir: KeyringDir = KEYRING_DIR,
    output: AsText = Text.TEXT,
) -> None:
    """Print a key's address. JSON output includes the public key."""
    from provider_daemon.client import keychain

    entry = keychain.show(_who(key, keyring_dir, passphrase_file))
    typer.echo(json.dumps(_document(entry)) if output is Text.JSON else entry.address)


@app.command("list")
def list_(
    passphrase_file: PassphraseFile = None, keyring_dir: KeyringDir = KEYRING_DIR, output: AsText = Text.TEXT
) -> None:
    """List the keys in the keyring with their addresses."""
    from provider_daemon.client import keychain
    from provider_daemon.client.identity import once

    entries = keychain.every(keyring_dir, once(lambda: passphrase(passphrase_file)))
    if output is Text.JSON:
        typer.echo(json.dumps([_document(entry) for entry in entries]))
    else:
        for entry in entries:
            typer.echo(f"{entry.name:<16} {entry.address or entry.why}")


@app.command()
def export(
    key: Key,
    export_passphrase_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File with a passphrase for the exported key, readable by its owner only."
        ),
    ] = None,
    passphrase_file: PassphraseFile = None,
    keyring_dir: KeyringDir = KEYRING_DIR,
    config: DaemonConfig = DEFAULT,
) -> None:
    """Print a key in the SDK's armored export format. It is encrypted with a separate passphrase."""
    from provider_daemon.audit_log.records import Action
    from provider_daemon.client import keychain

    who = _who(key, keyring_dir, passphrase_file)
    _record(config, Action.KEY_EXPORTED, who.signer().address)
    armored = keychain.export(
        who, lambda: passphrase(export_passphrase_file, confirm=True, what="Passphrase of the export")
    )
    typer.echo(armored, nl=False)


@app.command()
def delete(
    key: Key,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not prompt for confirmation.")] = False,
    passphrase_file: PassphraseFile = None,
    keyring_dir: KeyringDir = KEYRING_DIR,
    config: DaemonConfig = DEFAULT,
) -> None:
    """Delete a key permanently. Without its mnemonic or an export, nobody can sign for its address again."""
    from provider_daemon.audit_log.records import Action
    from provider_daemon.client import keychain

    if not yes:
        typer.confirm(f"Delete key {key} permanently?", abort=True, err=True)
    who = _who(key, keyring_dir, passphrase_file)
    _record(config, Action.KEY_DELETED, who.signer().address)
    typer.echo(f"deleted {keychain.delete(who)}")


@app.command("rotate-plan")
def rotate_plan(
    new: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address of the new key, if it exists already.")
    ] = "",
    key: Annotated[str, typer.Option(metavar="NAME", help="Key to replace, as in [keys.NAME].")] = "main",
    config: ConfigFile = DEFAULT,
) -> None:
    """Print the steps to replace the daemon's key. They name the actual addresses, clusters and open jobs.
    Changes nothing."""
    import asyncio

    from provider_daemon.client.rotation import plan

    typer.echo("\n".join(plan(asyncio.run(_facts(config, key, new)))))


async def _facts(config_path: Path, key: str, new: str) -> "RotationFacts":
    from provider_daemon.client.rotation import facts
    from provider_daemon.client.session import chain_at
    from provider_daemon.clock import SystemClock
    from provider_daemon.config.model import load

    config = load(config_path)
    async with chain_at(config.chain.endpoints, config.chain.id) as chain:
        return await facts(chain, config, key, new, str(config_path), SystemClock().now())


def _record(config: Path, action: "Action", address: str) -> None:
    from provider_daemon.audit_log.operator import record_beside_a_daemon

    record_beside_a_daemon(config, action, thing=address)


def _who(key: str, keyring_dir: Path, passphrase_file: Path | None) -> "Who":
    from provider_daemon.client.identity import Who, once

    return Who(key, keyring_dir, once(lambda: passphrase(passphrase_file)))


def _document(entry: "KeychainEntry") -> dict[str, object]:
    """Returns the format of the SDK's `keys show`."""
    from base64 import b64encode

    if entry.why:
        return {"name": entry.name, "problem": entry.why}
    pubkey = {"@type": "/cosmos.crypto.secp256k1.PubKey", "key": b64encode(entry.public_key).decode()}
    return {"name": entry.name, "type": "local", "address": entry.address, "pubkey": pubkey}
