"""HPC records: by Query RPC where it answers, by raw store where it says UNIMPLEMENTED.

Which RPCs are missing is found out once and forgotten when the node's version changes.
"""

from collections.abc import AsyncIterator
from typing import TypeVar

import grpc.aio
from google.protobuf.message import Message

from provider_daemon.chain import codec, keyspace
from provider_daemon.chain.node import CALL_SECONDS, Endpoints, NotFound, Unimplemented
from provider_daemon.chain.proto.cosmos.base.query.v1beta1.pagination_pb2 import PageRequest
from provider_daemon.chain.proto.virtengine.hpc.v1 import query_pb2, query_pb2_grpc, types_pb2
from provider_daemon.chain.store import Store
from provider_daemon.errors import Unreadable

R = TypeVar("R", bound=Message)

PAGE = 500


class Query:
    def __init__(self, endpoints: Endpoints, store: Store) -> None:
        self._endpoints = endpoints
        self._store = store
        self._missing: set[str] = set()
        self._missing_in = ""

    async def cluster(self, cluster_id: str) -> types_pb2.HPCCluster | None:
        request = query_pb2.QueryClusterRequest(cluster_id=cluster_id)
        return await self._one("Cluster", request, "cluster", types_pb2.HPCCluster, keyspace.CLUSTER, cluster_id)

    async def offering(self, offering_id: str) -> types_pb2.HPCOffering | None:
        request = query_pb2.QueryOfferingRequest(offering_id=offering_id)
        return await self._one("Offering", request, "offering", types_pb2.HPCOffering, keyspace.OFFERING, offering_id)

    async def job(self, job_id: str) -> types_pb2.HPCJob | None:
        request = query_pb2.QueryJobRequest(job_id=job_id)
        return await self._one("Job", request, "job", types_pb2.HPCJob, keyspace.JOB, job_id)

    async def job_accounting(self, job_id: str) -> types_pb2.JobAccounting | None:
        request = query_pb2.QueryJobAccountingRequest(job_id=job_id)
        return await self._one("JobAccounting", request, "accounting", types_pb2.JobAccounting, keyspace.JOB_ACCOUNTING, job_id)

    async def node(self, node_id: str) -> types_pb2.NodeMetadata | None:
        request = query_pb2.QueryNodeMetadataRequest(node_id=node_id)
        return await self._one("NodeMetadata", request, "node", types_pb2.NodeMetadata, keyspace.NODE, node_id)

    async def jobs(self) -> AsyncIterator[types_pb2.HPCJob]:
        """Every job there is; raises Unreadable for a bad record. Answers stay bounded: pages, or job numbers by their leading digits."""
        if not await self._is_missing("Jobs"):
            try:
                async for job in self._job_pages():
                    yield job
                return
            except Unimplemented:
                self._missing.add("Jobs")
        for leading in range(1, 10):
            for _, value in await self._store.subspace(keyspace.key(keyspace.JOB, f"JOB-{leading}")):
                yield codec.decode(types_pb2.HPCJob, value)

    async def _job_pages(self) -> AsyncIterator[types_pb2.HPCJob]:
        key = b""
        while True:
            answer = await self._rpc("Jobs", query_pb2.QueryJobsRequest(pagination=PageRequest(key=key, limit=PAGE)))
            assert isinstance(answer, query_pb2.QueryJobsResponse)
            for job in answer.jobs:
                yield job
            key = answer.pagination.next_key
            if not key:
                return

    async def _one(self, rpc: str, request: Message, field: str, record_type: type[R], prefix: bytes, record_id: str) -> R | None:
        if not await self._is_missing(rpc):
            try:
                record = getattr(await self._rpc(rpc, request), field)
                assert isinstance(record, record_type)
                return record
            except Unimplemented:
                self._missing.add(rpc)
            except NotFound:
                return None
        value = await self._store.get(keyspace.key(prefix, record_id))
        return self._decode(record_type, value, record_id) if value else None

    def _decode(self, record_type: type[R], value: bytes, record_id: str) -> R:
        try:
            return codec.decode(record_type, value)
        except Unreadable as error:
            raise Unreadable(f"the record of {record_id} cannot be read: {error}") from error

    async def _is_missing(self, rpc: str) -> bool:
        version = await self._endpoints.version()
        if version != self._missing_in:
            self._missing, self._missing_in = set(), version
        return rpc in self._missing

    async def _rpc(self, rpc: str, request: Message) -> Message:
        async def call(channel: grpc.aio.Channel) -> Message:
            answer: Message = await getattr(query_pb2_grpc.QueryStub(channel), rpc)(request, timeout=CALL_SECONDS)
            return answer

        return await self._endpoints.call(call)
