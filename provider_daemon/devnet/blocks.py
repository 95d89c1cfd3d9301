"""The chain itself: mempool, blocks, and the index by which transactions are found again. No clock: whoever makes a block says when."""

from collections import Counter

from provider_daemon.chain.tx import tx_hash
from provider_daemon.devnet import ante, failures, genesis, jobs, nodes
from provider_daemon.devnet.archive import Archive, IncludedTx
from provider_daemon.devnet.context import Context, Rules
from provider_daemon.devnet.execute import Result, deliver
from provider_daemon.devnet.failures import ChainError
from provider_daemon.devnet.kv import Layer


class Blocks:
    """`funds`: address -> denom -> amount, credited in the first block of a new chain only."""

    def __init__(self, archive: Archive, rules: Rules, funds: dict[str, dict[str, int]]) -> None:
        self.rules = rules
        self._archive = archive
        self.state = Layer()
        self.state.changes = archive.state()
        self.height, self.time = archive.last_block()
        self.txs: list[IncludedTx] = list(archive.txs())
        self.by_hash = {tx.tx_hash: tx for tx in self.txs}
        self._mempool: dict[str, bytes] = {}
        self._last_block: Counter[str] = Counter()
        self._this_block: Counter[str] = Counter()
        self._pending_genesis = funds if not self.height else {}
        self._check = Layer(self.state)

    # --- mempool ---

    def check_tx(self, tx_bytes: bytes) -> Result:
        """CheckTx at the last committed height, on a state that knows what waits in the mempool."""
        wanted = tx_hash(tx_bytes)
        if wanted in self._mempool:
            return Result(failures.IN_MEMPOOL[0], failures.SDK)  # an empty log, as the real one gives
        try:
            tx = ante.parse(tx_bytes, self.rules.fee_denom)
            ctx = Context(Layer(self._check), self.rules, self.height, self.time)
            ante.check(ctx, tx, simulate=False, recent=self._last_block + self._this_block)
        except ChainError as error:
            return Result(error.code, error.codespace, "" if error.code == failures.TX_TOO_LARGE[0] else str(error))
        ctx.state.commit()
        self._this_block[tx.signer] += 1
        self._mempool[wanted] = tx_bytes
        return Result()

    def simulate(self, tx_bytes: bytes) -> Result:
        """Raises ChainError for what is no transaction."""
        tx = ante.parse(tx_bytes, self.rules.fee_denom)
        return deliver(Context(Layer(self.state), self.rules, self.height, self.time), tx, {}, simulate=True)

    def drop_mempool(self) -> None:
        """As a restarted node does; senders must send again."""
        self._mempool.clear()
        self._this_block.clear()
        self._check = Layer(self.state)

    # --- blocks ---

    def produce(self, time: int) -> list[IncludedTx]:
        """One block at `time` (nanoseconds since the epoch, later than the one before) with everything that waits."""
        self.height, self.time = self.height + 1, max(time, self.time + 1)
        block = Context(Layer(self.state), self.rules, self.height, self.time)
        if self._pending_genesis:
            genesis.write(block, self._pending_genesis)
            self._pending_genesis = {}
        included = [self._include(block, tx_bytes) for tx_bytes in self._mempool.values()]
        jobs.end_overdue(block)
        nodes.age_nodes(block)
        nodes.count_clusters(block)
        self._archive.write(self.height, self.time, block.state.commit(), included)
        self.txs += included
        self.by_hash.update((tx.tx_hash, tx) for tx in included)
        self._last_block, self._this_block = self._this_block, Counter()
        self._mempool.clear()
        self._check = Layer(self.state)
        return included

    def _include(self, block: Context, tx_bytes: bytes) -> IncludedTx:
        tx = ante.parse(tx_bytes, self.rules.fee_denom)
        ctx = block.branch()
        result = deliver(ctx, tx, {})
        ctx.state.commit()
        return IncludedTx(
            tx_hash=tx.tx_hash,
            tx_bytes=tx_bytes,
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
