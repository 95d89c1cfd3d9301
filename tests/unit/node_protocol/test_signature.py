"""What an agent signs, and what is no signature."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provider_daemon.node_protocol.signature import (
    Purpose,
    Stamp,
    base_text,
    is_in_time,
    is_public_key,
    sign,
    verify,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
STAMP = Stamp("alpha.c1", "HPC-1", 1_769_781_900, "AAECAwQFBgcICQoLDA0ODw==")


def test_the_signature_base_has_a_line_for_each_part() -> None:
    """The base is docs/agent.md's, and its vector is stable."""
    assert base_text(Purpose.HEARTBEAT, STAMP, b'{"a":1}').decode().splitlines() == [
        "provd-agent-1",
        "heartbeat",
        "HPC-1",
        "alpha.c1",
        "1769781900",
        "AAECAwQFBgcICQoLDA0ODw==",
        "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862",
    ]


@pytest.mark.parametrize(
    "changed",
    [
        base_text(Purpose.REGISTRATION, STAMP, b"x"),
        base_text(Purpose.HEARTBEAT, STAMP, b"y"),
        base_text(Purpose.HEARTBEAT, Stamp("alpha.c2", "HPC-1", STAMP.timestamp, STAMP.nonce), b"x"),
        base_text(Purpose.HEARTBEAT, Stamp("alpha.c1", "HPC-2", STAMP.timestamp, STAMP.nonce), b"x"),
        base_text(Purpose.HEARTBEAT, Stamp("alpha.c1", "HPC-1", STAMP.timestamp + 1, STAMP.nonce), b"x"),
        base_text(Purpose.HEARTBEAT, Stamp("alpha.c1", "HPC-1", STAMP.timestamp, "AA=="), b"x"),
    ],
)
def test_a_signature_holds_for_nothing_else(changed: bytes) -> None:
    """Another purpose, payload, node, cluster, time or nonce is not what was signed."""
    signature = sign(KEY, base_text(Purpose.HEARTBEAT, STAMP, b"x"))
    assert verify(PUBLIC, base_text(Purpose.HEARTBEAT, STAMP, b"x"), signature)
    assert not verify(PUBLIC, changed, signature)


def test_a_part_with_two_lines_is_refused() -> None:
    """A node id with a line end could move the parts."""
    with pytest.raises(ValueError, match="more than one line"):
        base_text(Purpose.HEARTBEAT, Stamp("a\nb", "c", 1, "n"), b"")


@pytest.mark.parametrize("text", ["", "AA==", PUBLIC[:-1], PUBLIC + "\n", "é", PUBLIC.replace("=", "")])
def test_what_is_no_public_key(text: str) -> None:
    """Only the base64 of 32 bytes, in its one form."""
    assert is_public_key(PUBLIC)
    assert not is_public_key(text)
    assert not verify(text, b"x", sign(KEY, b"x"))


def test_the_window_of_time() -> None:
    """Five minutes old and one minute ahead are accepted, a second more is not."""
    now = 1_000_000.0
    assert [is_in_time(round(now) + offset, now) for offset in (-301, -300, 0, 60, 61)] == [
        False,
        True,
        True,
        True,
        False,
    ]
