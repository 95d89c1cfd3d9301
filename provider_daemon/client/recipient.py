"""Registers and rotates the recipient key of a file, and checks that the chain shows it afterwards."""

import base64
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from provider_daemon.chain.client import GrpcChain
from provider_daemon.client.identity import Who, address_only
from provider_daemon.client.sending import Sent
from provider_daemon.encryption import identity, identity_file, lookup
from provider_daemon.encryption.fingerprint import ALGORITHM
from provider_daemon.encryption.identity import Identity, Keyring
from provider_daemon.encryption.recipients import KeyProblem, RecipientKey, choose, problem
from provider_daemon.errors import ConfigError, Refused, Unreadable

MAX_KEYS = 5  # of an account, on the chain


@dataclass(frozen=True, slots=True)
class Guided:
    """What a guide works with. `send` sends a message with the options of the command."""

    chain: GrpcChain
    who: Who
    send: Callable[[str, dict[str, Any]], Awaitable[Sent]]
    dry_run: bool = False


async def register(work: Guided, path: Path, label: str) -> Sent:
    """Registers the file's current key for the signer's account, unless the chain has it already.

    Raises Refused if the account's key of that name cannot be used, and Unreadable if the chain does not show
    the key after the transaction.
    """
    address, current = address_only(work.who), identity_file.read(path).current
    known, now = await _known(work.chain, address)
    found = next((key for key in known if key.fingerprint == current.fingerprint), None)
    if found is not None:
        return _already(found, problem(found, now), address, path)
    if owner := await work.chain.key_owner(current.fingerprint):
        raise Refused(
            f"another account, {owner}, has registered the public key {current.recipient}: create another "
            "key file with `provd keys recipient create`"
        )
    values = {"public_key": _base64(current), "algorithm_id": ALGORITHM, "label": label}
    sent = await work.send("MsgRegisterRecipientKey", values)
    return await _checked(work, address, current, sent)


async def rotate(work: Guided, path: Path, label: str, reason: str, ttl_seconds: int) -> Sent:
    """Registers a new key and marks the file's old one deprecated.

    The new key is written to the file before it is registered, so that it cannot be lost. A key of the file
    that the chain does not have yet, left by an earlier attempt, is used in place of a new one.
    """
    address, keyring = address_only(work.who), identity_file.read(path)
    known, _ = await _known(work.chain, address)
    old = _replaced(known, keyring, path)
    on_chain = {key.fingerprint for key in known}
    new = keyring.current
    if new.fingerprint in on_chain:
        new = identity.generate()
        if not work.dry_run:
            identity_file.put_first(path, new)
    values = {
        "old_key_fingerprint": old.fingerprint,
        "new_public_key": _base64(new),
        "new_label": label,
        "reason": reason,
        "new_key_ttl_seconds": ttl_seconds,
    }
    return await _checked(work, address, new, await work.send("MsgRotateKey", values))


def described(keyring: Keyring) -> list[dict[str, str]]:
    """Returns the public side of each key of a file, the current one first."""
    return [
        {
            "recipient": each.recipient,
            "public_key": _base64(each),
            "fingerprint": each.fingerprint,
        }
        for each in keyring.identities
    ]


async def _known(chain: GrpcChain, address: str) -> tuple[tuple[RecipientKey, ...], float]:
    """Returns the account's keys, the newest first, and the time of the newest block."""
    return await lookup.keys_of(chain, address), (await chain.head()).time


def _already(key: RecipientKey, why: KeyProblem | None, address: str, path: Path) -> Sent:
    if why is not None:
        raise Refused(
            f"the key {key.fingerprint} of {address} is {why}: run `provd keys recipient rotate {path}`, "
            "which registers a new key"
        )
    document = {"fingerprint": key.fingerprint, "recipient": key.recipient, "already_registered": True}
    return Sent(document, [f"already registered: {key.fingerprint}", f"recipient: {key.recipient}"])


def _replaced(known: Sequence[RecipientKey], keyring: Keyring, path: Path) -> RecipientKey:
    """Returns the newest key of the file that the account has on chain; a deprecated one will do."""
    if len(known) >= MAX_KEYS:
        listed = ", ".join(key.fingerprint for key in known if not key.revoked_at)
        raise Refused(
            f"the account has {MAX_KEYS} keys, the maximum: revoke one of {listed or 'them'} with `provd tx "
            "encryption revoke-recipient-key`; the chain deletes it seven days later"
        )
    for key in known:
        if keyring.with_fingerprint(key.fingerprint) and not key.revoked_at:
            return key
    raise Refused(
        f"the account has no key of {path} that could be replaced: run `provd keys recipient register {path}`"
    )


async def _checked(work: Guided, address: str, wanted: Identity, sent: Sent) -> Sent:
    """Adds what the chain shows after the transaction."""
    told = {"fingerprint": wanted.fingerprint, "recipient": wanted.recipient}
    if "height" not in sent.document or sent.problem:
        return sent  # not sent, not waited for, or failed
    known, now = await _known(work.chain, address)
    if choose(known, now, address).fingerprint != wanted.fingerprint:
        raise Unreadable(
            f"the transaction is in a block, but the chain does not show {wanted.fingerprint} as the newest "
            f"usable key of {address}: run `provd query encryption keys {address}`"
        )
    lines = [*sent.lines, f"recipient: {wanted.recipient}"]
    left = MAX_KEYS - len(known)
    lines.append(f"the chain shows the key; the account can register {left} more")
    return replace(sent, document={**sent.document, **told}, lines=lines)


def _base64(key: Identity) -> str:
    return base64.b64encode(key.public_key).decode()


def public_key(text: str) -> str:
    """Returns an age recipient (age1...) or base64 as base64. Raises ConfigError."""
    if not text.startswith("age1"):
        return text
    try:
        return base64.b64encode(identity.public_key_of(text)).decode()
    except ValueError as error:
        raise ConfigError([str(error)]) from None
