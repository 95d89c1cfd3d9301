"""The digest of what a customer requested: it identifies the job of that number that a report is about. Pure.

SHA-256 of canonical JSON (sorted keys, no spaces, UTF-8) of the chain's id and the fields below, under their
protobuf names, with every field of nested messages present and times in nanoseconds since the epoch. Anybody
can compute it from the chain's record. The price is left out: it does not change what runs.
"""

import hashlib
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.chain.signed_documents import canonical

FIELDS = (
    "job_id",
    "offering_id",
    "cluster_id",
    "provider_address",
    "customer_address",
    "queue_name",
    "workload_spec",
    "resources",
    "data_references",
    "encrypted_inputs_pointer",
    "encrypted_outputs_pointer",
    "max_runtime_seconds",
    "created_at",
)


def document(record: types_pb2.HPCJob, chain_id: str) -> bytes:
    every = _object(record, FIELDS)
    return canonical({"chain_id": chain_id, **every})


def digest(record: types_pb2.HPCJob, chain_id: str) -> str:
    """Returns the digest in hex."""
    return hashlib.sha256(document(record, chain_id)).hexdigest()


def _object(message: Message, names: tuple[str, ...] | None = None) -> dict[str, Any]:
    fields = [field for field in message.DESCRIPTOR.fields if names is None or field.name in names]
    return {field.name: _value(field, getattr(message, field.name)) for field in fields}


def _value(field: Any, value: Any) -> Any:
    if field.message_type and field.message_type.GetOptions().map_entry:
        return dict(value)
    if field.is_repeated:
        return [_object(item) if isinstance(item, Message) else item for item in value]
    if isinstance(value, Timestamp):
        return value.seconds * 10**9 + value.nanos
    return _object(value) if isinstance(value, Message) else value
