"""Search for a transaction without an index: it reads the blocks that can contain the transaction.

The progress is stored, so that each block is read once for a transaction. The newest block is left for later:
a node has it a moment before it has executed it.
"""

import asyncio
from collections.abc import Sequence

import grpc.aio

from provider_daemon.chain.endpoint import CALL_SECONDS, Caller
from provider_daemon.chain.proto.cosmos.base.tendermint.v1beta1 import query_pb2, query_pb2_grpc
from provider_daemon.chain.tx import tx_hash as hash_of
from provider_daemon.errors import Refused, Transient, Unreadable

AT_ONCE = 16  # blocks requested at a time
KEPT = 8  # transactions whose progress is stored: one is open at a time


class BlockScan:
    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._next: dict[str, int] = {}
        self._found: dict[str, int] = {}

    async def find(self, wanted: str, first: int, last: int) -> int | None:
        """Returns the height of the transaction's block, or None if it is not found yet.

        Only blocks from `first` to `last` are searched. Blocks at the beginning that the node has pruned are
        skipped.
        """
        if wanted in self._found:
            return self._found[wanted]
        self._forget_old(wanted)
        end = min(last, await self._newest() - 1)
        height = max(1, first, self._next.get(wanted, 0))
        while height <= end:
            some = range(height, min(height + AT_ONCE, end + 1))
            for at, block in zip(
                some, await self._blocks(some, pruned=wanted not in self._next), strict=True
            ):
                if wanted in block:
                    self._found[wanted] = at
                    return at
            height = some.stop
            self._next[wanted] = height
        return None

    def _forget_old(self, wanted: str) -> None:
        for known in (self._next, self._found):
            for other in [name for name in known if name != wanted][: max(0, len(known) - KEPT)]:
                del known[other]

    async def _newest(self) -> int:
        async def request(channel: grpc.aio.Channel) -> query_pb2.GetLatestBlockResponse:
            stub = query_pb2_grpc.ServiceStub(channel)
            return await stub.GetLatestBlock(query_pb2.GetLatestBlockRequest(), timeout=CALL_SECONDS)

        return (await self._caller.call(request)).sdk_block.header.height

    async def _blocks(self, heights: Sequence[int], *, pruned: bool) -> list[frozenset[str]]:
        """Returns the hashes of each block's transactions.

        `pruned`: nothing was read yet, so the node may lack the first blocks.
        """
        answers = await asyncio.gather(*(self._block(height) for height in heights), return_exceptions=True)
        blocks = list[frozenset[str]]()
        for height, answer in zip(heights, answers, strict=True):
            if isinstance(answer, Refused):
                if not (pruned and not any(blocks)):
                    raise Transient(f"the node does not return block {height}: {answer}") from answer
                answer = frozenset()
            elif isinstance(answer, BaseException):
                raise answer
            blocks.append(answer)
        return blocks

    async def _block(self, height: int) -> frozenset[str]:
        async def request(channel: grpc.aio.Channel) -> query_pb2.GetBlockByHeightResponse:
            stub = query_pb2_grpc.ServiceStub(channel)
            return await stub.GetBlockByHeight(
                query_pb2.GetBlockByHeightRequest(height=height), timeout=CALL_SECONDS
            )

        block = (await self._caller.call(request)).sdk_block
        if block.header.height != height:
            raise Unreadable(f"the node returned block {block.header.height} instead of block {height}")
        return frozenset(map(hash_of, block.data.txs))
