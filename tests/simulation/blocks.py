"""A model of the chain: CheckTx, the mempool, and blocks that execute the bytes signed by the daemon."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from provider_daemon.chain import messages
from provider_daemon.chain import tx as transactions
from provider_daemon.chain.proto.cosmos.tx.v1beta1.tx_pb2 import Tx
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgReportJobStatus
from provider_daemon.devnet import failures
from provider_daemon.errors import Refused
from provider_daemon.job.state import TERMINAL, State
from provider_daemon.job.usage import Usage
from provider_daemon.ports import TxOutcome
from provider_daemon.result_codes import HPC, ONLY_ERROR, RATE_LIMIT, SDK, UNDEFINED, SdkCode
from tests.simulation.books import Books, Failed, snapshot_of
from tests.simulation.false_answers import FalseAnswers
from tests.simulation.fees import Fees
from tests.simulation.world import World

GAS_A_MESSAGE = 40_000
# blocks that an endpoint may be behind the highest known height and still be healthy
SEEN_BACK = 2
BELIEVED_SECONDS = 5  # seconds that it stays healthy after a check
HALT_OFFLINE = 300  # seconds without a block after which every cluster is offline


@dataclass(frozen=True)
class Waiting:
    tx_hash: str
    tx: Tx | None  # None: somebody else's, signed with the same key
    sequence: int
    timeout_height: int
    fee: int
    gas_limit: int


@dataclass
class View:
    """The chain as one endpoint shows it: now, or a few blocks ago.

    `sent`: transactions that only this endpoint has accepted.
    """

    height: int
    time: float
    books: Books
    sent: int = 0


@dataclass
class Blocks:
    world: World
    seconds: float
    books: Books = field(default_factory=Books)
    height: int = 1
    time: float = 0.0
    mempool: list[Waiting] = field(default_factory=list)
    cache: set[str] = field(default_factory=set)
    included: dict[str, TxOutcome] = field(default_factory=dict)
    by_sequence: dict[int, str] = field(default_factory=dict)
    cancels: list[tuple[int, str]] = field(default_factory=list)
    halted_until: float = 0.0
    stuck_until: float = 0.0
    stuck: View | None = None
    past: deque[View] = field(default_factory=lambda: deque(maxlen=8))
    at_timeout: list[tuple[int, bytes]] = field(default_factory=list)
    offered: dict[tuple[str, str], list[Waiting]] = field(default_factory=dict)
    offered_twice: list[str] = field(default_factory=list)
    spent: int = 0
    taken_away: int = 0  # by whoever emptied the wallet, until it is refilled
    given: int = 10**12
    fees: Fees = field(init=False)
    false: FalseAnswers = field(init=False)

    def __post_init__(self) -> None:
        self.fees, self.false = Fees(self.world), FalseAnswers(self.world)

    # --- a node's responses ---

    def view(self, *, head: bool = False) -> View:
        """Returns the view of the queried endpoint: cut off from its peers, behind, or at the newest block.

        The client considers an endpoint that is more than SEEN_BACK blocks behind unhealthy, but checks only
        every few seconds; the head is checked each time.
        """
        if self.stuck is not None and self.world.now() < self.stuck_until:
            return self.stuck
        self.stuck = None
        if self.past and self.world.strikes("lagging_endpoint"):
            most = SEEN_BACK if head else SEEN_BACK + int(BELIEVED_SECONDS // self.seconds)
            return self.past[-min(len(self.past), self.world.dice.randint(1, most))]
        return View(self.height, self.time, self.books)

    def broadcast(self, tx_bytes: bytes) -> TxOutcome:
        """Broadcasts through the queried endpoint.

        An endpoint that is behind checks by its own state, and forwards what it accepts when it can.
        """
        self.watch_offers(tx_bytes)
        view = self.view()
        if view.books is self.books:
            return self.check(tx_bytes)
        waiting = self._read(tx_bytes)
        if waiting.sequence != view.books.sequence + view.sent:
            log = "account sequence mismatch: incorrect account sequence"
            return TxOutcome(waiting.tx_hash, 0, SdkCode.WRONG_SEQUENCE, SDK, log)
        view.sent += 1
        self.world.later(max(0.0, self.stuck_until - self.world.now()), lambda: self.check(tx_bytes))
        return TxOutcome(waiting.tx_hash, 0, 0, "", "")

    def check(self, tx_bytes: bytes) -> TxOutcome:
        """Runs CheckTx, and adds the transaction to the mempool if it passes."""
        waiting = self._read(tx_bytes)
        if self.world.strikes("fee_too_low"):
            return TxOutcome(
                waiting.tx_hash, 0, ONLY_ERROR, UNDEFINED, "insufficient fee: min gas prices 0.03uve"
            )
        if self.world.strikes("rate_limited") or self.world.now() < self.fees.strangers_until:
            return TxOutcome(waiting.tx_hash, 0, ONLY_ERROR, RATE_LIMIT, "rate limit exceeded")
        code, log = self._refusal(waiting)
        if not code:
            self.mempool.append(waiting)
            self.cache.add(waiting.tx_hash)
        return TxOutcome(waiting.tx_hash, 0, code, SDK if code else "", log)

    def watch_offers(self, tx_bytes: bytes) -> None:
        """Checks that a second transaction has a report only if the first can never take effect."""
        waiting = self._read(tx_bytes)
        assert waiting.tx is not None
        for message in map(messages.unpack, waiting.tx.body.messages):
            if isinstance(message, MsgReportJobStatus):
                before = self.offered.setdefault((message.job_id, str(message.state)), [])
                self.offered_twice += [
                    f"{message.job_id} state {message.state}"
                    for other in before
                    if self._alive(other, waiting)
                ]
                if waiting.tx_hash not in {other.tx_hash for other in before}:
                    before.append(waiting)

    def _alive(self, other: Waiting, waiting: Waiting) -> bool:
        """Reports whether the transaction took effect, or still can beside the new one.

        Of two transactions with one sequence only one is included.
        """
        if other.sequence == waiting.sequence or waiting.sequence < self.books.sequence:
            return False
        done = self.included.get(other.tx_hash)
        if done is not None and done.ok:
            return True
        return other.sequence >= self.books.sequence and other.timeout_height >= self.height and done is None

    def _refusal(self, waiting: Waiting) -> tuple[int, str]:
        expected = self.books.sequence + len(self.mempool)
        if waiting.tx_hash in self.cache:
            return SdkCode.IN_MEMPOOL, ""
        if waiting.timeout_height and waiting.timeout_height < self.height:
            return SdkCode.TIMEOUT_HEIGHT, "tx timeout height"
        if self._too_cheap(waiting):
            required = self.fees.required(waiting.gas_limit)
            log = f"insufficient fees; got: {waiting.fee}uve required: {required}uve"
            return SdkCode.INSUFFICIENT_FEE, f"{log}: insufficient fee"
        if waiting.fee > self.books.wallet:
            return SdkCode.INSUFFICIENT_FUNDS, "insufficient funds"
        if waiting.sequence != expected:
            log = f"account sequence mismatch, expected {expected}, got {waiting.sequence}"
            return SdkCode.WRONG_SEQUENCE, f"{log}: incorrect account sequence"
        return 0, ""

    def _too_cheap(self, waiting: Waiting) -> bool:
        return waiting.tx is not None and waiting.fee < self.fees.required(waiting.gas_limit)

    def ours_in_block(self) -> bool:
        """Reports whether one of our transactions has succeeded."""
        return any(
            outcome.ok and not tx_hash.startswith("FOREIGN") for tx_hash, outcome in self.included.items()
        )

    def _read(self, tx_bytes: bytes) -> Waiting:
        tx = transactions.decode(tx_bytes)
        fee = sum(int(coin.amount) for coin in tx.auth_info.fee.amount)
        sequence = tx.auth_info.signer_infos[0].sequence
        return Waiting(
            transactions.tx_hash(tx_bytes),
            tx,
            sequence,
            tx.body.timeout_height,
            fee,
            tx.auth_info.fee.gas_limit,
        )

    def simulate(self, tx_bytes: bytes) -> int:
        waiting, view = self._read(tx_bytes), self.view()
        assert waiting.tx is not None
        if waiting.fee > view.books.wallet:
            raise Refused("insufficient funds", code=SdkCode.INSUFFICIENT_FUNDS, codespace=SDK)
        if waiting.sequence != view.books.sequence + (
            len(self.mempool) if view.books is self.books else view.sent
        ):
            raise Refused("incorrect account sequence", code=SdkCode.WRONG_SEQUENCE, codespace=SDK)
        tried = snapshot_of(view.books)
        for index, envelope in enumerate(waiting.tx.body.messages):
            try:
                tried.apply(messages.unpack(envelope), self.world.now())
            except Failed as error:
                text = f"failed to execute message; message index: {index}: {error}"
                raise Refused(text, message_index=index) from error
        return GAS_A_MESSAGE * len(waiting.tx.body.messages)

    # --- blocks ---

    def tick(self) -> None:
        """Produces the next block, or none while the chain is halted."""
        self.world.later(self.seconds, self.tick)
        now = self.world.now()
        if now < self.halted_until:
            return
        if self.world.strikes("chain_halt"):
            self.halted_until = now + self.world.broken_for(20, 420)
            self.world.note(f"chain: halted for {self.halted_until - now:.0f} s")
            return
        self._faults()
        self._produce(now)

    def _faults(self) -> None:
        if self.mempool and self.world.strikes("mempool_drop"):
            self.mempool, self.cache = [], set()
            self.world.note("chain: mempool lost")
        if self.world.strikes("foreign_tx"):
            sequence = (
                self.books.sequence
                if self.world.dice.random() < 0.5
                else self.books.sequence + len(self.mempool)
            )
            self.mempool.insert(
                sequence - self.books.sequence, Waiting(f"FOREIGN{self.height}", None, sequence, 0, 0, 0)
            )
        if self.books.wallet and self.world.strikes("empty_wallet"):
            purse, self.books.wallet = self.books.wallet, 0
            self.taken_away += purse
            self.world.note("chain: wallet emptied")
            self.world.later(self.world.broken_for(20, 200), lambda: self._refill(purse))
        if self.world.strikes("stuck_endpoint") and self.stuck is None:
            self.stuck_until = self.world.now() + self.world.broken_for(20, 200)
            self.stuck = View(self.height, self.time, snapshot_of(self.books))
            self.world.note(f"chain: our endpoint stays at height {self.height} for a while")

    def _refill(self, purse: int) -> None:
        self.books.wallet += purse
        self.taken_away -= purse

    def _produce(self, now: float) -> None:
        if self.time and now - self.time > HALT_OFFLINE:
            self.books.cluster = "offline"
        if not self.world.calm and "lagging_endpoint" in self.world.chances:
            self.past.append(View(self.height, self.time, snapshot_of(self.books)))
        self.height, self.time = self.height + 1, now
        room = self.fees.next_block()
        for waiting in self.mempool if room else ():
            self.included[waiting.tx_hash] = outcome = self._deliver(waiting)
            self.world.note(f"chain: block {self.height} has {waiting.tx_hash[:8]} code {outcome.code}")
        self.mempool = [] if room else self._still_paid(self.mempool)
        self._end_block(now)
        for height, tx_bytes in [due for due in self.at_timeout if due[0] <= self.height]:
            self.at_timeout.remove((height, tx_bytes))
            self.check(tx_bytes)

    def _still_paid(self, mempool: list[Waiting]) -> list[Waiting]:
        """Returns the transactions that pass a recheck.

        A recheck removes a transaction that pays too little now, and all that follow: their sequences have a
        gap.
        """
        cheap = next(
            (number for number, waiting in enumerate(mempool) if self._too_cheap(waiting)), len(mempool)
        )
        self.cache -= {waiting.tx_hash for waiting in mempool[cheap:]}
        return mempool[:cheap]

    def _deliver(self, waiting: Waiting) -> TxOutcome:
        code, log = self._ante(waiting)
        if code:
            return TxOutcome(waiting.tx_hash, self.height, code, SDK, log)
        self.by_sequence[self.books.sequence] = waiting.tx_hash
        self.books.sequence += 1
        self.books.wallet -= waiting.fee
        self.spent += waiting.fee
        if waiting.tx is None:
            return TxOutcome(waiting.tx_hash, self.height, 0, "", "")
        if self.world.strikes("out_of_gas"):
            log = "out of gas in location: WriteFlat: out of gas"
            return TxOutcome(waiting.tx_hash, self.height, SdkCode.OUT_OF_GAS, SDK, log)
        return self._execute(waiting.tx_hash, waiting.tx)

    def _ante(self, waiting: Waiting) -> tuple[int, str]:
        if waiting.timeout_height and waiting.timeout_height < self.height:
            return SdkCode.TIMEOUT_HEIGHT, "tx timeout height"
        if waiting.fee > self.books.wallet:
            return SdkCode.INSUFFICIENT_FUNDS, "insufficient funds"
        if waiting.sequence != self.books.sequence:
            return SdkCode.WRONG_SEQUENCE, "account sequence mismatch: incorrect account sequence"
        return 0, ""

    def _execute(self, tx_hash: str, tx: Tx) -> TxOutcome:
        """Executes all messages or none."""
        tried = snapshot_of(self.books)
        for index, envelope in enumerate(tx.body.messages):
            try:
                tried.apply(messages.unpack(envelope), self.time)
            except Failed as error:
                log = f"failed to execute message; message index: {index}: {error}"
                return TxOutcome(tx_hash, self.height, failures.INVALID_TRANSITION[0], HPC, log)
        self.books = tried
        return TxOutcome(tx_hash, self.height, 0, "", "")

    def _end_block(self, now: float) -> None:
        for job_id, record in self.books.jobs.items():
            if record.state is State.RUNNING and now > record.started_at + record.spec.max_runtime_seconds:
                record.state, record.ended, record.ended_at = State.TIMEOUT, "chain", now
                self.books.settle(record, Usage())
                self.world.note(f"chain: {job_id} timed out")

    # --- customers ---

    def cancel(self, job_id: str) -> None:
        record = self.books.jobs[job_id]
        if record.state in (State.PENDING, State.QUEUED, State.RUNNING):
            record.state, record.ended, record.ended_at = State.CANCELLED, "customer", self.world.now()
            self.books.settle(record, Usage())
            self.cancels.append((self.height + 1, job_id))
            self.world.note(f"chain: {job_id} cancelled by its customer")

    def cancel_some_job(self) -> None:
        """Cancels a job of the customer at this moment."""
        alive = [job_id for job_id, record in self.books.jobs.items() if record.state not in TERMINAL]
        if alive:
            self.cancel(self.world.dice.choice(alive))

    def end_was_reported(self, name: str) -> bool:
        return any(
            record.by_report is not None for record in self.books.jobs.values() if record.slurm_name == name
        )

    def find(self, tx_hash: str, lag: int) -> TxOutcome | None:
        found = self.included.get(tx_hash)
        return found if found and found.height <= self.view().height - lag else None

    def cancelled_since(self, height: int, lag: int) -> Sequence[str]:
        seen = self.view().height - lag
        return [job_id for at, job_id in self.cancels if height <= at <= seen]
