"""Sends transactions and finds them again (docs/protocol.md, 'Transactions')."""

from collections.abc import AsyncIterator

import grpc.aio

from provider_daemon.chain.endpoint import CALL_SECONDS, Caller
from provider_daemon.chain.grpc_errors import NoIndex, NotFound, TooLarge
from provider_daemon.chain.proto.cosmos.base.abci.v1beta1.abci_pb2 import TxResponse
from provider_daemon.chain.proto.cosmos.tx.v1beta1 import service_pb2, service_pb2_grpc
from provider_daemon.chain.reason import reason
from provider_daemon.chain.tx import failed_message_index
from provider_daemon.errors import Refused, Transient, Unreadable
from provider_daemon.ports import TxOutcome
from provider_daemon.result_codes import SDK, SdkCode

# a power of two, so that halving keeps pages aligned; a node returns at most 100 at a time
PAGE = 64
# blocks: a healthy endpoint is at most 2 behind when checked, at most 5 s older by now, and its index 2
# behind it
INDEX_LAG = 10

# What the SDK writes at the end of an error text -> its code, if provd treats that code differently.
_CODES = {
    "insufficient funds": SdkCode.INSUFFICIENT_FUNDS,
    "unknown address": SdkCode.UNKNOWN_ADDRESS,
    "out of gas": SdkCode.OUT_OF_GAS,
    "incorrect account sequence": SdkCode.WRONG_SEQUENCE,
}


class Broadcast:
    def __init__(self, endpoints: Caller) -> None:
        self._endpoints = endpoints

    async def send(self, tx_bytes: bytes) -> TxOutcome:
        """Returns CheckTx's answer (height 0).

        Sent once: after a refusal, no earlier copy of the bytes can still reach a mempool.
        """

        async def request(channel: grpc.aio.Channel) -> service_pb2.BroadcastTxResponse:
            message = service_pb2.BroadcastTxRequest(tx_bytes=tx_bytes, mode=service_pb2.BROADCAST_MODE_SYNC)
            return await service_pb2_grpc.ServiceStub(channel).BroadcastTx(message, timeout=CALL_SECONDS)

        return _outcome((await self._endpoints.once(request)).tx_response)

    async def find(self, wanted: str) -> TxOutcome | None:
        found = await self.get(wanted)
        return _outcome(found.tx_response) if found else None

    async def get(self, wanted: str) -> service_pb2.GetTxResponse | None:
        """Returns the whole transaction by its hash, or None while it is in no block."""

        async def request(channel: grpc.aio.Channel) -> service_pb2.GetTxResponse:
            return await service_pb2_grpc.ServiceStub(channel).GetTx(
                service_pb2.GetTxRequest(hash=wanted), timeout=CALL_SECONDS
            )

        try:
            found = await self._endpoints.call(request)
        except NotFound:
            return None
        if found.tx_response.txhash.upper() != wanted.upper():
            raise Unreadable(
                f"the node returned transaction {found.tx_response.txhash!r} instead of {wanted}"
            )
        return found

    async def find_by_sequence(self, address: str, sequence: int) -> TxOutcome | None:
        found = (await self._page(f"tx.acc_seq='{address}/{sequence}'", 1, 1)).tx_responses
        return _outcome(found[0]) if found else None

    async def search(self, query: str) -> AsyncIterator[service_pb2.GetTxResponse]:
        """Returns every included transaction that the node's index has for the query, oldest first.

        Raises Transient if there is no index.
        """
        page, limit, seen = 1, PAGE, 0
        while True:
            try:
                answer = await self._page(query, page, limit)
            except TooLarge:
                if limit == 1:
                    raise
                page, limit = 2 * page - 1, limit // 2
                continue
            for tx, response in zip(answer.txs, answer.tx_responses, strict=True):
                yield service_pb2.GetTxResponse(tx=tx, tx_response=response)
            seen += len(answer.txs)
            if len(answer.txs) < limit or 0 < answer.total <= seen:
                return
            page += 1

    async def _page(self, query: str, page: int, limit: int) -> service_pb2.GetTxsEventResponse:
        async def request(channel: grpc.aio.Channel) -> service_pb2.GetTxsEventResponse:
            message = service_pb2.GetTxsEventRequest(
                query=query, page=page, limit=limit, order_by=service_pb2.ORDER_BY_ASC
            )
            return await service_pb2_grpc.ServiceStub(channel).GetTxsEvent(message, timeout=CALL_SECONDS)

        try:
            answer = await self._endpoints.call(request)
        except NoIndex:
            raise
        except Refused as error:
            raise Transient(f"the node cannot search its transactions for {query}: {error}") from error
        if len(answer.txs) != len(answer.tx_responses):
            raise Unreadable(
                f"the node returned {len(answer.txs)} transactions but {len(answer.tx_responses)} "
                f"outcomes for {query}"
            )
        return answer

    async def simulate(self, tx_bytes: bytes) -> int:
        """Returns the gas used.

        Raises Refused, with the index of the failing message if the chain names one.
        """

        async def request(channel: grpc.aio.Channel) -> service_pb2.SimulateResponse:
            message = service_pb2.SimulateRequest(tx_bytes=tx_bytes)
            return await service_pb2_grpc.ServiceStub(channel).Simulate(message, timeout=CALL_SECONDS)

        try:
            return (await self._endpoints.call(request)).gas_info.gas_used
        except Refused as error:
            raise _explain(str(error)) from error
        except Unreadable as error:
            # The log of an unknown address contains raw bytes, which Python's gRPC cannot read.
            why = f"simulation refused, as for an account that does not exist: {error}"
            raise Refused(why, code=SdkCode.UNKNOWN_ADDRESS, codespace=SDK) from error


def _outcome(response: TxResponse) -> TxOutcome:
    return TxOutcome(
        tx_hash=response.txhash,
        height=response.height,
        code=response.code,
        codespace=response.codespace,
        log=reason(response.raw_log),
        gas_wanted=response.gas_wanted,
        gas_used=response.gas_used,
    )


def _explain(text: str) -> Refused:
    """Translates a failed simulation. It is a gRPC error whose text alone contains the reason."""
    code = next((code for words, code in _CODES.items() if words in text), 0)
    return Refused(
        reason(text), code=code, codespace=SDK if code else "", message_index=failed_message_index(text)
    )
