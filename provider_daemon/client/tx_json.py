"""Transactions as Cosmos clients print them: snake_case, 64-bit integers as text, enum names, `@type` beside a message's fields. Pure."""

from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from provider_daemon.chain.proto.cosmos.tx.v1beta1.service_pb2 import GetTxResponse
from provider_daemon.client.transaction import Prepared


def as_dict(message: Message) -> dict[str, Any]:
    """With every field that is not a message of its own, set or not."""
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def unsigned(prepared: Prepared) -> dict[str, Any]:
    """What `tx sign` of a chain's own client reads."""
    body = {
        "messages": [{"@type": f"/{message.DESCRIPTOR.full_name}", **as_dict(message)} for message in prepared.wanted],
        "memo": prepared.memo,
        "timeout_height": str(prepared.timeout_height),
        "extension_options": [],
        "non_critical_extension_options": [],
    }
    amount = [{"denom": prepared.fee.denom, "amount": str(prepared.fee.amount)}] if prepared.fee.amount else []
    fee = {"amount": amount, "gas_limit": str(prepared.gas_limit), "payer": "", "granter": ""}
    return {"body": body, "auth_info": {"signer_infos": [], "fee": fee}, "signatures": []}


def response(found: GetTxResponse, ids: dict[str, str]) -> dict[str, Any]:
    """TxResponse without the transaction itself, and the ids of what it made."""
    document = as_dict(found.tx_response)
    document.pop("tx", None)
    return {**document, "ids": ids}
