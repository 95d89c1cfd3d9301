"""Ledger -> chain, for one key: one open transaction at a time, stored before it is sent, and GetTx decides what became of it."""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import structlog
from google.protobuf.any_pb2 import Any

from provider_daemon.chain import tx as transactions
from provider_daemon.chain.broadcast import INDEX_LAG
from provider_daemon.chain.keys import Signer
from provider_daemon.errors import Refused
from provider_daemon.job.lifecycle import confirm
from provider_daemon.job.report_cost import BLOCK_GAS
from provider_daemon.job.state import State
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message, OpenTx
from provider_daemon.loops import same_chain
from provider_daemon.loops.blame import Blame
from provider_daemon.loops.job_records import JobRecords
from provider_daemon.loops.lanes import choose
from provider_daemon.ports import Chain, Clock, TxOutcome
from provider_daemon.troubles import Troubles

log = structlog.get_logger("provd.outbox")

GAS_ADJUSTMENT = 1.2  # on the simulated gas: the stored job can grow between simulation and block
OUT_OF_GAS_ADJUSTMENT = 2.0  # after a transaction ran out of gas all the same
COMPARISONS = 3  # times that a tick compares the next messages' jobs with the chain, when some of them may not be reported
GAS_GUESS = 100_000  # a message, for the fee that the simulation is asked with
ALREADY_IN_MEMPOOL, OUT_OF_GAS, INSUFFICIENT_FUNDS = 19, 11, 5  # codespace sdk


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """`max_gas` and `max_fee` (in `fee_denom`) are one transaction's ceilings; `timeout_blocks`: how long it may wait to be included."""

    fee_denom: str = "uve"
    max_gas: int = 50_000_000
    max_fee: int = 10_000_000
    timeout_blocks: int = 20
    max_messages: int = 100


@dataclass(frozen=True, slots=True)
class _Draft:
    """A simulated transaction, ready to be signed."""

    messages: list[Message]
    account_number: int
    sequence: int
    gas_limit: int
    fee: int
    height: int


class Outbox:
    """`poke` wakes the loops that wait for a confirmation."""

    def __init__(
        self,
        ledger: Ledger,
        chain: Chain,
        signer: Signer,
        settings: OutboxSettings,
        clock: Clock,
        poke: Callable[[], None],
        troubles: Troubles | None = None,
    ) -> None:
        self._ledger = ledger
        self._chain = chain
        self._signer = signer
        self._settings = settings
        self._clock = clock
        self._poke = poke
        self._troubles = troubles or Troubles()
        self._records = JobRecords(ledger, chain, clock)
        self._blame = Blame(ledger, self._records, clock, poke)
        self._adjustment = GAS_ADJUSTMENT
        self._block_gas = sys.maxsize

    def reconfigure(self, settings: OutboxSettings) -> None:
        """A tick under way goes on with it: what is signed by then stays as it was signed."""
        self._settings = settings

    async def tick(self) -> None:
        same_chain.insist(self._ledger)
        if (tx := self._ledger.open_tx(self._signer.address)) is not None:
            await self._resolve(tx)
        if self._ledger.open_tx(self._signer.address) is None:
            await self._send_next()

    # --- the open transaction ---

    async def _resolve(self, tx: OpenTx) -> None:
        head = await self._chain.head()
        outcome = await self._chain.find(tx.tx_hash, tx.tx_bytes)
        if outcome is None and head.height > tx.timeout_height + INDEX_LAG:
            outcome = await self._chain.find_by_sequence(tx.signer, tx.sequence)
            if outcome is None or outcome.tx_hash != tx.tx_hash:
                self._expire(tx, outcome)
                return
        if outcome is None:
            await self._chain.broadcast(tx.tx_bytes)  # the same bytes: whatever CheckTx says, GetTx decides
        elif outcome.ok:
            self._included(tx, outcome)
        else:
            await self._rejected(tx, outcome)

    def _expire(self, tx: OpenTx, other: TxOutcome | None) -> None:
        with self._ledger.write():
            self._ledger.close_tx(tx, "expired", note=f"not included by height {tx.timeout_height}")
        if other is not None:
            log.error("foreign_tx", signer=tx.signer, sequence=tx.sequence, tx=other.tx_hash, next="give provd a key of its own")
        log.warning("tx_expired", tx=tx.tx_hash, timeout_height=tx.timeout_height, next="its messages go into a new transaction")

    def _included(self, tx: OpenTx, outcome: TxOutcome) -> None:
        messages, now = self._ledger.messages_of_tx(tx.id), self._clock.now()
        with self._ledger.write():
            self._ledger.close_tx(tx, "included", height=outcome.height, gas_used=outcome.gas_used)
            for message in messages:
                self._confirmed(message, tx, outcome, now)
        self._adjustment = GAS_ADJUSTMENT
        log.info("tx_included", tx=tx.tx_hash, height=outcome.height, messages=len(messages), gas_used=outcome.gas_used, fee=tx.fee)
        self._poke()

    def _confirmed(self, message: Message, tx: OpenTx, outcome: TxOutcome, now: float) -> None:
        if message.kind != "report" or (job := self._ledger.job(message.subject)) is None:
            return
        started = int(now) if message.state == State.RUNNING else 0
        self._ledger.save_job(confirm(job, State(message.state), started))
        self._ledger.add_event(message.subject, "report_confirmed", f"{message.state} tx={tx.tx_hash} height={outcome.height}", now)

    async def _rejected(self, tx: OpenTx, outcome: TxOutcome) -> None:
        """Included with a code: the fee is gone or not, the messages are not done. The one that the log names is looked into."""
        messages, index = self._ledger.messages_of_tx(tx.id), transactions.failed_message_index(outcome.log)
        if outcome.code == OUT_OF_GAS and outcome.codespace == "sdk":
            self._adjustment = OUT_OF_GAS_ADJUSTMENT
        with self._ledger.write():
            self._ledger.close_tx(tx, "failed", height=outcome.height, code=outcome.code, gas_used=outcome.gas_used, note=outcome.log)
        log.warning("tx_failed", tx=tx.tx_hash, code=outcome.code, codespace=outcome.codespace, why=outcome.log, next="sends again")
        if index is not None and index < len(messages):
            await self._blame.look_into(messages[index], outcome.log)

    # --- the next transaction ---

    async def _send_next(self) -> None:
        messages = await self._due()
        draft = await self._draft(messages) if messages else None
        if draft is None:
            return
        tx = self._sign(draft)
        with self._ledger.write():
            if not self._ledger.all_wait(draft.messages):
                return  # a newer heartbeat took the place of one: the ledger must say exactly what the transaction holds
            tx = self._ledger.add_tx(tx, draft.messages)
        answer = await self._chain.broadcast(tx.tx_bytes)
        if answer.ok or (answer.codespace == "sdk" and answer.code == ALREADY_IN_MEMPOOL):
            self._accepted()
        else:
            self._not_taken(tx, answer)

    async def _due(self) -> list[Message]:
        """What goes next: no report of a job whose record on chain was not found to be the ledger's. Others take its place."""
        held: frozenset[str] = frozenset()
        for _ in range(COMPARISONS):
            waiting = self._ledger.waiting_messages(self._signer.address)
            messages = choose([message for message in waiting if _about(message) not in held], self._settings.max_messages)
            found = await self._records.disagreeing(messages)
            if not found:
                return messages
            held |= found
        return [message for message in messages if _about(message) not in held]

    def _refused(self, code: int, why: str) -> None:
        """Not about one of its messages: nothing can be sent until somebody acts."""
        event = "wallet_empty" if code == INSUFFICIENT_FUNDS else "tx_refused"
        if self._troubles.begins(event, self._signer.address, self._clock.now()):
            log.error(event, signer=self._signer.address, code=code, why=why, next="reports wait; tries again at every tick")

    def _accepted(self) -> None:
        for event in ("wallet_empty", "tx_refused"):
            if self._troubles.ends(event, self._signer.address):
                log.info("tx_taken_again", signer=self._signer.address, after=event)

    def _not_taken(self, tx: OpenTx, answer: TxOutcome) -> None:
        """CheckTx refused the very first send, so these bytes are in no mempool and can be given up at once."""
        with self._ledger.write():
            self._ledger.close_tx(tx, "failed", code=answer.code, note=answer.log)
        if answer.codespace == "sdk" and answer.code == INSUFFICIENT_FUNDS:
            self._refused(answer.code, answer.log)
            return
        self._learn_ceiling(answer.log)
        log.warning("tx_not_taken", code=answer.code, codespace=answer.codespace, why=answer.log, next="tries again at the next tick")

    def _sign(self, draft: _Draft) -> OpenTx:
        timeout_height = draft.height + self._settings.timeout_blocks
        signed = transactions.build(
            [_any(message) for message in draft.messages],
            signer=self._signer,
            chain_id=self._chain.chain_id,
            account_number=draft.account_number,
            sequence=draft.sequence,
            gas_limit=draft.gas_limit,
            fee=draft.fee,
            fee_denom=self._settings.fee_denom,
            timeout_height=timeout_height,
        )
        now = self._clock.now()
        return OpenTx(0, self._signer.address, signed.tx_hash, signed.tx_bytes, draft.sequence, timeout_height, draft.fee, now)

    async def _draft(self, messages: list[Message]) -> _Draft | None:
        """The largest first part of the messages that the chain would take within both ceilings; None when there is none now."""
        account = await self._chain.account(self._signer.address)
        price, head = await self._chain.gas_price(self._settings.fee_denom), await self._chain.head()
        while messages:
            try:
                gas = await self._simulate(messages, account.sequence, price, head.height)
            except Refused as error:
                if not self._learn_ceiling(str(error)) and not await self._set_aside(messages, error):
                    return None
                continue
            limit = math.ceil(gas * self._adjustment)
            fee = math.ceil(limit * price)
            if limit <= self._max_gas and fee <= self._settings.max_fee:
                return _Draft(messages, account.number, account.sequence, limit, fee, head.height)
            messages = self._shorten(messages, limit, fee)
        return None

    async def _simulate(self, messages: Sequence[Message], sequence: int, price: Decimal, height: int) -> int:
        guess = min(GAS_GUESS * len(messages), self._max_gas)
        return await self._chain.simulate(
            transactions.for_simulation(
                [_any(message) for message in messages],
                public_key=self._signer.public_key,
                sequence=sequence,
                gas_limit=guess,
                fee=math.ceil(guess * price),
                fee_denom=self._settings.fee_denom,
                timeout_height=height + self._settings.timeout_blocks,
            )
        )

    @property
    def _max_gas(self) -> int:
        return min(self._settings.max_gas, self._block_gas)

    def _learn_ceiling(self, refusal: str) -> bool:
        """A block's own ceiling, which a chain names only when it refuses more; whether it is news."""
        said = transactions.block_gas(refusal)
        if said is None or said >= self._max_gas:
            return False
        self._block_gas = said
        with self._ledger.write():
            self._ledger.set_meta(BLOCK_GAS, str(said))
        log.info("gas_ceiling", signer=self._signer.address, max_gas=said, next="transactions stay below what the chain takes")
        return True

    async def _set_aside(self, messages: list[Message], error: Refused) -> bool:
        """Takes the message that the chain refuses (and what hangs on it) out of the list; False when it is not about a message."""
        if error.message_index is None or error.message_index >= len(messages):
            self._refused(error.code, str(error))
            return False
        culprit = messages[error.message_index]
        await self._blame.look_into(culprit, str(error))
        messages[:] = [message for message in messages if message.subject != culprit.subject or message.kind != culprit.kind]
        return True

    def _shorten(self, messages: list[Message], limit: int, fee: int) -> list[Message]:
        """A price passes, so a message that is too dear waits; one that needs too much gas always will."""
        if len(messages) > 1:
            return choose(messages, len(messages) // 2)
        if limit > self._max_gas:
            ours = self._max_gas == self._settings.max_gas
            why = "raise chain.max_gas, then unpark" if ours else "the chain lets no transaction ask for more"
            self._blame.park(messages[0], f"one report would need {limit} gas, over the ceiling of {self._max_gas}: {why}")
        else:
            self._refused(0, f"the chain's price makes the fee of one message {fee}, over chain.max_fee ({self._settings.max_fee})")
        return []


def _about(message: Message) -> str:
    """The job of a report; empty for what is about none."""
    return message.subject if message.kind == "report" else ""


def _any(message: Message) -> Any:
    return Any.FromString(message.body)
