"""virtengine.hpc.v1.Query: all 21 calls, or only those that the published chain answers."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from provider_daemon.chain import keyspace
from provider_daemon.chain.paging import paginate
from provider_daemon.chain.proto.cosmos.base.query.v1beta1.pagination_pb2 import PageRequest, PageResponse
from provider_daemon.chain.proto.virtengine.hpc.v1 import query_pb2 as q
from provider_daemon.chain.proto.virtengine.hpc.v1 import query_pb2_grpc, types_pb2
from provider_daemon.devnet.blocks import Blocks
from provider_daemon.devnet.context import Context

Call = grpc.aio.ServicerContext[Any, Any]
M = TypeVar("M", bound=Message)

# docs/protocol.md, 'Two ways to read': the published source answers these six calls. All others return
# UNIMPLEMENTED.
PUBLISHED = frozenset(
    {
        "NodeMetadata",
        "NodesByCluster",
        "SchedulingDecision",
        "SchedulingDecisionByJob",
        "SchedulingMetrics",
        "Params",
    }
)


class HpcQuery(query_pb2_grpc.QueryServicer):
    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    def _ctx(self) -> Context:
        return Context(self._blocks.state, self._blocks.rules, self._blocks.height, self._blocks.time)

    async def _one(self, context: Call, kind: type[M], prefix: bytes, record_id: str) -> M:
        record = self._ctx().load(kind, prefix, record_id)
        if record is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"{record_id} not found")
            raise AssertionError
        return record

    async def _some(
        self, context: Call, kind: type[M], prefix: bytes, wanted: Callable[[Any], bool], page: PageRequest
    ) -> tuple[list[M], PageResponse]:
        try:
            return paginate(self._ctx().rows(kind, prefix), wanted, page)
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise

    async def Cluster(self, request: q.QueryClusterRequest, context: Call) -> q.QueryClusterResponse:
        return q.QueryClusterResponse(
            cluster=await self._one(context, types_pb2.HPCCluster, keyspace.CLUSTER, request.cluster_id)
        )

    async def Clusters(self, request: q.QueryClustersRequest, context: Call) -> q.QueryClustersResponse:
        def wanted(cluster: types_pb2.HPCCluster) -> bool:
            return request.state in (0, cluster.state) and request.region in ("", cluster.region)

        found, page = await self._some(
            context, types_pb2.HPCCluster, keyspace.CLUSTER, wanted, request.pagination
        )
        return q.QueryClustersResponse(clusters=found, pagination=page)

    async def ClustersByProvider(
        self, request: q.QueryClustersByProviderRequest, context: Call
    ) -> q.QueryClustersByProviderResponse:
        mine = _equals("provider_address", request.provider_address)
        found, page = await self._some(
            context, types_pb2.HPCCluster, keyspace.CLUSTER, mine, request.pagination
        )
        return q.QueryClustersByProviderResponse(clusters=found, pagination=page)

    async def Offering(self, request: q.QueryOfferingRequest, context: Call) -> q.QueryOfferingResponse:
        return q.QueryOfferingResponse(
            offering=await self._one(context, types_pb2.HPCOffering, keyspace.OFFERING, request.offering_id)
        )

    async def Offerings(self, request: q.QueryOfferingsRequest, context: Call) -> q.QueryOfferingsResponse:
        def wanted(offering: types_pb2.HPCOffering) -> bool:
            return offering.active or not request.active_only

        found, page = await self._some(
            context, types_pb2.HPCOffering, keyspace.OFFERING, wanted, request.pagination
        )
        return q.QueryOfferingsResponse(offerings=found, pagination=page)

    async def OfferingsByCluster(
        self, request: q.QueryOfferingsByClusterRequest, context: Call
    ) -> q.QueryOfferingsByClusterResponse:
        of_cluster = _equals("cluster_id", request.cluster_id)
        found, page = await self._some(
            context, types_pb2.HPCOffering, keyspace.OFFERING, of_cluster, request.pagination
        )
        return q.QueryOfferingsByClusterResponse(offerings=found, pagination=page)

    async def Job(self, request: q.QueryJobRequest, context: Call) -> q.QueryJobResponse:
        return q.QueryJobResponse(
            job=await self._one(context, types_pb2.HPCJob, keyspace.JOB, request.job_id)
        )

    async def Jobs(self, request: q.QueryJobsRequest, context: Call) -> q.QueryJobsResponse:
        def wanted(job: types_pb2.HPCJob) -> bool:
            return request.state in (0, job.state) and request.cluster_id in ("", job.cluster_id)

        found, page = await self._some(context, types_pb2.HPCJob, keyspace.JOB, wanted, request.pagination)
        return q.QueryJobsResponse(jobs=found, pagination=page)

    async def JobsByCustomer(
        self, request: q.QueryJobsByCustomerRequest, context: Call
    ) -> q.QueryJobsByCustomerResponse:
        mine = _equals("customer_address", request.customer_address)
        found, page = await self._some(context, types_pb2.HPCJob, keyspace.JOB, mine, request.pagination)
        return q.QueryJobsByCustomerResponse(jobs=found, pagination=page)

    async def JobsByProvider(
        self, request: q.QueryJobsByProviderRequest, context: Call
    ) -> q.QueryJobsByProviderResponse:
        mine = _equals("provider_address", request.provider_address)
        found, page = await self._some(context, types_pb2.HPCJob, keyspace.JOB, mine, request.pagination)
        return q.QueryJobsByProviderResponse(jobs=found, pagination=page)

    async def JobAccounting(
        self, request: q.QueryJobAccountingRequest, context: Call
    ) -> q.QueryJobAccountingResponse:
        found = await self._one(context, types_pb2.JobAccounting, keyspace.JOB_ACCOUNTING, request.job_id)
        return q.QueryJobAccountingResponse(accounting=found)

    async def NodeMetadata(
        self, request: q.QueryNodeMetadataRequest, context: Call
    ) -> q.QueryNodeMetadataResponse:
        return q.QueryNodeMetadataResponse(
            node=await self._one(context, types_pb2.NodeMetadata, keyspace.NODE, request.node_id)
        )

    async def NodesByCluster(
        self, request: q.QueryNodesByClusterRequest, context: Call
    ) -> q.QueryNodesByClusterResponse:
        of_cluster = _equals("cluster_id", request.cluster_id)
        found, page = await self._some(
            context, types_pb2.NodeMetadata, keyspace.NODE, of_cluster, request.pagination
        )
        return q.QueryNodesByClusterResponse(nodes=found, pagination=page)

    async def SchedulingDecision(
        self, request: q.QuerySchedulingDecisionRequest, context: Call
    ) -> q.QuerySchedulingDecisionResponse:
        found = await self._one(context, types_pb2.SchedulingDecision, keyspace.DECISION, request.decision_id)
        return q.QuerySchedulingDecisionResponse(decision=found)

    async def SchedulingDecisionByJob(
        self, request: q.QuerySchedulingDecisionByJobRequest, context: Call
    ) -> q.QuerySchedulingDecisionByJobResponse:
        ctx = self._ctx()
        every = ctx.every(types_pb2.SchedulingDecision, keyspace.DECISION)
        found = next((decision for decision in every if decision.job_id == request.job_id), None)
        # the published source reads the job's own field, which nothing sets
        if found is None or ctx.rules.has_quirks:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no decision for {request.job_id}")
        return q.QuerySchedulingDecisionByJobResponse(decision=found)

    async def SchedulingMetrics(
        self, request: q.QuerySchedulingMetricsRequest, context: Call
    ) -> q.QuerySchedulingMetricsResponse:
        wanted = f"{request.cluster_id}/{request.queue_name}"
        found = await self._one(context, types_pb2.SchedulingMetrics, keyspace.SCHEDULING_METRICS, wanted)
        return q.QuerySchedulingMetricsResponse(metrics=found)

    async def Reward(self, request: q.QueryRewardRequest, context: Call) -> q.QueryRewardResponse:
        return q.QueryRewardResponse(
            reward=await self._one(context, types_pb2.HPCRewardRecord, keyspace.REWARD, request.reward_id)
        )

    async def RewardsByJob(
        self, request: q.QueryRewardsByJobRequest, context: Call
    ) -> q.QueryRewardsByJobResponse:
        every = self._ctx().every(types_pb2.HPCRewardRecord, keyspace.REWARD)
        return q.QueryRewardsByJobResponse(
            rewards=[reward for reward in every if reward.job_id == request.job_id]
        )

    async def Dispute(self, request: q.QueryDisputeRequest, context: Call) -> q.QueryDisputeResponse:
        return q.QueryDisputeResponse(
            dispute=await self._one(context, types_pb2.HPCDispute, keyspace.DISPUTE, request.dispute_id)
        )

    async def Disputes(self, request: q.QueryDisputesRequest, context: Call) -> q.QueryDisputesResponse:
        def wanted(dispute: types_pb2.HPCDispute) -> bool:
            return request.status in (0, dispute.status)

        found, page = await self._some(
            context, types_pb2.HPCDispute, keyspace.DISPUTE, wanted, request.pagination
        )
        return q.QueryDisputesResponse(disputes=found, pagination=page)

    async def Params(self, request: q.QueryParamsRequest, context: Call) -> q.QueryParamsResponse:
        return q.QueryParamsResponse(params=self._ctx().load(types_pb2.Params, keyspace.PARAMS, ""))


def only_published(service: HpcQuery) -> HpcQuery:
    """Returns the service with all but the published calls unimplemented.

    The error text is that of generated Go code.
    """
    for name in _calls(service):
        if name not in PUBLISHED:
            setattr(service, name, _unimplemented(name))
    return service


def _calls(service: HpcQuery) -> Iterable[str]:
    return [
        method.name
        for method in q.DESCRIPTOR.services_by_name["Query"].methods
        if hasattr(service, method.name)
    ]


def _unimplemented(name: str) -> Callable[[Message, Call], Any]:
    async def call(request: Message, context: Call) -> None:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"method {name} not implemented")

    return call


def _equals(field: str, value: str) -> Callable[[Message], bool]:
    return lambda record: getattr(record, field) == value
