"""Queries of the Cosmos SDK's modules: balances, and transactions by hash."""

import re
from typing import Any

import grpc.aio

from provider_daemon.chain import messages
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.endpoint import CALL_SECONDS
from provider_daemon.chain.gateway_json import render
from provider_daemon.chain.grpc_errors import NotFound
from provider_daemon.chain.proto.cosmos.bank.v1beta1 import bank_pb2, bank_pb2_grpc
from provider_daemon.client import queries
from provider_daemon.errors import ConfigError


def tx_hash(text: str) -> str:
    """Returns the text; raises ConfigError if it is not a transaction hash."""
    if not re.fullmatch(r"[0-9A-Fa-f]{64}", text):
        raise ConfigError(
            [f"invalid transaction hash: {text!r} must be 64 hex digits, as printed by `provd tx`"]
        )
    return text


async def balances(chain: GrpcChain, address: str) -> dict[str, Any]:
    """Returns the account's balances in every denom. Raises ConfigError for an invalid address."""
    asked = bank_pb2.QueryAllBalancesRequest(address=queries.address(address))

    async def request(channel: grpc.aio.Channel) -> bank_pb2.QueryAllBalancesResponse:
        return await bank_pb2_grpc.QueryStub(channel).AllBalances(asked, timeout=CALL_SECONDS)

    return {"balances": render(await chain.endpoints.call(request)).get("balances", [])}


async def transaction(chain: GrpcChain, text: str) -> dict[str, Any]:
    """Returns a transaction's block, result and HPC messages.

    Raises NotFound while it is not in a block, and ConfigError for an invalid hash.
    """
    found = await chain.txs.get(tx_hash(text))
    if found is None:
        raise NotFound(f"transaction {text} is not in a block")
    answer = render(found.tx_response)
    answer.pop("tx", None)
    told = [
        {"@type": f"/{message.DESCRIPTOR.full_name}", **render(message)}
        for message in messages.flatten(found.tx.body.messages)
    ]
    return {"tx_response": answer, "memo": found.tx.body.memo, "messages": told}
