"""Sending transactions and finding them again (FACTS.md, 'Writing')."""

import grpc.aio

from provider_daemon.chain.node import CALL_SECONDS, Endpoints, NotFound
from provider_daemon.chain.proto.cosmos.base.abci.v1beta1.abci_pb2 import TxResponse
from provider_daemon.chain.proto.cosmos.tx.v1beta1 import service_pb2, service_pb2_grpc
from provider_daemon.chain.tx import failed_message_index, tx_hash
from provider_daemon.errors import Refused, Unreadable
from provider_daemon.ports import TxOutcome

PAGE = 100
UNFUNDED = 9  # codespace sdk: the account does not exist; its log holds raw bytes that Python's gRPC cannot read


class Broadcast:
    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    async def send(self, tx_bytes: bytes) -> TxOutcome:
        """CheckTx's answer (height 0)."""

        async def request(channel: grpc.aio.Channel) -> service_pb2.BroadcastTxResponse:
            message = service_pb2.BroadcastTxRequest(tx_bytes=tx_bytes, mode=service_pb2.BROADCAST_MODE_SYNC)
            return await service_pb2_grpc.ServiceStub(channel).BroadcastTx(message, timeout=CALL_SECONDS)

        try:
            return _outcome((await self._endpoints.call(request)).tx_response)
        except Unreadable:
            return TxOutcome(tx_hash(tx_bytes), 0, UNFUNDED, "sdk", "the account does not exist: send it the fee denom first")

    async def find(self, wanted: str) -> TxOutcome | None:
        found = await self.get(wanted)
        return _outcome(found.tx_response) if found else None

    async def get(self, wanted: str) -> service_pb2.GetTxResponse | None:
        """The whole transaction by its hash, or None while it is in no block."""

        async def request(channel: grpc.aio.Channel) -> service_pb2.GetTxResponse:
            return await service_pb2_grpc.ServiceStub(channel).GetTx(service_pb2.GetTxRequest(hash=wanted), timeout=CALL_SECONDS)

        try:
            return await self._endpoints.call(request)
        except NotFound:
            return None

    async def find_by_sequence(self, address: str, sequence: int) -> TxOutcome | None:
        found = await self.search(f"tx.acc_seq='{address}/{sequence}'")
        return _outcome(found[0].tx_response) if found else None

    async def search(self, query: str) -> list[service_pb2.GetTxResponse]:
        """Every included transaction that the node's index has for the query, oldest first."""
        found: list[service_pb2.GetTxResponse] = []
        page = 1
        while True:
            answer = await self._page(query, page)
            pairs = zip(answer.txs, answer.tx_responses, strict=True)
            found += [service_pb2.GetTxResponse(tx=tx, tx_response=response) for tx, response in pairs]
            if len(answer.txs) < PAGE or len(found) >= answer.total:
                return found
            page += 1

    async def _page(self, query: str, page: int) -> service_pb2.GetTxsEventResponse:
        async def request(channel: grpc.aio.Channel) -> service_pb2.GetTxsEventResponse:
            message = service_pb2.GetTxsEventRequest(query=query, page=page, limit=PAGE, order_by=service_pb2.ORDER_BY_ASC)
            return await service_pb2_grpc.ServiceStub(channel).GetTxsEvent(message, timeout=CALL_SECONDS)

        return await self._endpoints.call(request)

    async def simulate(self, tx_bytes: bytes) -> int:
        """Gas used; raises Refused, with the index of the message that fails where the chain names one."""

        async def request(channel: grpc.aio.Channel) -> service_pb2.SimulateResponse:
            message = service_pb2.SimulateRequest(tx_bytes=tx_bytes)
            return await service_pb2_grpc.ServiceStub(channel).Simulate(message, timeout=CALL_SECONDS)

        try:
            return (await self._endpoints.call(request)).gas_info.gas_used
        except Refused as error:
            raise _explain(str(error)) from error
        except Unreadable as error:
            raise Refused(f"simulation refused, as for an account that does not exist: {error}", code=UNFUNDED, codespace="sdk") from error


def _outcome(response: TxResponse) -> TxOutcome:
    return TxOutcome(
        tx_hash=response.txhash,
        height=response.height,
        code=response.code,
        codespace=response.codespace,
        log=response.raw_log,
        gas_wanted=response.gas_wanted,
        gas_used=response.gas_used,
    )


def _explain(text: str) -> Refused:
    """A failed simulation comes as a gRPC error whose text alone tells what was wrong."""
    funds = 5 if "insufficient funds" in text else 0
    return Refused(text, code=funds, codespace="sdk" if funds else "", message_index=failed_message_index(text))
