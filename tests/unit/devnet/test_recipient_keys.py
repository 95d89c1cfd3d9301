"""Recipient keys of accounts: the encryption module's messages, its store, and its weaknesses."""

import base64
from typing import Any

import grpc
import grpc.aio
import pytest

from provider_daemon.chain import bech32, codec
from provider_daemon.chain.proto.virtengine.encryption.v1 import query_pb2, query_pb2_grpc, tx_pb2
from provider_daemon.chain.proto.virtengine.encryption.v1.types_pb2 import EncryptedPayloadEnvelope
from provider_daemon.devnet import bank, genesis_file
from provider_daemon.devnet.archive import StateSnapshot
from provider_daemon.devnet.recipient_keys import GRACE_SECONDS, PARAMS
from provider_daemon.encryption import envelope
from provider_daemon.encryption.fingerprint import ALGORITHM, fingerprint
from provider_daemon.errors import ConfigError
from tests.fakes.chain import ALICE, BOB, TestChain
from tests.unit.devnet.pure import Module, nanoseconds
from tests.unit.devnet.rules import refused
from tests.unit.docs import page, table

A, B = ALICE.address, BOB.address
NOW = nanoseconds("2026-11-24T06:00:00Z") // 10**9


def public(number: int) -> bytes:
    return bytes([number]) * 32


def name(number: int) -> str:
    return fingerprint(public(number))


def register(number: int = 1, sender: str = A, **changes: Any) -> tx_pb2.MsgRegisterRecipientKey:
    values = {"sender": sender, "public_key": public(number), "algorithm_id": ALGORITHM, "label": "mine"}
    return tx_pb2.MsgRegisterRecipientKey(**{**values, **changes})


def rotate(old: int = 1, new: int = 2, sender: str = A, **changes: Any) -> tx_pb2.MsgRotateKey:
    values = {"sender": sender, "old_key_fingerprint": name(old), "new_public_key": public(new)}
    return tx_pb2.MsgRotateKey(**{**values, **changes})


def revoke(number: int = 1, sender: str = A) -> tx_pb2.MsgRevokeRecipientKey:
    return tx_pb2.MsgRevokeRecipientKey(sender=sender, key_fingerprint=name(number))


def relabel(number: int = 1, sender: str = A) -> tx_pb2.MsgUpdateKeyLabel:
    return tx_pb2.MsgUpdateKeyLabel(sender=sender, key_fingerprint=name(number), label="new")


def stored(module: Module, key: bytes) -> bytes:
    return module.state.get("encryption", key)


def key_record(module: Module, number: int = 1, owner: str = A) -> dict[str, Any]:
    return codec.loads(stored(module, b"\x01" + bech32.decode(owner) + name(number).encode()))


@pytest.fixture
def module() -> Module:
    made = Module()
    made.do(register())
    return made


def test_the_stored_record(module: Module) -> None:
    """Every field in the chain's order, bytes in base64, times in seconds; and the three indices."""
    record = key_record(module)
    assert list(record.items()) == [
        ("address", A),
        ("public_key", base64.b64encode(public(1)).decode()),
        ("key_fingerprint", name(1)),
        ("key_version", 1),
        ("algorithm_id", ALGORITHM),
        ("registered_at", NOW),
        ("revoked_at", 0),
        ("deprecated_at", 0),
        ("expires_at", 0),
        ("purge_at", 0),
        ("label", "mine"),
    ]
    owner = bech32.decode(A)
    assert stored(module, b"\x02" + name(1).encode()) == owner
    assert stored(module, b"\x05" + owner) == name(1).encode()
    assert stored(module, b"\x06" + owner + bytes([0, 0, 0, 1])) == name(1).encode()


def test_the_answers_and_events() -> None:
    """The fingerprint, and a typed event whose attributes are JSON."""
    module = Module()
    events = module.do(register()).events
    assert events == [
        (
            "virtengine.encryption.v1.EventKeyRegistered",
            {
                "address": f'"{A}"',
                "fingerprint": f'"{name(1)}"',
                "algorithm": f'"{ALGORITHM}"',
                "label": '"mine"',
                "registered_at": f'"{NOW}"',
            },
        )
    ]
    for message, event in (
        (rotate(), "EventKeyRotated"),
        (relabel(), "EventKeyUpdated"),
        (revoke(), "EventKeyRevoked"),
    ):
        assert module.do(message).events[-1][0] == f"virtengine.encryption.v1.{event}"


def test_versions_count_up_and_the_newest_is_active(module: Module) -> None:
    """In each account by itself."""
    module.do(register(2), register(3, B))
    assert [key_record(module, 2)["key_version"], key_record(module, 3, B)["key_version"]] == [2, 1]
    assert stored(module, b"\x05" + bech32.decode(A)) == name(2).encode()


def test_rotation(module: Module) -> None:
    """The new key has the old one's algorithm and its own life; the old one is deprecated once."""
    module.do(rotate(new_key_ttl_seconds=60, new_label="second"))
    new = key_record(module, 2)
    assert (new["algorithm_id"], new["label"], new["expires_at"]) == (ALGORITHM, "second", NOW + 60)
    assert key_record(module)["deprecated_at"] == NOW
    module.time += 10**9
    module.do(rotate(new=3))
    assert key_record(module)["deprecated_at"] == NOW


def test_anyone_can_register_your_key_first(module: Module) -> None:
    """A weakness of the published module: the owner of the secret is refused then."""
    assert refused(module, register(sender=B)) == ("encryption", 1303)


def test_anyone_can_deprecate_your_key(module: Module) -> None:
    """A weakness of the published module: a rotation does not check the old key's owner."""
    module.do(rotate(sender=B))
    assert key_record(module)["deprecated_at"] == NOW
    assert key_record(module, 2, B)["address"] == B


def test_only_the_owner_or_governance_revokes(module: Module) -> None:
    """And a label belongs to the owner alone."""
    assert refused(module, revoke(sender=B)) == ("encryption", 1312)
    assert refused(module, relabel(sender=B)) == ("encryption", 1302)
    module.do(relabel())
    assert key_record(module)["label"] == "new"
    module.do(revoke(sender=bank.GOVERNANCE))
    assert key_record(module)["revoked_at"] == NOW


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (register(2, algorithm_id="X25519-XSalsa20-Poly1305"), 1306),
        (register(2, algorithm_id="AGE-X25519"), 1306),
        (register(2, public_key=bytes(31)), 1301),
        (register(), 1303),
        (rotate(old=9), 1302),
        (rotate(new=1), 1303),
        (rotate(new_algorithm_id="AGE-X25519"), 1306),
        (rotate(new_public_key=b""), 1301),
        (revoke(9), 1302),
        (relabel(9), 1302),
    ],
)
def test_refusals(module: Module, message: Any, code: int) -> None:
    """With the chain's codes; nothing changes."""
    before = module.state.rows()
    assert refused(module, message) == ("encryption", code)
    assert module.state.rows() == before


def test_a_revoked_key(module: Module) -> None:
    """It can be neither rotated nor revoked again, and counts until it is deleted a week later."""
    module.do(revoke())
    assert refused(module, rotate()) == ("encryption", 1304)
    assert refused(module, revoke()) == ("encryption", 1304)
    module.do(*(register(number) for number in range(2, 6)))
    assert refused(module, register(6)) == ("encryption", 1301)
    module.later(GRACE_SECONDS - 1)
    assert key_record(module)["purge_at"] == NOW + GRACE_SECONDS
    module.later(1)
    owner = bech32.decode(A)
    for key in (
        b"\x01" + owner + name(1).encode(),
        b"\x02" + name(1).encode(),
        b"\x06" + owner + bytes([0] * 3 + [1]),
    ):
        assert stored(module, key) == b""
    module.do(register(6))
    assert key_record(module, 6)["key_version"] == 6


def test_the_last_key_is_deleted(module: Module) -> None:
    """Nothing of it is left, and the same key can be registered again, by anyone."""
    module.do(revoke())
    module.later(GRACE_SECONDS)
    assert list(module.state.scan("encryption", b"")) == []
    module.do(register(sender=B))


def test_an_expired_key_is_revoked(module: Module) -> None:
    """At the end of the first block at or after its time."""
    module.do(rotate(new_key_ttl_seconds=60))
    module.later(59)
    assert key_record(module, 2)["revoked_at"] == 0
    module.later(1)
    assert key_record(module, 2)["revoked_at"] == NOW + 60
    assert key_record(module, 2)["purge_at"] == NOW + 60 + GRACE_SECONDS


def test_a_genesis_file(module: Module) -> None:
    """It has the key records; all rows come back from them. Older files have no such section."""
    module.do(rotate(), register(3, B), revoke(3, B))
    snapshot = StateSnapshot(module.height, module.time, module.state.rows())
    text = genesis_file.write(snapshot)
    assert sorted(genesis_file.read(text).state) == sorted(snapshot.state)
    genesis_file.read(
        genesis_file.write(StateSnapshot(1, 1, Module().state.rows())).replace(
            '"encryption":{"recipient_keys":[]},', ""
        )
    )
    with pytest.raises(ConfigError, match="section encryption cannot be read: the key"):
        genesis_file.read(text.replace(name(1), name(9)))
    with pytest.raises(ConfigError, match="twice"):
        genesis_file.read(
            text.replace(name(2), name(1)).replace(
                base64.b64encode(public(2)).decode(), base64.b64encode(public(1)).decode()
            )
        )


def test_parameters_of_the_page() -> None:
    """Those that the devnet uses are those of docs/protocol.md."""
    said = dict(table(page("protocol.md"), "encryption parameter"))
    assert said["max_recipients_per_envelope"] == str(PARAMS.max_recipients_per_envelope)
    assert said["max_keys_per_account"] == str(PARAMS.max_keys_per_account)
    assert said["revocation_grace_period_seconds"] == str(GRACE_SECONDS)


# --- queries ---


async def asked(chain: TestChain, call: str, **values: Any) -> Any:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{chain.devnet.port}") as channel:
        kind = getattr(query_pb2, f"Query{call}Request")
        return await getattr(query_pb2_grpc.QueryStub(channel), call)(kind(**values))


async def test_queries() -> None:
    """Keys by address and by fingerprint, parameters and algorithms, also from a chain of published
    queries."""
    chain = await TestChain(queries="published").start()
    await chain.send(ALICE, register())
    found = await asked(chain, "RecipientKey", address=A)
    assert [key.key_fingerprint for key in found.keys] == [name(1)]
    assert (await asked(chain, "KeyByFingerprint", fingerprint=name(1))).key.address == A
    assert (await asked(chain, "Params")).params.max_keys_per_account == 5
    assert (await asked(chain, "Algorithms")).algorithms[0].id == ALGORITHM
    for call, values in (("KeyByFingerprint", {"fingerprint": name(2)}), ("RecipientKey", {"address": "x"})):
        with pytest.raises(grpc.aio.AioRpcError):
            await asked(chain, call, **values)
    await chain.stop()


async def test_envelopes_are_validated() -> None:
    """An envelope of ours is valid; whether its keys are registered is answered separately."""
    chain = await TestChain().start()
    made = envelope.seal(b"x", public(9))
    answer = await asked(chain, "ValidateEnvelope", envelope=made)
    assert (answer.valid, answer.error, answer.all_keys_registered) == (True, "", False)
    assert list(answer.missing_keys) == [fingerprint(public(9))]
    await chain.send(ALICE, register(9))
    assert (await asked(chain, "ValidateEnvelope", envelope=made)).all_keys_registered
    for changed, code in (
        ({"version": 2}, "unsupported version"),
        ({"algorithm_id": "x"}, "unsupported algorithm"),
        ({"nonce": b"x"}, "invalid envelope"),
        ({"sender_pub_key": b"x"}, "invalid envelope"),
        ({"sender_signature": b""}, "invalid signature"),
    ):
        wrong = EncryptedPayloadEnvelope.FromString(made.SerializeToString())
        for field, value in changed.items():
            setattr(wrong, field, value)
        answer = await asked(chain, "ValidateEnvelope", envelope=wrong)
        assert not answer.valid
        assert code in answer.error
    await chain.stop()
