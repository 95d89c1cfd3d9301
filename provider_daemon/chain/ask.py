"""The module's queries: answered by their RPC, or from the raw store if the node returns UNIMPLEMENTED."""

from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from provider_daemon.chain import codec, decisions, keyspace
from provider_daemon.chain.decision_search import decision_of
from provider_daemon.chain.grpc_errors import NotFound, Unimplemented
from provider_daemon.chain.paging import paginate
from provider_daemon.chain.proto.virtengine.hpc.v1 import query_pb2, types_pb2
from provider_daemon.chain.query import Query
from provider_daemon.chain.store import Store
from provider_daemon.errors import Refused, Unreadable

METHODS = query_pb2.DESCRIPTOR.services_by_name["Query"].methods_by_name

# Kind of record -> its place in the store, and the field with its id.
_PLACES: dict[str, tuple[bytes, str]] = {
    "HPCCluster": (keyspace.CLUSTER, "cluster_id"),
    "HPCOffering": (keyspace.OFFERING, "offering_id"),
    "HPCJob": (keyspace.JOB, "job_id"),
    "JobAccounting": (keyspace.JOB_ACCOUNTING, "job_id"),
    "NodeMetadata": (keyspace.NODE, "node_id"),
    "SchedulingDecision": (keyspace.DECISION, "decision_id"),
    "SchedulingMetrics": (keyspace.SCHEDULING_METRICS, ""),
    "HPCRewardRecord": (keyspace.REWARD, "reward_id"),
    "HPCDispute": (keyspace.DISPUTE, "dispute_id"),
    "Params": (keyspace.PARAMS, ""),
}

Row = tuple[bytes, Any]


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """The result of a query.

    `message` is the RPC's response. `unreadable`: a line for each record that may be part of it but cannot be
    read.
    """

    message: Message
    unreadable: tuple[str, ...] = ()


def request(rpc: str, values: dict[str, Any]) -> Message:
    """Returns the RPC's request; `values` are the arguments of its constructor."""
    return GetMessageClass(METHODS[rpc].input_type)(**values)


class Ask:
    def __init__(self, query: Query, store: Store) -> None:
        self._query = query
        self._store = store

    async def __call__(self, rpc: str, asked: Message) -> QueryAnswer:
        """Runs the query. Raises NotFound for a missing record, and Refused for an invalid page."""
        try:
            return QueryAnswer(await self._query.rpc(rpc, asked))
        except Unimplemented:
            return await self.from_store(rpc, asked)
        except NotFound:
            if rpc != "SchedulingDecisionByJob":
                raise
            return await self.from_store(rpc, asked)  # the published chain returns that for every job

    async def from_store(self, rpc: str, asked: Any) -> QueryAnswer:
        answer: Any = GetMessageClass(METHODS[rpc].output_type)()
        field = METHODS[rpc].output_type.fields[0]
        assert field.message_type is not None
        kind, target = GetMessageClass(field.message_type), getattr(answer, field.name)
        if field.is_repeated:
            return await self._many(kind, asked, answer, target)
        target.CopyFrom(await self._single(kind, asked))
        return QueryAnswer(answer)

    # --- one record ---

    async def _single(self, kind: type[Message], asked: Any) -> Message:
        prefix, id_field = _PLACES[kind.DESCRIPTOR.name]
        fields = [field.name for field in asked.DESCRIPTOR.fields]
        if fields in ([], [id_field]):
            return await self._by_key(kind, prefix, getattr(asked, id_field) if fields else "")
        found: Message | None
        if kind is types_pb2.SchedulingDecision:
            found = await decision_of(self._store, asked.job_id)
        else:
            found = next(
                (record for _, record in (await self._rows(kind))[0] if _wanted(asked, record)), None
            )
        if found is None and kind is types_pb2.SchedulingMetrics:
            found = await self._added_up(asked)
        if found is None:
            raise NotFound(f"no {_spoken(kind)} for {' '.join(str(getattr(asked, name)) for name in fields)}")
        return found

    async def _by_key(self, kind: type[Message], prefix: bytes, record_id: str) -> Message:
        value = await self._store.get(keyspace.key(prefix, record_id))
        if not value:
            raise NotFound(f"{_spoken(kind)} {record_id} not found".replace("  ", " "))
        return _decoded(kind, value, record_id)

    async def _added_up(self, asked: Any) -> types_pb2.SchedulingMetrics | None:
        """Returns the sums over the decisions for jobs of the queue, for a chain that stores no sums."""
        chosen = []
        for _, decision in (await self._rows(types_pb2.SchedulingDecision))[0]:
            if decision.selected_cluster_id == asked.cluster_id:
                job = await self._query.job(decision.job_id)
                chosen += [decision] if job is not None and job.queue_name == asked.queue_name else []
        chosen.sort(key=lambda decision: decision.block_height)
        return decisions.summary(asked.cluster_id, asked.queue_name, chosen) if chosen else None

    # --- many ---

    async def _many(self, kind: type[Message], asked: Any, answer: Any, target: Any) -> QueryAnswer:
        rows, unreadable = await (self._jobs() if kind is types_pb2.HPCJob else self._rows(kind))
        if not hasattr(asked, "pagination"):
            target.extend(record for _, record in rows if _wanted(asked, record))
            return QueryAnswer(answer, unreadable)
        try:
            found, page = paginate(rows, lambda record: _wanted(asked, record), asked.pagination)
        except ValueError as error:
            raise Refused(str(error)) from error
        target.extend(found)
        answer.pagination.CopyFrom(page)
        return QueryAnswer(answer, unreadable)

    async def _rows(self, kind: type[Message]) -> tuple[list[Row], tuple[str, ...]]:
        """Returns (id and record of each, in store order; a line for each that cannot be read)."""
        rows: list[Row] = []
        unreadable: list[str] = []
        for key, value in sorted(await self._store.subspace(_PLACES[kind.DESCRIPTOR.name][0])):
            try:
                rows.append((key[1:], _decoded(kind, value, keyspace.record_id(key))))
            except Unreadable as error:
                unreadable.append(str(error))
        return rows, tuple(unreadable)

    async def _jobs(self) -> tuple[list[Row], tuple[str, ...]]:
        """Returns the jobs. The answers are bounded: there can be more jobs than one answer holds."""
        found = [item async for item in self._query.jobs()]
        rows = sorted((job.job_id.encode(), job) for job in found if isinstance(job, types_pb2.HPCJob))
        return rows, tuple(str(item) for item in found if isinstance(item, Unreadable))


def _decoded(kind: type[Message], value: bytes, record_id: str) -> Message:
    try:
        return codec.decode(kind, value)
    except Unreadable as error:
        raise Unreadable(f"the record of {record_id} cannot be read: {error}") from error


def _wanted(asked: Any, record: Any) -> bool:
    """Reports whether all filters match.

    They have the names of the record's fields, except for `active_only`.
    """
    filters = [
        field.name
        for field in asked.DESCRIPTOR.fields
        if field.name != "pagination" and getattr(asked, field.name)
    ]
    return all(
        record.active if name == "active_only" else getattr(record, name) == getattr(asked, name)
        for name in filters
    )


def _spoken(kind: type[Message]) -> str:
    """HPCRewardRecord -> reward record"""
    name = kind.DESCRIPTOR.name.removeprefix("HPC")
    return "".join(f" {char.lower()}" if char.isupper() else char for char in name).strip()
