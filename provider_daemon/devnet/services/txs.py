"""The service cosmos.tx.v1beta1.Service: broadcast, simulation, and search for transactions."""

from datetime import UTC, datetime
from typing import Any

import grpc
import grpc.aio

from provider_daemon.chain import messages
from provider_daemon.chain import tx as transactions
from provider_daemon.chain.proto.cosmos.base.abci.v1beta1 import abci_pb2
from provider_daemon.chain.proto.cosmos.tx.v1beta1 import service_pb2, service_pb2_grpc
from provider_daemon.devnet.archive import IncludedTx
from provider_daemon.devnet.blocks import Blocks
from provider_daemon.devnet.context import Event
from provider_daemon.devnet.failures import ChainError
from provider_daemon.devnet.search import parse_query
from provider_daemon.devnet.services import rawlog

Call = grpc.aio.ServicerContext[Any, Any]
DEFAULT_LIMIT = 100


class TxService(service_pb2_grpc.ServiceServicer):
    def __init__(self, blocks: Blocks, *, indexed: bool) -> None:
        self._blocks = blocks
        self._indexed = indexed

    async def _must_be_indexed(self, context: Call) -> None:
        """Refuses the call as a node with `indexer = "null"` does."""
        if not self._indexed:
            await context.abort(grpc.StatusCode.UNKNOWN, "transaction indexing is disabled")

    async def BroadcastTx(self, request: service_pb2.BroadcastTxRequest, context: Call) -> bytes:  # type: ignore[override]
        if request.mode != service_pb2.BROADCAST_MODE_SYNC:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, "unsupported broadcast mode; only SYNC is taken"
            )
        result = self._blocks.mempool.check_tx(request.tx_bytes)
        found = abci_pb2.TxResponse(
            txhash=transactions.tx_hash(request.tx_bytes), code=result.code, codespace=result.codespace
        )
        return rawlog.answer(found, result.log)

    async def Simulate(
        self, request: service_pb2.SimulateRequest, context: Call
    ) -> service_pb2.SimulateResponse:
        try:
            result = self._blocks.mempool.simulate(request.tx_bytes)
        except ChainError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        if result.code:
            text = rawlog.log_bytes(result.log).decode(errors="replace")
            await context.abort(grpc.StatusCode.UNKNOWN, f"{text} with gas used: '{result.gas_used}'")
        return service_pb2.SimulateResponse(
            gas_info=abci_pb2.GasInfo(gas_used=result.gas_used),
            result=abci_pb2.Result(data=result.data, events=_events(result.events)),
        )

    async def GetTx(self, request: service_pb2.GetTxRequest, context: Call) -> service_pb2.GetTxResponse:
        await self._must_be_indexed(context)
        found = self._blocks.by_hash.get(request.hash.upper())
        if found is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"tx not found: {request.hash}")
            raise AssertionError
        return service_pb2.GetTxResponse(tx=transactions.decode(found.tx_bytes), tx_response=_response(found))

    async def GetTxsEvent(
        self, request: service_pb2.GetTxsEventRequest, context: Call
    ) -> service_pb2.GetTxsEventResponse:
        await self._must_be_indexed(context)
        try:
            matches = parse_query(request.query)
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        found = [tx for tx in self._blocks.txs if matches(tx)]
        if request.order_by == service_pb2.ORDER_BY_DESC:
            found.reverse()
        limit = request.limit or DEFAULT_LIMIT
        start = (max(request.page, 1) - 1) * limit
        page = found[start : start + limit]
        return service_pb2.GetTxsEventResponse(
            txs=[transactions.decode(tx.tx_bytes) for tx in page],
            tx_responses=[_response(tx) for tx in page],
            total=len(found),
        )


def _response(tx: IncludedTx) -> abci_pb2.TxResponse:
    return abci_pb2.TxResponse(
        height=tx.height,
        txhash=tx.tx_hash,
        codespace=tx.codespace,
        code=tx.code,
        data=tx.data,
        raw_log=tx.log,
        gas_wanted=tx.gas_wanted,
        gas_used=tx.gas_used,
        tx=messages.pack(transactions.decode(tx.tx_bytes)),
        timestamp=f"{datetime.fromtimestamp(tx.time // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}",
        events=_events(tx.events),
    )


def _events(events: list[Event]) -> list[abci_pb2.Event]:
    return [
        abci_pb2.Event(
            type=kind,
            attributes=[abci_pb2.EventAttribute(key=key, value=value) for key, value in attributes.items()],
        )
        for kind, attributes in events
    ]
