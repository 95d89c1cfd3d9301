"""Transactions that wait for a block, and the check state that includes them."""

from collections import Counter

from provider_daemon.chain.tx import tx_hash
from provider_daemon.devnet import ante, failures
from provider_daemon.devnet.context import ChainRules, Context
from provider_daemon.devnet.execute import Result, deliver
from provider_daemon.devnet.failures import ChainError, sdk
from provider_daemon.devnet.kv import Layer
from provider_daemon.devnet.parse import ParsedTx, parse


class Mempool:
    """The waiting transactions in order of arrival.

    `state`, `height` and `time` are those of the last committed block.
    """

    def __init__(self, rules: ChainRules, state: Layer) -> None:
        self._rules = rules
        self._state = state
        self._check = Layer(state)
        self._waiting: dict[str, ParsedTx] = {}
        # hashes that wait or succeeded: the same bytes are refused without a check
        self._cache: set[str] = set()
        self._last_block: Counter[str] = Counter()
        self._this_block: Counter[str] = Counter()
        self.height = self.time = 0

    def check_tx(self, tx_bytes: bytes) -> Result:
        """Runs CheckTx at the last committed height, on a state that includes the waiting transactions."""
        try:
            tx = self._parse(tx_bytes)
            self._enter(tx, self._last_block + self._this_block)
        except ChainError as error:
            return Result(error.code, error.codespace, str(error))
        self._this_block[tx.signer] += 1
        return Result()

    def _parse(self, tx_bytes: bytes) -> ParsedTx:
        if tx_hash(tx_bytes) in self._cache:
            raise sdk(failures.IN_MEMPOOL)
        return parse(tx_bytes, self._rules)

    def _enter(self, tx: ParsedTx, recent: Counter[str]) -> None:
        ctx = self._context(Layer(self._check))
        ante.check(ctx, tx, simulate=False, recent=recent)
        ctx.state.commit()
        self._waiting[tx.tx_hash] = tx
        self._cache.add(tx.tx_hash)

    def simulate(self, tx_bytes: bytes) -> Result:
        """Simulates a transaction.

        Sequences include the waiting transactions, as in CheckTx; the effects of their messages do not count.
        Raises ChainError for bytes that are not a transaction.
        """
        return deliver(self._context(Layer(self._check)), parse(tx_bytes, self._rules), simulate=True)

    def _context(self, layer: Layer) -> Context:
        return Context(layer, self._rules, self.height, self.time)

    def reap(self) -> list[ParsedTx]:
        """Returns the next block's transactions: in order, up to the block's gas limit."""
        chosen: list[ParsedTx] = []
        for tx in self._waiting.values():
            if 0 < self._rules.max_gas < sum(other.gas_limit for other in chosen) + tx.gas_limit:
                break
            chosen.append(tx)
        return chosen

    def committed(self, height: int, time: int, succeeded: dict[str, bool]) -> None:
        """Updates the mempool after a block.

        Included transactions leave (failed bytes may be sent again); all others are checked again on the new
        state.
        """
        self.height, self.time = height, time
        self._last_block, self._this_block = self._this_block, Counter()
        self._cache -= {included for included, ok in succeeded.items() if not ok}
        left = [tx for tx in self._waiting.values() if tx.tx_hash not in succeeded]
        self._waiting, self._check = {}, Layer(self._state)
        for tx in left:
            self._recheck(tx)

    def _recheck(self, tx: ParsedTx) -> None:
        try:
            self._enter(tx, Counter())
        except ChainError:
            self._cache.discard(tx.tx_hash)
