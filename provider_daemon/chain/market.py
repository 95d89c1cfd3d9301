"""The offerings of a cluster on chain."""

from typing import Protocol

import structlog
from google.protobuf.message import Message

from provider_daemon.chain.ask import QueryAnswer
from provider_daemon.chain.proto.cosmos.base.query.v1beta1.pagination_pb2 import PageRequest
from provider_daemon.chain.proto.virtengine.hpc.v1 import query_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1.types_pb2 import HPCOffering
from provider_daemon.chain.records import offering
from provider_daemon.errors import Unreadable
from provider_daemon.ports import Offering

log = structlog.get_logger("provd.chain")

OFFERINGS = 1000  # maximum number read per cluster


class Asking(Protocol):
    async def ask(self, rpc: str, asked: Message) -> QueryAnswer: ...


async def records_of(chain: Asking, cluster_id: str) -> tuple[HPCOffering, ...]:
    """Returns active and inactive offerings."""
    request = query_pb2.QueryOfferingsByClusterRequest(
        cluster_id=cluster_id, pagination=PageRequest(limit=OFFERINGS)
    )
    answer = (await chain.ask("OfferingsByCluster", request)).message
    assert isinstance(answer, query_pb2.QueryOfferingsByClusterResponse)
    return tuple(answer.offerings)


async def offerings_of(chain: Asking, cluster_id: str) -> tuple[Offering, ...]:
    """Returns the offerings. One that cannot be read is left out and logged: no job of it is accepted."""
    found = []
    for record in await records_of(chain, cluster_id):
        try:
            found.append(offering(record))
        except Unreadable as error:
            log.error(
                "offering_unreadable",
                offering=record.offering_id,
                why=str(error),
                next="the catalogue leaves it out; correct it with `provd tx hpc update-offering`",
            )
    return tuple(found)
