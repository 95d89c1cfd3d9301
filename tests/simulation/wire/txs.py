"""A node's transaction service over the model: CheckTx, simulation, and the index."""

import re

import grpc

from provider_daemon.chain import tx as transactions
from provider_daemon.chain.proto.cosmos.base.abci.v1beta1.abci_pb2 import GasInfo
from provider_daemon.chain.proto.cosmos.tx.v1beta1 import service_pb2
from provider_daemon.chain.reader import CANCEL, EXEC
from provider_daemon.errors import Refused
from tests.simulation.wire.chain import WireBlocks, response
from tests.simulation.world import World

_SEQUENCE = re.compile(r"tx\.acc_seq='\w+/(\d+)'")
_ACTION = re.compile(r"message\.action='([\w./]+)' AND tx\.height>=(\d+)")


class Failure(Exception):
    """A call that ends with a gRPC status."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code, self.details = code, details


class Txs:
    def __init__(self, world: World, blocks: WireBlocks) -> None:
        self._world = world
        self._blocks = blocks

    def broadcast(self, request: service_pb2.BroadcastTxRequest) -> service_pb2.BroadcastTxResponse:
        """Broadcasts a transaction.

        It may also reach the mempool long after its sender gave the call up, at the last moment, and more
        than once. This does not happen after a refusal: the client sends once, so no other copy exists until
        the daemon sends the same bytes again.
        """
        tx_bytes = request.tx_bytes
        self._blocks.sent_bytes[transactions.tx_hash(tx_bytes)] = tx_bytes
        if self._world.strikes("tx_delivered_late"):
            return self._unanswered(tx_bytes, lambda: self._later(tx_bytes))
        if self._world.strikes("tx_at_its_timeout"):
            height = transactions.decode(tx_bytes).body.timeout_height
            return self._unanswered(tx_bytes, lambda: self._blocks.at_timeout.append((height, tx_bytes)))
        outcome = self._blocks.broadcast(tx_bytes)
        if outcome.ok and self._world.strikes("tx_delivered_twice"):
            self._later(tx_bytes)
        return service_pb2.BroadcastTxResponse(tx_response=response(outcome))

    def _later(self, tx_bytes: bytes) -> None:
        self._world.later(self._world.dice.uniform(1, 300), lambda: self._blocks.check(tx_bytes))

    def _unanswered(self, tx_bytes: bytes, deed: object) -> service_pb2.BroadcastTxResponse:
        self._blocks.watch_offers(tx_bytes)
        deed()  # type: ignore[operator]
        raise Failure(grpc.StatusCode.UNAVAILABLE, "Socket closed")

    def simulate(self, request: service_pb2.SimulateRequest) -> service_pb2.SimulateResponse:
        try:
            return service_pb2.SimulateResponse(
                gas_info=GasInfo(gas_used=self._blocks.simulate(request.tx_bytes))
            )
        except Refused as refused:
            raise Failure(
                grpc.StatusCode.UNKNOWN, f"{refused}: with gas wanted: '200000' and gas used: '51234'"
            ) from None

    # --- the index ---

    def _lag(self) -> int:
        return self._world.dice.randint(1, 2) if self._world.strikes("index_lag") else 0

    def get(self, request: service_pb2.GetTxRequest) -> service_pb2.GetTxResponse:
        found = self._blocks.indexed(request.hash, self._lag())
        if found is None:
            raise Failure(grpc.StatusCode.NOT_FOUND, f"tx not found: {request.hash}")
        return found

    def search(self, request: service_pb2.GetTxsEventRequest) -> service_pb2.GetTxsEventResponse:
        if self._world.strikes("index_down"):
            raise Failure(grpc.StatusCode.UNKNOWN, "transaction indexing is disabled")
        found = self._found(request.query)
        page = found[(request.page - 1) * request.limit :][: request.limit]
        return service_pb2.GetTxsEventResponse(
            txs=[each.tx for each in page], tx_responses=[each.tx_response for each in page], total=len(found)
        )

    def _found(self, query: str) -> list[service_pb2.GetTxResponse]:
        lag = self._lag()
        if match := _SEQUENCE.fullmatch(query):
            return self._blocks.at_sequence(int(match[1]), lag)
        match = _ACTION.fullmatch(query)
        assert match, f"a query that no node of the model has an index for: {query}"
        assert match[1] in (CANCEL, EXEC)
        return self._blocks.cancels_since(int(match[2]), lag, wrapped=match[1] == EXEC)
