"""Raw store reads over ABCIQuery: they answer whether or not the chain serves its Query service.

See docs/protocol.md, 'Two ways to read'.
"""

import grpc.aio
from google.protobuf.message import DecodeError

from provider_daemon.chain import keyspace
from provider_daemon.chain.endpoint import CALL_SECONDS, Caller
from provider_daemon.chain.proto.cosmos.base.store.v1beta1.kv_pb2 import Pairs
from provider_daemon.chain.proto.cosmos.base.tendermint.v1beta1 import query_pb2, query_pb2_grpc
from provider_daemon.errors import Refused, Transient, Unreadable
from provider_daemon.result_codes import SDK, STORE, SdkCode, StoreCode

NO_SUCH_STORE = {(STORE, StoreCode.NO_SUCH_STORE), (SDK, SdkCode.UNKNOWN_REQUEST)}


class Store:
    def __init__(self, endpoints: Caller) -> None:
        self._endpoints = endpoints

    async def get(self, key: bytes, store: str = keyspace.HPC_STORE) -> bytes:
        """Returns the value; b"" if there is no such key."""
        return await self._query(f"/store/{store}/key", key)

    async def subspace(self, prefix: bytes, store: str = keyspace.HPC_STORE) -> list[tuple[bytes, bytes]]:
        """Returns every key of the store that begins with `prefix` and its value.

        `JOB-1` finds JOB-10 too.
        """
        value = await self._query(f"/store/{store}/subspace", prefix)
        try:
            return [(pair.key, pair.value) for pair in Pairs.FromString(value).pairs]
        except DecodeError as error:
            raise Unreadable(f"/store/{store}/subspace of {prefix.hex()} cannot be read: {error}") from error

    async def counter(self, key: bytes) -> int:
        """Returns a next-id counter; 1 if nothing was ever created."""
        value = await self.get(key)
        if value and len(value) != 8:
            raise Unreadable(f"the counter at {key.hex()} has {len(value)} bytes instead of 8")
        return int.from_bytes(value, "big") if value else 1

    async def _query(self, path: str, data: bytes) -> bytes:
        async def request(channel: grpc.aio.Channel) -> query_pb2.ABCIQueryResponse:
            stub = query_pb2_grpc.ServiceStub(channel)
            return await stub.ABCIQuery(
                query_pb2.ABCIQueryRequest(path=path, data=data), timeout=CALL_SECONDS
            )

        answer = await self._endpoints.call(request)
        if (answer.codespace, answer.code) in NO_SUCH_STORE:
            raise Refused(f"{path}: {answer.log}", code=answer.code, codespace=answer.codespace)
        # A height that does not exist (yet) is code 0 and empty too: the log distinguishes it from absence.
        if answer.code or "does not exist" in answer.log:
            raise Transient(f"{path}: code {answer.code}, {answer.log}")
        return answer.value
