"""The tx service with responses that may already be encoded.

A log can contain an address's raw bytes (docs/protocol.md, 'Result codes'), which no protobuf library writes.
"""

from typing import Any

import grpc
import grpc.aio
from google.protobuf.empty_pb2 import Empty
from google.protobuf.internal.encoder import _VarintBytes  # type: ignore[attr-defined]
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.unknown_fields import UnknownFieldSet

from provider_daemon.chain.proto.cosmos.base.abci.v1beta1.abci_pb2 import TxResponse
from provider_daemon.chain.proto.cosmos.tx.v1beta1 import service_pb2
from provider_daemon.chain.proto.cosmos.tx.v1beta1.service_pb2_grpc import ServiceServicer

_DELIMITED = 2  # wire type


def add_to_server(service: ServiceServicer, server: grpc.aio.Server) -> None:
    described = service_pb2.DESCRIPTOR.services_by_name["Service"]
    handlers = {
        method.name: grpc.unary_unary_rpc_method_handler(
            getattr(service, method.name),
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=_serialize,
        )
        for method in described.methods
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(described.full_name, handlers),))


def _serialize(response: Message | bytes) -> bytes:
    return response if isinstance(response, bytes) else response.SerializeToString()


def answer(response: TxResponse, log: str) -> bytes:
    """Returns an encoded BroadcastTxResponse."""
    body = response.SerializeToString() + _field(TxResponse.RAW_LOG_FIELD_NUMBER, log_bytes(log))
    return _field(service_pb2.BroadcastTxResponse.TX_RESPONSE_FIELD_NUMBER, body)


def readable(response: bytes) -> service_pb2.BroadcastTxResponse:
    """Decodes the output of `answer`, with U+FFFD for invalid UTF-8, as Go's JSON encoder does."""
    body = _content(response, service_pb2.BroadcastTxResponse.TX_RESPONSE_FIELD_NUMBER)
    log = _content(body, TxResponse.RAW_LOG_FIELD_NUMBER)
    found = TxResponse.FromString(body.removesuffix(_field(TxResponse.RAW_LOG_FIELD_NUMBER, log)))
    found.raw_log = log.decode(errors="replace")
    return service_pb2.BroadcastTxResponse(tx_response=found)


def log_bytes(log: str) -> bytes:
    """Encodes a log. Bytes that are not UTF-8 are surrogates inside the devnet."""
    return log.encode("utf-8", "surrogateescape")


def _content(message: bytes, number: int) -> bytes:
    """Returns a field's value as bytes; b"" if the field is missing."""
    fields: Any = UnknownFieldSet(Empty.FromString(message))
    return next((bytes(field.data) for field in fields if field.field_number == number), b"")


def _field(number: int, content: bytes) -> bytes:
    return (
        bytes(_VarintBytes(number << 3 | _DELIMITED)) + bytes(_VarintBytes(len(content))) + content
        if content
        else b""
    )
