"""The services about the node, accounts, and the raw stores."""

from typing import Any

import grpc
import grpc.aio

from provider_daemon import __version__
from provider_daemon.chain import keyspace, messages
from provider_daemon.chain.paging import paginate
from provider_daemon.chain.proto.cosmos.auth.v1beta1 import auth_pb2, auth_pb2_grpc
from provider_daemon.chain.proto.cosmos.bank.v1beta1 import bank_pb2, bank_pb2_grpc
from provider_daemon.chain.proto.cosmos.base.node.v1beta1 import query_pb2 as config_pb2
from provider_daemon.chain.proto.cosmos.base.node.v1beta1 import query_pb2_grpc as config_grpc
from provider_daemon.chain.proto.cosmos.base.store.v1beta1.kv_pb2 import Pair, Pairs
from provider_daemon.chain.proto.cosmos.base.tendermint.v1beta1 import query_pb2, query_pb2_grpc
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.cosmos.crypto.secp256k1.keys_pb2 import PubKey
from provider_daemon.devnet import bank
from provider_daemon.devnet.blocks import Blocks
from provider_daemon.devnet.failures import EMPTY_QUERY, NO_SUCH_STORE, ChainError
from provider_daemon.result_codes import STORE

Call = grpc.aio.ServicerContext[Any, Any]

PUBLIC_STORES = (keyspace.HPC_STORE, keyspace.GAS_PRICING_STORE, keyspace.ENCRYPTION_STORE)


class TendermintService(query_pb2_grpc.ServiceServicer):
    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    async def GetNodeInfo(
        self, request: query_pb2.GetNodeInfoRequest, context: Call
    ) -> query_pb2.GetNodeInfoResponse:
        return query_pb2.GetNodeInfoResponse(
            default_node_info=query_pb2.DefaultNodeInfo(
                network=self._blocks.rules.chain_id, version="0.38.0"
            ),
            application_version=query_pb2.VersionInfo(
                name="provd-devnet", app_name="provd-devnet", version=__version__
            ),
        )

    async def GetSyncing(
        self, request: query_pb2.GetSyncingRequest, context: Call
    ) -> query_pb2.GetSyncingResponse:
        return query_pb2.GetSyncingResponse(syncing=False)

    async def GetLatestBlock(
        self, request: query_pb2.GetLatestBlockRequest, context: Call
    ) -> query_pb2.GetLatestBlockResponse:
        header = query_pb2.Header(chain_id=self._blocks.rules.chain_id, height=self._blocks.height)
        header.time.FromNanoseconds(self._blocks.time)
        return query_pb2.GetLatestBlockResponse(sdk_block=query_pb2.Block(header=header))

    async def GetBlockByHeight(
        self, request: query_pb2.GetBlockByHeightRequest, context: Call
    ) -> query_pb2.GetBlockByHeightResponse:
        if not 0 < request.height <= self._blocks.height:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, "requested block height is bigger then the chain length"
            )
        header = query_pb2.Header(chain_id=self._blocks.rules.chain_id, height=request.height)
        data = query_pb2.Data(txs=[tx.tx_bytes for tx in self._blocks.in_block(request.height)])
        return query_pb2.GetBlockByHeightResponse(sdk_block=query_pb2.Block(header=header, data=data))

    async def ABCIQuery(
        self, request: query_pb2.ABCIQueryRequest, context: Call
    ) -> query_pb2.ABCIQueryResponse:
        answer = query_pb2.ABCIQueryResponse(key=request.data, height=request.height or self._blocks.height)
        if request.height not in (0, self._blocks.height):  # only the newest state is kept
            answer.log = "version does not exist"
            return answer
        try:
            answer.value = self._stored(request.path, request.data)
        except ChainError as error:
            answer.code, answer.codespace, answer.log = error.code, error.codespace, str(error)
        return answer

    def _stored(self, path: str, data: bytes) -> bytes:
        """Returns a value of the stores that have the chain's format.

        The devnet's other stores have its own format.
        """
        match path.strip("/").split("/"):
            case ["store", store, _] if store not in PUBLIC_STORES:
                raise ChainError(NO_SUCH_STORE, f"no such store: {store}", codespace=STORE)
            case ["store", _, _] if not data:
                raise ChainError(EMPTY_QUERY, "query cannot be zero length", codespace=STORE)
            case ["store", store, "key"]:
                return self._blocks.state.get(store, data)
            case ["store", store, "subspace"]:
                pairs = [Pair(key=key, value=value) for key, value in self._blocks.state.scan(store, data)]
                return Pairs(pairs=pairs).SerializeToString()
        raise ChainError(NO_SUCH_STORE, f"unexpected query path: {path}", codespace=STORE)


class AuthService(auth_pb2_grpc.QueryServicer):
    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    async def Account(
        self, request: auth_pb2.QueryAccountRequest, context: Call
    ) -> auth_pb2.QueryAccountResponse:
        return auth_pb2.QueryAccountResponse(
            account=messages.pack(await self._account(request.address, context))
        )

    async def AccountInfo(
        self, request: auth_pb2.QueryAccountInfoRequest, context: Call
    ) -> auth_pb2.QueryAccountInfoResponse:
        return auth_pb2.QueryAccountInfoResponse(info=await self._account(request.address, context))

    async def _account(self, address: str, context: Call) -> auth_pb2.BaseAccount:
        found: dict[str, Any] | None = bank.account(self._blocks.state, address)
        if found is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"account {address} not found: key not found")
            raise AssertionError
        info = auth_pb2.BaseAccount(
            address=address, account_number=found["number"], sequence=found["sequence"]
        )
        if found["pubkey"]:
            info.pub_key.CopyFrom(messages.pack(PubKey(key=bytes.fromhex(found["pubkey"]))))
        return info


class BankService(bank_pb2_grpc.QueryServicer):
    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    async def Balance(
        self, request: bank_pb2.QueryBalanceRequest, context: Call
    ) -> bank_pb2.QueryBalanceResponse:
        amount = bank.balance(self._blocks.state, request.address, request.denom)
        return bank_pb2.QueryBalanceResponse(balance=Coin(denom=request.denom, amount=str(amount)))

    async def AllBalances(
        self, request: bank_pb2.QueryAllBalancesRequest, context: Call
    ) -> bank_pb2.QueryAllBalancesResponse:
        held = bank.balances(self._blocks.state, request.address)
        rows = [
            (denom.encode(), Coin(denom=denom, amount=str(amount)))
            for denom, amount in held.items()
            if amount
        ]
        try:
            found, page = paginate(rows, lambda coin: True, request.pagination)
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise
        return bank_pb2.QueryAllBalancesResponse(balances=found, pagination=page)


class ConfigService(config_grpc.ServiceServicer):
    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    async def Config(self, request: config_pb2.ConfigRequest, context: Call) -> config_pb2.ConfigResponse:
        rules = self._blocks.rules
        return config_pb2.ConfigResponse(minimum_gas_price=f"{rules.min_gas_price}{rules.fee_denom}")
