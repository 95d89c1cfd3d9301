"""An account's identity score, 0 to 100, from the chain's identity module.

See docs/protocol.md, 'Identity scores'.
"""

import grpc.aio

from provider_daemon.chain.endpoint import CALL_SECONDS, Caller
from provider_daemon.chain.grpc_errors import NotFound, Unimplemented
from provider_daemon.chain.proto.virtengine.veid.v1 import query_pb2, query_pb2_grpc
from provider_daemon.errors import Unreadable

HIGHEST = 100


async def identity_score(caller: Caller, address: str) -> int | None:
    """Returns the score, 0 for an account without one; None if the chain serves no identity scores.

    Raises Unreadable for an answer about another account, or a score out of range.
    """

    async def request(channel: grpc.aio.Channel) -> query_pb2.QueryIdentityStatusResponse:
        asked = query_pb2.QueryIdentityStatusRequest(account_address=address)
        return await query_pb2_grpc.QueryStub(channel).IdentityStatus(asked, timeout=CALL_SECONDS)

    try:
        answer = await caller.call(request)
    except Unimplemented:
        return None
    except NotFound:
        return 0
    if not answer.found:
        return 0
    if answer.account_address != address or answer.score > HIGHEST:
        raise Unreadable(
            f"invalid identity score of {address}: {answer.score} of {answer.account_address[:80]!r}"
        )
    return answer.score
