"""The chain: blocks, and the index of their transactions.

It has no clock: the caller that produces a block passes its time.
"""

from bisect import bisect_left
from itertools import islice, takewhile

from provider_daemon.devnet import derived, genesis
from provider_daemon.devnet.archive import Archive, IncludedTx
from provider_daemon.devnet.context import ChainRules, Context
from provider_daemon.devnet.end_block import end_block
from provider_daemon.devnet.execute import deliver
from provider_daemon.devnet.kv import Layer
from provider_daemon.devnet.mempool import Mempool
from provider_daemon.devnet.parse import ParsedTx


class Blocks:
    """The devnet's chain.

    `funds` (address -> denom -> amount) is credited in the first block of a new chain only.
    """

    def __init__(self, archive: Archive, rules: ChainRules, funds: dict[str, dict[str, int]]) -> None:
        """Raises ConfigError if the archive contains another chain."""
        self.rules = rules
        self.state = Layer()
        self.state.load(archive.state())
        self.height, self.time = archive.last_block()
        self.txs: list[IncludedTx] = list(archive.txs())
        self.by_hash = {tx.tx_hash: tx for tx in self.txs}
        self.mempool = Mempool(rules, self.state)
        self.mempool.committed(self.height, self.time, {})
        self._archive = archive
        self._funds = funds
        self.is_new = not genesis.chain_id(self.state)
        if not self.is_new:
            genesis.same_chain(self.state, rules)
            derived.rebuild(Context(self.state, rules, self.height, self.time))

    def produce(self, time: int) -> list[IncludedTx]:
        """Produces one block from the waiting transactions.

        `time` is in nanoseconds since the epoch and must be later than the previous block's.
        """
        self.height, self.time = self.height + 1, max(time, self.time + 1)
        block = Context(Layer(self.state), self.rules, self.height, self.time)
        if self.is_new:
            genesis.write(block, self._funds)
            self.is_new = False
        included = [self._include(block, tx) for tx in self.mempool.reap()]
        end_block(block)
        self._archive.write(self.height, self.time, block.state.commit(), included)
        self.txs += included
        self.by_hash.update((tx.tx_hash, tx) for tx in included)
        self.mempool.committed(self.height, self.time, {tx.tx_hash: tx.code == 0 for tx in included})
        return included

    def in_block(self, height: int) -> list[IncludedTx]:
        """Returns the block's transactions, in order."""
        first = bisect_left(self.txs, height, key=lambda tx: tx.height)
        return list(takewhile(lambda tx: tx.height == height, islice(self.txs, first, None)))

    def _include(self, block: Context, tx: ParsedTx) -> IncludedTx:
        ctx = block.branch()
        result = deliver(ctx, tx)
        ctx.state.commit()
        return IncludedTx(
            tx_hash=tx.tx_hash,
            tx_bytes=tx.tx_bytes,
            height=self.height,
            time=self.time,
            code=result.code,
            codespace=result.codespace,
            log=result.log,
            gas_wanted=tx.gas_limit,
            gas_used=result.gas_used,
            data=result.data.hex().upper(),
            events=result.events,
        )
