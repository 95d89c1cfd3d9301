"""One node of the chain: its view, its current condition, and its gRPC services."""

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import Message

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.cosmos.auth.v1beta1 import auth_pb2
from provider_daemon.chain.proto.cosmos.bank.v1beta1 import bank_pb2
from provider_daemon.chain.proto.cosmos.base.node.v1beta1 import query_pb2 as config_pb2
from provider_daemon.chain.proto.cosmos.base.tendermint.v1beta1 import query_pb2 as tendermint_pb2
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.cosmos.tx.v1beta1 import service_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1 import query_pb2 as hpc_pb2
from tests.simulation.wire import lies, records
from tests.simulation.wire.txs import Failure, Txs
from tests.simulation.wire.weather import Weather

__all__ = ["Failure", "Node"]

Code = grpc.StatusCode
YOUNG = 3  # blocks during which a lagging node may not have a new record yet
HPC = ("Job", "Cluster", "Offering")
GAS_PRICE = b'{"current_min_gas_prices":[{"denom":"uve","amount":"0.025000000000000000"}]}'


class Node:
    """A node.

    `answer` is its whole surface: it maps the full method name and the request's bytes to the response's
    bytes.
    """

    def __init__(self, weather: Weather) -> None:
        self._weather = weather
        self._world, self._wire, self._blocks = weather.world, weather.wire, weather.blocks
        self._txs = Txs(self._world, self._blocks)
        self._methods: dict[str, Callable[[Any], Message]] = {
            "GetSyncing": self._syncing,
            "GetLatestBlock": self._latest_block,
            "GetNodeInfo": self._node_info,
            "ABCIQuery": self._abci_query,
            "AccountInfo": self._account,
            "Balance": self._balance,
            "Config": self._config,
            "BroadcastTx": self._txs.broadcast,
            "GetTx": self._txs.get,
            "GetTxsEvent": self._txs.search,
            "Simulate": self._txs.simulate,
        }

    def unreachable(self) -> bool:
        return self._weather.unreachable()

    def answer(self, method: str, request: bytes) -> bytes:
        """Returns the response. Raises Failure."""
        service, _, rpc = method.lstrip("/").rpartition("/")
        message = _request_type(service, rpc).FromString(request)
        self._blocks.asked_view = self._weather.view()
        try:
            if self._weather.lie and (told := self._lie(rpc, message)) is not None:
                return told.SerializeToString()
            return (
                self._hpc(rpc, message)
                if service == "virtengine.hpc.v1.Query"
                else self._methods[rpc](message)
            ).SerializeToString()
        finally:
            self._blocks.asked_view = None

    def _lie(self, rpc: str, message: Any) -> Message | None:
        """Returns a false answer.

        Returns None, perhaps with a false view of the chain, if the answer is created as always.
        """
        lie, view = self._weather.lie, self._blocks.view()
        if rpc == "GetTx" and lie == lies.INCLUSION:
            return lies.included(message.hash, view)
        if rpc == "GetTx" and lie == lies.WITHHELD:
            raise Failure(Code.NOT_FOUND, f"tx not found: {message.hash}")
        if rpc == "BroadcastTx" and lie == lies.SWALLOWED:
            self._blocks.watch_offers(message.tx_bytes)
            return lies.accepted(message.tx_bytes)
        if rpc in lies.READS:
            self._blocks.asked_view = lies.view_of(lie, view)
        return None

    # --- the node itself ---

    def _syncing(self, request: Message) -> Message:
        return tendermint_pb2.GetSyncingResponse(syncing=self._weather.catching_up)

    def _latest_block(self, request: Message) -> Message:
        view = self._blocks.view()
        header = tendermint_pb2.Header(chain_id=self._weather.chain_id, height=view.height)
        header.time.FromNanoseconds(int(view.time * 10**9))
        return tendermint_pb2.GetLatestBlockResponse(sdk_block=tendermint_pb2.Block(header=header))

    def _node_info(self, request: Message) -> Message:
        info = tendermint_pb2.VersionInfo(version=self._weather.version, git_commit="4f2a")
        return tendermint_pb2.GetNodeInfoResponse(application_version=info)

    def _config(self, request: Message) -> Message:
        return config_pb2.ConfigResponse(minimum_gas_price="0.025uve")

    # --- records ---

    def _hpc(self, rpc: str, request: Any) -> Message:
        if rpc not in self._weather.wired:
            raise Failure(Code.UNIMPLEMENTED, f"method {rpc} not implemented")
        found = records.queried(self._blocks.view().books, rpc, request, self._world.now())
        if found is None or (rpc == "Job" and self._too_young(request.job_id)):
            raise Failure(Code.NOT_FOUND, f"{rpc.lower()} not found")
        field, record = found
        answer: Message = getattr(hpc_pb2, f"Query{rpc}Response")(**{field: record})
        return answer

    def _too_young(self, job_id: str) -> bool:
        view = self._blocks.view()
        record = view.books.jobs.get(job_id)  # an invented job has none
        return (
            record is not None
            and view.height <= record.height + YOUNG
            and self._world.strikes("young_record_missing")
        )

    def _abci_query(self, request: tendermint_pb2.ABCIQueryRequest) -> Message:
        height = self._blocks.view().height
        if self._wire.strikes("wire_height_pruned"):
            return tendermint_pb2.ABCIQueryResponse(
                key=request.data, height=height, log="version does not exist"
            )
        return tendermint_pb2.ABCIQueryResponse(
            key=request.data, value=self._stored(request.path, request.data), height=height
        )

    def _stored(self, path: str, key: bytes) -> bytes:
        if path == f"/store/{keyspace.GAS_PRICING_STORE}/key":
            return GAS_PRICE
        books = self._blocks.view().books
        if (
            key[:1] == keyspace.JOB
            and (job_id := keyspace.record_id(key)) in books.jobs
            and self._too_young(job_id)
        ):
            return b""
        return records.stored(books, key, self._world.now())

    # --- accounts ---

    def _account(self, request: auth_pb2.QueryAccountInfoRequest) -> Message:
        account = auth_pb2.BaseAccount(
            address=request.address, account_number=1, sequence=self._blocks.view().books.sequence
        )
        return auth_pb2.QueryAccountInfoResponse(info=account)

    def _balance(self, request: bank_pb2.QueryBalanceRequest) -> Message:
        return bank_pb2.QueryBalanceResponse(
            balance=Coin(denom=request.denom, amount=str(self._blocks.view().books.wallet))
        )


_MODULES = {
    "cosmos.base.tendermint.v1beta1.Service": tendermint_pb2,
    "cosmos.base.node.v1beta1.Service": config_pb2,
    "cosmos.auth.v1beta1.Query": auth_pb2,
    "cosmos.bank.v1beta1.Query": bank_pb2,
    "cosmos.tx.v1beta1.Service": service_pb2,
    "virtengine.hpc.v1.Query": hpc_pb2,
}


def _request_type(service: str, rpc: str) -> type[Message]:
    module: Any = _MODULES[service]
    name = module.DESCRIPTOR.services_by_name[service.rpartition(".")[2]].methods_by_name[rpc].input_type.name
    found: type[Message] = getattr(module, name)
    return found
