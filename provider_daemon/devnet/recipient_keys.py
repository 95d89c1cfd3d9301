"""Messages of the encryption module (docs/protocol.md, 'Messages of the encryption module').

The published module's weaknesses are kept: nobody proves that a public key is his own, and a rotation does
not check who owns the old key.
"""

import json

from provider_daemon.chain.proto.virtengine.encryption.v1 import tx_pb2
from provider_daemon.chain.proto.virtengine.encryption.v1.types_pb2 import Params, RecipientKeyRecord
from provider_daemon.devnet import bank, failures, key_records
from provider_daemon.devnet.context import Context
from provider_daemon.devnet.failures import encryption
from provider_daemon.encryption.fingerprint import ALGORITHM, PUBLIC_KEY_BYTES, fingerprint

PARAMS = Params(
    max_recipients_per_envelope=10,
    max_keys_per_account=5,
    allowed_algorithms=[ALGORITHM],
    require_signature=True,
)
GRACE_SECONDS = 604_800  # from a key's revocation to its deletion


def register(ctx: Context, message: tx_pb2.MsgRegisterRecipientKey) -> tx_pb2.MsgRegisterRecipientKeyResponse:
    made = _added(ctx, message.sender, message.public_key, message.algorithm_id, message.label)
    return tx_pb2.MsgRegisterRecipientKeyResponse(key_fingerprint=made.key_fingerprint)


def rotate(ctx: Context, message: tx_pb2.MsgRotateKey) -> tx_pb2.MsgRotateKeyResponse:
    """Registers a key of the sender and marks the old one deprecated, whoever owns it."""
    old = _found(ctx, message.old_key_fingerprint)
    if old.revoked_at:
        raise encryption(failures.KEY_REVOKED, old.key_fingerprint)
    algorithm = message.new_algorithm_id or old.algorithm_id
    made = _added(ctx, message.sender, message.new_public_key, algorithm, message.new_label)
    if message.new_key_ttl_seconds:
        made.expires_at = min(_now(ctx) + message.new_key_ttl_seconds, 2**63 - 1)
        key_records.update(ctx.state, made)
    if not old.deprecated_at:
        old.deprecated_at = _now(ctx)
        key_records.update(ctx.state, old)
    _emit(
        ctx,
        "EventKeyRotated",
        address=message.sender,
        old_fingerprint=old.key_fingerprint,
        new_fingerprint=made.key_fingerprint,
        rotated_at=_now(ctx),
    )
    return tx_pb2.MsgRotateKeyResponse(new_key_fingerprint=made.key_fingerprint)


def revoke(ctx: Context, message: tx_pb2.MsgRevokeRecipientKey) -> tx_pb2.MsgRevokeRecipientKeyResponse:
    record = _found(ctx, message.key_fingerprint)
    if message.sender not in (record.address, ctx.rules.authority or bank.GOVERNANCE):
        raise encryption(failures.NOT_KEY_OWNER, f"{message.sender} does not own {record.key_fingerprint}")
    if record.revoked_at:
        raise encryption(failures.KEY_REVOKED, record.key_fingerprint)
    _revoke(ctx, record)
    _emit(
        ctx,
        "EventKeyRevoked",
        address=record.address,
        fingerprint=record.key_fingerprint,
        revoked_by=message.sender,
        revoked_at=record.revoked_at,
    )
    return tx_pb2.MsgRevokeRecipientKeyResponse()


def update_label(ctx: Context, message: tx_pb2.MsgUpdateKeyLabel) -> tx_pb2.MsgUpdateKeyLabelResponse:
    record = _found(ctx, message.key_fingerprint)
    if record.address != message.sender:
        raise encryption(failures.KEY_NOT_FOUND, f"{message.key_fingerprint} of {message.sender}")
    before, record.label = record.label, message.label
    key_records.update(ctx.state, record)
    _emit(
        ctx,
        "EventKeyUpdated",
        address=record.address,
        fingerprint=record.key_fingerprint,
        field="label",
        old_value=before,
        new_value=record.label,
    )
    return tx_pb2.MsgUpdateKeyLabelResponse()


def end_block(ctx: Context) -> None:
    """Revokes expired keys, and deletes revoked ones after GRACE_SECONDS."""
    for record in key_records.every(ctx.state):
        if record.purge_at and record.purge_at <= _now(ctx):
            key_records.remove(ctx.state, record)
        elif not record.revoked_at and 0 < record.expires_at <= _now(ctx):
            _revoke(ctx, record)


def _added(ctx: Context, owner: str, public_key: bytes, algorithm: str, label: str) -> RecipientKeyRecord:
    if algorithm not in PARAMS.allowed_algorithms:
        raise encryption(failures.UNSUPPORTED_ALGORITHM, f"algorithm {algorithm} is not allowed")
    if len(public_key) != PUBLIC_KEY_BYTES:
        detail = f"expected {PUBLIC_KEY_BYTES} bytes, got {len(public_key)}"
        raise encryption(failures.INVALID_PUBLIC_KEY, detail)
    if key_records.by_fingerprint(ctx.state, fingerprint(public_key)):
        raise encryption(failures.KEY_EXISTS, fingerprint(public_key))
    known = key_records.of_account(ctx.state, owner)
    if len(known) >= PARAMS.max_keys_per_account:
        raise encryption(failures.INVALID_PUBLIC_KEY, f"{owner} has {len(known)} keys, the maximum")
    made = RecipientKeyRecord(
        address=owner,
        public_key=public_key,
        key_fingerprint=fingerprint(public_key),
        key_version=max((record.key_version for record in known), default=0) + 1,
        algorithm_id=algorithm,
        registered_at=_now(ctx),
        label=label,
    )
    key_records.add(ctx.state, made)
    _emit(
        ctx,
        "EventKeyRegistered",
        address=owner,
        fingerprint=made.key_fingerprint,
        algorithm=algorithm,
        label=label,
        registered_at=made.registered_at,
    )
    return made


def _found(ctx: Context, wanted: str) -> RecipientKeyRecord:
    record = key_records.by_fingerprint(ctx.state, wanted)
    if record is None:
        raise encryption(failures.KEY_NOT_FOUND, f"key fingerprint {wanted}")
    return record


def _revoke(ctx: Context, record: RecipientKeyRecord) -> None:
    record.revoked_at, record.purge_at = _now(ctx), _now(ctx) + GRACE_SECONDS
    key_records.update(ctx.state, record)


def _now(ctx: Context) -> int:
    """Returns the block's time in whole seconds."""
    return ctx.time // 10**9


def _emit(ctx: Context, name: str, **values: str | int) -> None:
    """Emits a typed event: its attributes are JSON, with 64-bit integers as strings."""
    attributes = {key: json.dumps(str(value), ensure_ascii=False) for key, value in values.items()}
    ctx.events.append((f"virtengine.encryption.v1.{name}", attributes))
