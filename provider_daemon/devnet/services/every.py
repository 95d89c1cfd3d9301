"""All services on one server, with reflection, which lists them. A Msg service is never among them."""

import grpc.aio
from grpc_reflection.v1alpha.reflection import SERVICE_NAME, enable_server_reflection

from provider_daemon.chain.proto.cosmos.auth.v1beta1 import auth_pb2, auth_pb2_grpc
from provider_daemon.chain.proto.cosmos.bank.v1beta1 import bank_pb2, bank_pb2_grpc
from provider_daemon.chain.proto.cosmos.base.node.v1beta1 import query_pb2 as config_pb2
from provider_daemon.chain.proto.cosmos.base.node.v1beta1 import query_pb2_grpc as config_grpc
from provider_daemon.chain.proto.cosmos.base.tendermint.v1beta1 import query_pb2 as tendermint_pb2
from provider_daemon.chain.proto.cosmos.base.tendermint.v1beta1 import query_pb2_grpc as tendermint_grpc
from provider_daemon.chain.proto.cosmos.tx.v1beta1 import service_pb2
from provider_daemon.chain.proto.virtengine.encryption.v1 import query_pb2 as encryption_pb2
from provider_daemon.chain.proto.virtengine.encryption.v1 import query_pb2_grpc as encryption_grpc
from provider_daemon.chain.proto.virtengine.hpc.v1 import query_pb2, query_pb2_grpc
from provider_daemon.chain.proto.virtengine.veid.v1 import query_pb2 as veid_pb2
from provider_daemon.chain.proto.virtengine.veid.v1 import query_pb2_grpc as veid_grpc
from provider_daemon.devnet.blocks import Blocks
from provider_daemon.devnet.services import rawlog
from provider_daemon.devnet.services.encryption import EncryptionQuery
from provider_daemon.devnet.services.hpc import HpcQuery, only_published
from provider_daemon.devnet.services.node import AuthService, BankService, ConfigService, TendermintService
from provider_daemon.devnet.services.txs import TxService
from provider_daemon.devnet.services.veid import VeidQuery

COSMOS = [
    auth_pb2.DESCRIPTOR.services_by_name["Query"].full_name,
    bank_pb2.DESCRIPTOR.services_by_name["Query"].full_name,
    config_pb2.DESCRIPTOR.services_by_name["Service"].full_name,
    tendermint_pb2.DESCRIPTOR.services_by_name["Service"].full_name,
    service_pb2.DESCRIPTOR.services_by_name["Service"].full_name,
]
ENCRYPTION = encryption_pb2.DESCRIPTOR.services_by_name["Query"].full_name
VEID = veid_pb2.DESCRIPTOR.services_by_name["Query"].full_name
HPC = query_pb2.DESCRIPTOR.services_by_name["Query"].full_name


def add_services(server: grpc.aio.Server, blocks: Blocks, queries: str, *, indexed: bool = True) -> None:
    """Adds the services.

    `queries`: none (without the HPC module's service), published (six calls answer) or all
    (with identity scores).
    """
    tendermint_grpc.add_ServiceServicer_to_server(TendermintService(blocks), server)
    rawlog.add_to_server(TxService(blocks, indexed=indexed), server)
    auth_pb2_grpc.add_QueryServicer_to_server(AuthService(blocks), server)
    bank_pb2_grpc.add_QueryServicer_to_server(BankService(blocks), server)
    config_grpc.add_ServiceServicer_to_server(ConfigService(blocks), server)
    encryption_grpc.add_QueryServicer_to_server(EncryptionQuery(blocks), server)
    served = [*COSMOS, ENCRYPTION, SERVICE_NAME]
    if queries != "none":
        service = HpcQuery(blocks)
        query_pb2_grpc.add_QueryServicer_to_server(
            only_published(service) if queries == "published" else service, server
        )
        served.append(HPC)
    if queries == "all":
        veid_grpc.add_QueryServicer_to_server(VeidQuery(blocks), server)
        served.append(VEID)
    enable_server_reflection(served, server)
