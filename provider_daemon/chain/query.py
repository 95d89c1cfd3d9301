"""HPC records: by Query RPC if it answers, by raw store if it returns UNIMPLEMENTED.

Missing RPCs are detected once and forgotten when the node's version changes.
"""

from collections.abc import AsyncIterator
from typing import TypeVar

import grpc.aio
from google.protobuf.message import Message

from provider_daemon.chain import codec, keyspace
from provider_daemon.chain.endpoint import CALL_SECONDS, Caller
from provider_daemon.chain.grpc_errors import NotFound, TooLarge, Unimplemented
from provider_daemon.chain.proto.virtengine.hpc.v1 import query_pb2, query_pb2_grpc, types_pb2
from provider_daemon.chain.store import Store
from provider_daemon.errors import Refused, Unreadable

R = TypeVar("R", bound=Message)

# The field of a record that names its owner.
_IDS = {
    "HPCCluster": "cluster_id",
    "HPCOffering": "offering_id",
    "HPCJob": "job_id",
    "JobAccounting": "job_id",
    "NodeMetadata": "node_id",
}

SWEEP = 1_200  # jobs in one answer: under 1 MB as they usually are


class Query:
    def __init__(self, endpoints: Caller, store: Store) -> None:
        self._endpoints = endpoints
        self._store = store
        self._missing: set[str] = set()
        self._missing_in = ""

    async def cluster(self, cluster_id: str) -> types_pb2.HPCCluster | None:
        request = query_pb2.QueryClusterRequest(cluster_id=cluster_id)
        return await self._one(
            "Cluster", request, "cluster", types_pb2.HPCCluster, keyspace.CLUSTER, cluster_id
        )

    async def offering(self, offering_id: str) -> types_pb2.HPCOffering | None:
        request = query_pb2.QueryOfferingRequest(offering_id=offering_id)
        return await self._one(
            "Offering", request, "offering", types_pb2.HPCOffering, keyspace.OFFERING, offering_id
        )

    async def job(self, job_id: str) -> types_pb2.HPCJob | None:
        request = query_pb2.QueryJobRequest(job_id=job_id)
        return await self._one("Job", request, "job", types_pb2.HPCJob, keyspace.JOB, job_id)

    async def job_accounting(self, job_id: str) -> types_pb2.JobAccounting | None:
        request = query_pb2.QueryJobAccountingRequest(job_id=job_id)
        return await self._one(
            "JobAccounting", request, "accounting", types_pb2.JobAccounting, keyspace.JOB_ACCOUNTING, job_id
        )

    async def params(self) -> types_pb2.Params | None:
        request = query_pb2.QueryParamsRequest()
        return await self._one("Params", request, "params", types_pb2.Params, keyspace.PARAMS, "")

    async def node(self, node_id: str) -> types_pb2.NodeMetadata | None:
        request = query_pb2.QueryNodeMetadataRequest(node_id=node_id)
        return await self._one(
            "NodeMetadata", request, "node", types_pb2.NodeMetadata, keyspace.NODE, node_id
        )

    async def jobs(self) -> AsyncIterator[types_pb2.HPCJob | Unreadable]:
        """Returns every job, in no order; an Unreadable, naming the job, for a record that cannot be read.

        The jobs are read from the raw store, where one bad record hides no other, and in bounded answers: by
        the leading digits of the job numbers.
        """
        end = await self._store.counter(keyspace.NEXT_JOB)
        leading = list(range(1, 10))
        while leading:
            number = leading.pop()
            found = await self._starting_with(number, end)
            if found is None:
                key = keyspace.key(keyspace.JOB, f"JOB-{number}")
                found = [(key, await self._store.get(key))]
                leading += [number * 10 + digit for digit in range(10) if number * 10 + digit < end]
            for key, value in found:
                yield self._decode_or_tell(types_pb2.HPCJob, value, keyspace.record_id(key))

    async def _starting_with(self, number: int, end: int) -> list[tuple[bytes, bytes]] | None:
        """Returns the jobs; None if that is too much for one answer."""
        if count_starting_with(number, end) > SWEEP:
            return None
        try:
            return await self._store.subspace(keyspace.key(keyspace.JOB, f"JOB-{number}"))
        except TooLarge:
            return None

    async def nodes(self, cluster_id: str) -> AsyncIterator[types_pb2.NodeMetadata | Unreadable]:
        """Returns the cluster's nodes.

        An Unreadable stands for any node whose record cannot be read, because it may be one of them.
        """
        for key, value in await self._store.subspace(keyspace.NODE):
            found = self._decode_or_tell(types_pb2.NodeMetadata, value, keyspace.record_id(key))
            if isinstance(found, Unreadable) or found.cluster_id == cluster_id:
                yield found

    async def _one(
        self, rpc: str, request: Message, field: str, record_type: type[R], prefix: bytes, record_id: str
    ) -> R | None:
        try:
            return _about(_part(await self.rpc(rpc, request), field, record_type, record_id), record_id)
        except NotFound:
            return None
        # not served; or a refusal of the module, which has no gRPC code for absence (UNKNOWN "... job not
        # found")
        except Refused:
            value = await self._store.get(keyspace.key(prefix, record_id))
            return self._decode(record_type, value, record_id) if value else None

    async def rpc(self, rpc: str, request: Message) -> Message:
        """Returns the node's own answer.

        Raises Unimplemented for a call that it does not serve, from the second time on without asking.
        """
        if await self._is_missing(rpc):
            raise Unimplemented(f"UNIMPLEMENTED: {rpc} is not served")
        try:
            return await self._rpc(rpc, request)
        except Unimplemented:
            self._missing.add(rpc)
            raise

    def _decode(self, record_type: type[R], value: bytes, record_id: str) -> R:
        try:
            return _about(codec.decode(record_type, value), record_id)
        except Unreadable as error:
            raise Unreadable(f"the record of {record_id} cannot be read: {error}") from error

    def _decode_or_tell(self, record_type: type[R], value: bytes, record_id: str) -> R | Unreadable:
        try:
            return self._decode(record_type, value, record_id)
        except Unreadable as error:
            return error

    async def _is_missing(self, rpc: str) -> bool:
        version = await self._endpoints.version()
        if version != self._missing_in:
            self._missing, self._missing_in = set(), version
        return rpc in self._missing

    async def _rpc(self, rpc: str, request: Message) -> Message:
        async def call(channel: grpc.aio.Channel) -> Message:
            answer: Message = await getattr(query_pb2_grpc.QueryStub(channel), rpc)(
                request, timeout=CALL_SECONDS
            )
            return answer

        return await self._endpoints.call(call)


def _part(answer: Message, field: str, record_type: type[R], record_id: str) -> R:
    record = getattr(answer, field)
    if not (isinstance(record, record_type) and answer.HasField(field)):
        raise Unreadable(f"the node's answer for {record_id} contains no record")
    return record


def _about(record: R, record_id: str) -> R:
    """Raises Unreadable for a record other than the requested one; the parameters have no id.

    Otherwise a job would overwrite its neighbour.
    """
    if not record_id:
        return record
    said = getattr(record, _IDS[record.DESCRIPTOR.name])
    if said != record_id:
        raise Unreadable(f"the node returned {said[:40]!r} instead of {record_id}")
    return record


def count_starting_with(number: int, end: int) -> int:
    """Returns how many numbers below `end` begin with the digits of `number`."""
    count, first, beyond = 0, number, number + 1
    while first < end:
        count += min(beyond, end) - first
        first, beyond = first * 10, beyond * 10
    return count
