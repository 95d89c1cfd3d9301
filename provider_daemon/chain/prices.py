"""The current gas price: the chain's moving price if it has one, else the node's own minimum.

See docs/protocol.md, 'Gas price'.
"""

import re
from decimal import Decimal, InvalidOperation

import grpc.aio

from provider_daemon.chain import codec, keyspace
from provider_daemon.chain.endpoint import CALL_SECONDS, Caller
from provider_daemon.chain.proto.cosmos.base.node.v1beta1 import query_pb2, query_pb2_grpc
from provider_daemon.chain.store import Store
from provider_daemon.errors import Refused, Unreadable

_COIN = re.compile(r"([0-9.]+)([a-zA-Z][a-zA-Z0-9/:._-]*)")


MOST_DIGITS = 30  # of a price or a balance; all that exists of a denom has fewer


class Prices:
    def __init__(self, endpoints: Caller, store: Store) -> None:
        self._endpoints = endpoints
        self._store = store

    async def gas_price(self, denom: str) -> Decimal:
        """Returns the price of one unit of gas, in `denom`; 0 if neither place requires one."""
        return max(await self._static(denom), await self._adaptive(denom))

    async def _adaptive(self, denom: str) -> Decimal:
        try:
            value = await self._store.get(keyspace.GAS_PRICE, keyspace.GAS_PRICING_STORE)
        except Refused:
            return Decimal(0)  # a chain without that module has no such store
        prices = codec.loads(value).get("current_min_gas_prices") or [] if value else []
        try:
            return next(
                (_decimal(price["amount"]) for price in prices if price["denom"] == denom), Decimal(0)
            )
        except (TypeError, KeyError) as error:
            raise Unreadable(f"the chain's gas prices cannot be read: {error!r}") from error

    async def _static(self, denom: str) -> Decimal:
        async def request(channel: grpc.aio.Channel) -> query_pb2.ConfigResponse:
            return await query_pb2_grpc.ServiceStub(channel).Config(
                query_pb2.ConfigRequest(), timeout=CALL_SECONDS
            )

        text = (await self._endpoints.call(request)).minimum_gas_price
        return next((_decimal(amount) for amount, name in _COIN.findall(text) if name == denom), Decimal(0))


def _decimal(text: object) -> Decimal:
    """Raises Unreadable for an invalid price: NaN, infinity, below zero, or too large."""
    try:
        price = Decimal(str(text))
    except InvalidOperation:
        price = Decimal("NaN")
    if not price.is_finite() or price.is_signed() or price.adjusted() > MOST_DIGITS:
        raise Unreadable(f"invalid gas price: {str(text)[:40]!r}")
    return price
