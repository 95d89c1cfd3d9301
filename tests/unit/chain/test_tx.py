"""Transactions and their messages."""

import hashlib
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as Envelope

from provider_daemon.chain import messages, tx
from provider_daemon.chain.proto.cosmos.tx.v1beta1 import tx_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import (
    MsgCancelJob,
    MsgUpdateCluster,
)
from provider_daemon.chain.sign import LocalSigner, verify
from provider_daemon.errors import Unreadable
from tests.unit.chain.vectors import ADDRESS, SECRET

SIGNER = LocalSigner(SECRET)
CANCEL = MsgCancelJob(requester_address=ADDRESS, job_id="JOB-1", reason="no longer needed")
PRICE: dict[str, Any] = {
    "sequence": 5,
    "gas_limit": 100_000,
    "fee": 2_500,
    "fee_denom": "uve",
    "timeout_height": 77,
}


def build(chain_id: str = "virtengine-localnet-1") -> tx.SignedTx:
    return tx.build([messages.pack(CANCEL)], signer=SIGNER, chain_id=chain_id, account_number=9, **PRICE)


def test_signature_covers_the_bytes_that_are_sent() -> None:
    """SIGN_MODE_DIRECT: the signature is over body, auth info, chain id and account number as they go out."""
    signed = build()
    raw = tx_pb2.TxRaw.FromString(signed.tx_bytes)
    document = tx.sign_bytes(raw.body_bytes, raw.auth_info_bytes, "virtengine-localnet-1", 9)
    assert verify(SIGNER.public_key, hashlib.sha256(document).digest(), raw.signatures[0])
    assert signed.tx_hash == hashlib.sha256(signed.tx_bytes).hexdigest().upper()


def test_fields() -> None:
    """Everything that was asked for stands in its place."""
    decoded = tx.decode(build().tx_bytes)
    (info,) = decoded.auth_info.signer_infos
    assert messages.unpack(decoded.body.messages[0]) == CANCEL
    assert (decoded.body.timeout_height, info.sequence, info.mode_info.single.mode) == (77, 5, 1)
    assert (decoded.auth_info.fee.gas_limit, decoded.auth_info.fee.amount[0].amount) == (100_000, "2500")
    assert info.public_key.type_url == "/cosmos.crypto.secp256k1.PubKey"


def test_same_input_same_bytes() -> None:
    """A transaction that is built again is the same transaction; on another chain it is another one."""
    assert build() == build()
    assert build().tx_hash != build("virtengine-1").tx_hash


def test_simulation_differs_by_the_signature_only() -> None:
    """A simulation carries the real fee and one empty signature."""
    simulated = tx_pb2.TxRaw.FromString(
        tx.for_simulation([messages.pack(CANCEL)], public_key=SIGNER.public_key, **PRICE)
    )
    signed = tx_pb2.TxRaw.FromString(build().tx_bytes)
    assert list(simulated.signatures) == [b""]
    assert (simulated.body_bytes, simulated.auth_info_bytes) == (signed.body_bytes, signed.auth_info_bytes)


@pytest.mark.parametrize(
    ("log", "index"),
    [
        ("failed to execute message; message index: 12: invalid job state transition", 12),
        ("failed to execute message; message index: " + "9" * 5000, None),
        ("out of gas in location: WriteFlat", None),
        ("", None),
    ],
)
def test_failed_message(log: str, index: int | None) -> None:
    """The chain's log names the failing message."""
    assert tx.failed_message_index(log) == index


def test_not_a_transaction() -> None:
    """Other bytes raise Unreadable."""
    with pytest.raises(Unreadable, match="transaction cannot be read"):
        tx.decode(b"\xff\xff")


@pytest.mark.parametrize(
    "envelope",
    [Envelope(type_url="/other.Msg"), Envelope(type_url=messages.pack(CANCEL).type_url, value=b"\xff")],
)
def test_unknown_message(envelope: Envelope) -> None:
    """A type that we do not know, or bytes that are not of it, raise Unreadable."""
    with pytest.raises(Unreadable):
        messages.unpack(envelope)


def test_every_message_knows_its_signer() -> None:
    """The table names a field that the message has."""
    for message_type, field in messages.SIGNER_FIELDS.items():
        assert field in message_type.DESCRIPTOR.fields_by_name
    assert messages.signer_of(CANCEL) == ADDRESS


def test_cluster_update_leaves_the_rest_alone() -> None:
    """Fields that shall not change stay empty."""
    sent = messages.unpack(
        messages.update_cluster(provider=ADDRESS, cluster_id="HPC-1", state="", total_nodes=4)
    )
    assert sent == MsgUpdateCluster(provider_address=ADDRESS, cluster_id="HPC-1", total_nodes=4)
