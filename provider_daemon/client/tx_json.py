"""Transactions in Cosmos clients' JSON: snake_case, 64-bit integers as text, enum names, `@type`. Pure."""

from typing import Any

from provider_daemon.chain import tx as transactions
from provider_daemon.chain.gateway_json import render
from provider_daemon.chain.proto.cosmos.tx.v1beta1.service_pb2 import GetTxResponse
from provider_daemon.client.transaction import Prepared


def unsigned(prepared: Prepared) -> dict[str, Any]:
    """Returns the input of `tx sign` of the chain's client."""
    body = {
        "messages": [
            {"@type": f"/{message.DESCRIPTOR.full_name}", **render(message)} for message in prepared.wanted
        ],
        "memo": prepared.memo,
        "timeout_height": str(prepared.timeout_height),
        "extension_options": [],
        "non_critical_extension_options": [],
    }
    amount = (
        [{"denom": prepared.fee.denom, "amount": str(prepared.fee.amount)}] if prepared.fee.amount else []
    )
    fee = {"amount": amount, "gas_limit": str(prepared.gas_limit), "payer": "", "granter": ""}
    return {"body": body, "auth_info": {"signer_infos": [], "fee": fee}, "signatures": []}


def decoded(tx_bytes: bytes) -> dict[str, Any]:
    """Returns a transaction without its signatures."""
    return {**render(transactions.decode(tx_bytes)), "signatures": []}


def response(found: GetTxResponse, ids: dict[str, str]) -> dict[str, Any]:
    """Returns the TxResponse without the transaction, and the ids that it created."""
    document = render(found.tx_response)
    document.pop("tx", None)
    return {**document, "ids": ids}
