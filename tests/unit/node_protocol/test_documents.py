"""Tokens and commands: signed by the provider, and refused after any change."""

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.chain.sign import LocalSigner
from provider_daemon.errors import Refused
from provider_daemon.node_protocol import answer, command, token
from provider_daemon.node_protocol.command import NodeCommand
from provider_daemon.node_protocol.token import NodeToken
from provider_daemon.nodes.command import CommandKind, SignedCommand

SIGNER = LocalSigner(bytes([7] * 32))
OTHER = LocalSigner(bytes([8] * 32))
TOKEN = NodeToken(
    chain_id="virtengine-1",
    cluster_id="HPC-1",
    node_id="alpha.c1",
    hostname="c1",
    provider_address=SIGNER.address,
    provider_pubkey=SIGNER.public_key.hex(),
    collector_url="https://provd.example.org:8444",
    nonce="00" * 32,
    issued_at=1_769_781_900,
    expires_at=1_769_868_300,
)
COMMAND = NodeCommand("CMD-1", "HPC-1", "alpha.c1", 4, CommandKind.DRAIN, 1, 301, {"reason": "fan, rack 7"})


def test_a_token_is_read_as_it_was_issued() -> None:
    """What the provider signed is what the agent reads."""
    assert token.read(token.issue(TOKEN, SIGNER)) == TOKEN


def test_a_token_of_another_key_is_refused() -> None:
    """The signature must be that of the provider whom the token names, by its key."""
    for wrong in (
        token.issue(TOKEN, OTHER),
        token.issue(replace(TOKEN, provider_pubkey=OTHER.public_key.hex()), OTHER),
        token.issue(replace(TOKEN, provider_pubkey="00"), SIGNER),
    ):
        with pytest.raises(Refused, match=r"changed after|not a node token"):
            token.read(wrong)


@given(st.integers(min_value=0, max_value=10_000), st.characters(codec="ascii"))
def test_a_changed_token_is_refused_and_never_quoted(at: int, sign: str) -> None:
    """Any other character in it, and the error does not show the token."""
    text = token.issue(TOKEN, SIGNER)
    at %= len(text)
    changed = text[:at] + sign + text[at + 1 :]
    if _same(changed, text):
        return
    with pytest.raises(Refused) as refusal:
        token.read(changed)
    assert text[:40] not in str(refusal.value)


def _same(one: str, other: str) -> bool:
    """The last character of base64 has bits that mean nothing."""
    try:
        return [base64.urlsafe_b64decode(f"{part}==") for part in one.split(".")] == [
            base64.urlsafe_b64decode(f"{part}==") for part in other.split(".")
        ]
    except ValueError:
        return False


@pytest.mark.parametrize("text", ["", ".", "a.b", "a.b.c", "é.é", "e30.e30", "x" * 10_000])
def test_what_is_no_token(text: str) -> None:
    """Any text is refused with the same advice."""
    with pytest.raises(Refused, match="not a node token"):
        token.read(text)


def test_a_command_is_read_as_it_was_signed() -> None:
    """The agent gets the kind, the sequence, the deadline and the parameters."""
    assert command.verify(command.sign(COMMAND, SIGNER), SIGNER.address, SIGNER.public_key) == COMMAND


@pytest.mark.parametrize(
    "signed",
    [
        command.sign(COMMAND, OTHER),
        SignedCommand(command.sign(COMMAND, SIGNER).document + " ", command.sign(COMMAND, SIGNER).signature),
        SignedCommand(
            command.sign(COMMAND, SIGNER).document.replace('"sequence":4', '"sequence":5'),
            command.sign(COMMAND, SIGNER).signature,
        ),
        SignedCommand(command.sign(COMMAND, SIGNER).document, ""),
        SignedCommand(command.sign(COMMAND, SIGNER).document, "not base64"),
    ],
)
def test_a_command_with_another_signature_is_refused(signed: SignedCommand) -> None:
    """A foreign key, a changed document, a missing or odd signature."""
    with pytest.raises(Refused, match="not signed by the provider"):
        command.verify(signed, SIGNER.address, SIGNER.public_key)


def test_a_signed_document_that_is_no_command_is_refused() -> None:
    """A token's signature cannot be used for a command: the type is part of what is signed."""
    data, _, signature = token.issue(TOKEN, SIGNER).partition(".")
    signed = SignedCommand(
        base64.urlsafe_b64decode(f"{data}==").decode(),
        base64.b64encode(base64.urlsafe_b64decode(f"{signature}==")).decode(),
    )
    with pytest.raises(Refused, match="no command"):
        command.verify(signed, SIGNER.address, SIGNER.public_key)


def test_an_answer_is_read_as_it_was_written() -> None:
    """Commands, neighbours and errors included; the interval stays within what an agent may be asked."""
    full = answer.Answer(
        True,
        9,
        1_769_781_900,
        45,
        (command.sign(COMMAND, SIGNER),),
        (answer.Neighbour("alpha.c2", "c2:6818"),),
        (answer.RequestError("signature_invalid", "the signature does not match"),),
    )
    assert answer.read(answer.encode(full)) == full
    assert answer.read(b'{"accepted":true,"next_heartbeat_seconds":1}').next_heartbeat_seconds == 10
    assert answer.read(b'{"accepted":true,"next_heartbeat_seconds":9999}').next_heartbeat_seconds == 120
