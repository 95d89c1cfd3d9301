"""`provd keys recipient`: the key with which customers encrypt inputs to this provider."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provider_daemon.cli.options import AsText, Text, example
from provider_daemon.cli.tx.options import Guide, guided

if TYPE_CHECKING:
    from provider_daemon.encryption.identity import Keyring

_PATH = "/etc/provd/recipient.key"

app = typer.Typer(no_args_is_help=True, help="Create, register and rotate the key for encrypted inputs.")

KeyFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="File with the keys (age identities), as in data.recipient_key_file."
    ),
]
Label = Annotated[
    str, typer.Option("--label", metavar="TEXT", help="Label of the key on chain; public and permanent.")
]


@app.command(epilog=example(f"provd keys recipient create {_PATH}"))
def create(file: KeyFile, output: AsText = Text.TEXT) -> None:
    """Create a key file and print the public key. Only its owner can read the file."""
    from provider_daemon.encryption import identity, identity_file

    made = identity.generate()
    identity_file.create(file, made)
    _show(identity.Keyring((made,)), output)


@app.command(epilog=example(f"provd keys recipient show {_PATH}"))
def show(file: KeyFile, output: AsText = Text.TEXT) -> None:
    """Print the public keys of a key file, the current one first."""
    from provider_daemon.encryption import identity_file

    _show(identity_file.read(file), output)


@guided
def register(file: KeyFile, label: Label = "provd") -> Guide:
    """Register the current key of a file on chain. Checks that the chain shows it afterwards."""
    from provider_daemon.client import recipient

    return lambda work: recipient.register(work, file, label)


@guided
def rotate(
    file: KeyFile,
    label: Label = "provd",
    reason: Annotated[
        str,
        typer.Option(
            metavar="REASON",
            help=(
                "Reason: scheduled, algorithm_migration, compromise, policy_change or quantum_preparation."
            ),
        ),
    ] = "scheduled",
    ttl: Annotated[
        int, typer.Option(metavar="SECONDS", min=0, help="Life time of the new key; 0: it does not expire.")
    ] = 0,
) -> Guide:
    """Replace the key of a file by a new one, on chain too. The old key stays in the file, so that data for
    it can still be decrypted."""
    from provider_daemon.client import recipient

    return lambda work: recipient.rotate(work, file, label, reason, ttl)


app.command("register", epilog=example(f"provd keys recipient register {_PATH} --from alice"))(register)
app.command("rotate", epilog=example(f"provd keys recipient rotate {_PATH} --from alice"))(rotate)


def _show(keyring: "Keyring", output: Text) -> None:
    from provider_daemon.client.recipient import described

    found = described(keyring)
    if output is Text.JSON:
        typer.echo(json.dumps(found))
        return
    for key in found:
        typer.echo("\n".join(f"{name}: {value}" for name, value in key.items()))
