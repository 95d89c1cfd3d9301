"""Transactions about recipient keys."""

from typing import Annotated, Any

import typer

from provider_daemon.cli.tx.options import sends

Fingerprint = Annotated[
    str, typer.Argument(metavar="FINGERPRINT", help="Fingerprint of the key, 40 hex digits.")
]
PublicKey = Annotated[
    str,
    typer.Argument(metavar="KEY", help="Public key: an age recipient (age1...), or its 32 bytes in base64."),
]
Label = Annotated[str | None, typer.Option(metavar="TEXT", help="Label of the key; public and permanent.")]


@sends("MsgRegisterRecipientKey")
def register_recipient_key(public_key: PublicKey, label: Label = None) -> dict[str, Any]:
    """Register a public key for the signer's account."""
    from provider_daemon.client.recipient import public_key as as_base64
    from provider_daemon.encryption.fingerprint import ALGORITHM

    return {"public_key": as_base64(public_key), "algorithm_id": ALGORITHM, "label": label}


@sends("MsgRotateKey")
def rotate_key(
    old: Fingerprint,
    new: PublicKey,
    label: Label = None,
    reason: Annotated[
        str | None,
        typer.Option(
            metavar="REASON",
            help=(
                "Reason: scheduled, algorithm_migration, compromise, policy_change or quantum_preparation."
            ),
        ),
    ] = None,
    ttl: Annotated[
        int | None,
        typer.Option(metavar="SECONDS", min=0, help="Life time of the new key; 0: it does not expire."),
    ] = None,
) -> dict[str, Any]:
    """Replace a key by a new one. The old key is marked deprecated."""
    from provider_daemon.client.recipient import public_key as as_base64

    return {
        "old_key_fingerprint": old,
        "new_public_key": as_base64(new),
        "new_label": label,
        "reason": reason,
        "new_key_ttl_seconds": ttl,
    }


@sends("MsgRevokeRecipientKey")
def revoke_recipient_key(fingerprint: Fingerprint) -> dict[str, Any]:
    """Revoke a key. The chain deletes it seven days later."""
    return {"key_fingerprint": fingerprint}


@sends("MsgUpdateKeyLabel")
def update_key_label(
    fingerprint: Fingerprint,
    label: Annotated[str, typer.Argument(metavar="TEXT", help="New label; public and permanent.")],
) -> dict[str, Any]:
    """Change the label of a key."""
    return {"key_fingerprint": fingerprint, "label": label}
