"""virtengine.veid.v1.Query: the identity scores that the devnet was started with."""

from typing import Any

import grpc.aio

from provider_daemon.chain.proto.virtengine.veid.v1 import query_pb2 as q
from provider_daemon.chain.proto.virtengine.veid.v1 import query_pb2_grpc
from provider_daemon.devnet.blocks import Blocks

Call = grpc.aio.ServicerContext[Any, Any]


class VeidQuery(query_pb2_grpc.QueryServicer):
    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    async def IdentityStatus(
        self, request: q.QueryIdentityStatusRequest, context: Call
    ) -> q.QueryIdentityStatusResponse:
        score = self._blocks.rules.identities.get(request.account_address)
        return q.QueryIdentityStatusResponse(
            account_address=request.account_address, score=score or 0, found=score is not None
        )
