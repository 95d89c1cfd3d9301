"""What the chain's own modules know: balances, and transactions by their hash."""

from typing import Any

import grpc.aio

from provider_daemon.chain import bech32, messages
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.gateway_json import render
from provider_daemon.chain.node import CALL_SECONDS
from provider_daemon.chain.proto.cosmos.bank.v1beta1 import bank_pb2, bank_pb2_grpc
from provider_daemon.chain.wire import NotFound
from provider_daemon.errors import ConfigError


async def balances(chain: GrpcChain, address: str) -> dict[str, Any]:
    """Every denom that the account has, as the bank module answers. Raises ConfigError for what is no address."""
    try:
        bech32.decode(address)
    except ValueError as error:
        raise ConfigError([str(error)]) from None

    async def request(channel: grpc.aio.Channel) -> bank_pb2.QueryAllBalancesResponse:
        asked = bank_pb2.QueryAllBalancesRequest(address=address)
        return await bank_pb2_grpc.QueryStub(channel).AllBalances(asked, timeout=CALL_SECONDS)

    return {"balances": render(await chain.endpoints.call(request)).get("balances", [])}


async def transaction(chain: GrpcChain, tx_hash: str) -> dict[str, Any]:
    """Where it is, what became of it, and its HPC messages. Raises NotFound while it is in no block."""
    found = await chain.txs.get(tx_hash)
    if found is None:
        raise NotFound(f"{tx_hash} is in no block")
    answer = render(found.tx_response)
    answer.pop("tx", None)
    told = [{"@type": f"/{message.DESCRIPTOR.full_name}", **render(message)} for message in messages.flatten(found.tx.body.messages)]
    return {"tx_response": answer, "memo": found.tx.body.memo, "messages": told}
