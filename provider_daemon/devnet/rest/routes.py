"""The routes: the HTTP options of the chain's .proto files as one table. No I/O."""

from dataclasses import dataclass

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor

# Their services must be known to the descriptor pool.
from provider_daemon.chain.proto.cosmos.auth.v1beta1 import auth_pb2
from provider_daemon.chain.proto.cosmos.bank.v1beta1 import bank_pb2
from provider_daemon.chain.proto.cosmos.base.node.v1beta1 import query_pb2 as node_pb2
from provider_daemon.chain.proto.cosmos.base.tendermint.v1beta1 import query_pb2 as tendermint_pb2
from provider_daemon.chain.proto.cosmos.tx.v1beta1 import service_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1 import query_pb2

FILES = (query_pb2, auth_pb2, bank_pb2, node_pb2, tendermint_pb2, service_pb2)

HPC = {
    "Cluster": "cluster/{cluster_id}",
    "Clusters": "clusters",
    "ClustersByProvider": "clusters/provider/{provider_address}",
    "Offering": "offering/{offering_id}",
    "Offerings": "offerings",
    "OfferingsByCluster": "offerings/cluster/{cluster_id}",
    "Job": "job/{job_id}",
    "Jobs": "jobs",
    "JobsByCustomer": "jobs/customer/{customer_address}",
    "JobsByProvider": "jobs/provider/{provider_address}",
    "JobAccounting": "job/{job_id}/accounting",
    "NodeMetadata": "node/{node_id}",
    "NodesByCluster": "nodes/cluster/{cluster_id}",
    "SchedulingDecision": "scheduling/{decision_id}",
    "SchedulingDecisionByJob": "job/{job_id}/scheduling",
    "SchedulingMetrics": "scheduling/metrics/{cluster_id}/{queue_name}",
    "Reward": "reward/{reward_id}",
    "RewardsByJob": "job/{job_id}/rewards",
    "Dispute": "dispute/{dispute_id}",
    "Disputes": "disputes",
    "Params": "params",
}

COSMOS = {
    "cosmos.auth.v1beta1.Query/Account": "GET /cosmos/auth/v1beta1/accounts/{address}",
    "cosmos.auth.v1beta1.Query/AccountInfo": "GET /cosmos/auth/v1beta1/account_info/{address}",
    "cosmos.bank.v1beta1.Query/AllBalances": "GET /cosmos/bank/v1beta1/balances/{address}",
    "cosmos.bank.v1beta1.Query/Balance": "GET /cosmos/bank/v1beta1/balances/{address}/by_denom",
    "cosmos.base.node.v1beta1.Service/Config": "GET /cosmos/base/node/v1beta1/config",
    "cosmos.base.tendermint.v1beta1.Service/GetNodeInfo": "GET /cosmos/base/tendermint/v1beta1/node_info",
    "cosmos.base.tendermint.v1beta1.Service/GetSyncing": "GET /cosmos/base/tendermint/v1beta1/syncing",
    "cosmos.base.tendermint.v1beta1.Service/GetLatestBlock": (
        "GET /cosmos/base/tendermint/v1beta1/blocks/latest"
    ),
    "cosmos.base.tendermint.v1beta1.Service/ABCIQuery": "GET /cosmos/base/tendermint/v1beta1/abci_query",
    "cosmos.tx.v1beta1.Service/BroadcastTx": "POST /cosmos/tx/v1beta1/txs",
    "cosmos.tx.v1beta1.Service/Simulate": "POST /cosmos/tx/v1beta1/simulate",
    "cosmos.tx.v1beta1.Service/GetTxsEvent": "GET /cosmos/tx/v1beta1/txs",
    "cosmos.tx.v1beta1.Service/GetTx": "GET /cosmos/tx/v1beta1/txs/{hash}",
}


@dataclass(frozen=True, slots=True)
class Route:
    """A route.

    `path` is a template whose `{names}` are fields of the request. The body of a POST is the whole request.
    """

    verb: str
    path: str
    method: MethodDescriptor

    @property
    def call(self) -> str:
        """Returns the call's full gRPC method name."""
        return f"/{self.method.containing_service.full_name}/{self.method.name}"


def every() -> list[Route]:
    module = [
        _route(f"virtengine.hpc.v1.Query/{name}", f"GET /virtengine/hpc/v1/{path}")
        for name, path in HPC.items()
    ]
    return [*module, *(_route(call, where) for call, where in COSMOS.items())]


def _route(call: str, where: str) -> Route:
    service, _, method = call.partition("/")
    verb, _, path = where.partition(" ")
    return Route(verb, path, descriptor_pool.Default().FindServiceByName(service).methods_by_name[method])
