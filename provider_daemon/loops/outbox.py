"""Ledger -> chain, for one key: one open transaction at a time, stored before it is sent.

Theory of operation. Every transaction carries the account's sequence, and the chain includes one transaction
for each sequence. A key has at most one open transaction (a unique index of the ledger), and the next one is
signed only when this one is closed:

  included  It is in a block with code 0. Its messages are confirmed, and `reported` of its jobs moves.
  failed    It is in a block with another code, or CheckTx refused its first send, or another one replaced it.
  expired   No block has it, and its timeout height passed more than INDEX_LAG blocks ago or another
            transaction has used its sequence; or the account is still below its sequence, so what is sent now
            comes first.

The messages of a failed or expired transaction wait again, and the next one may carry them. Where a block's
log names the message that failed, the chain's record of its job decides what becomes of that message
(rejections.py).

Each tick settles the open transaction, then sends the next one if none is open. To settle it, GetTx is called
with its hash; past its timeout height, its sequence is searched too. While it is in no block, the *same
bytes* are broadcast again. CheckTx's answer confirms nothing; it only shows what is wrong. If the fee has
become too low, a transaction with the same messages, the same sequence and a higher fee replaces the open
one: at most one of the two is ever included. If the sequence is used, the transaction that used it is
searched. A problem of the key (an empty wallet, for example) is shown while it lasts.

The next transaction holds the newest jobs' reports and heartbeats beside the oldest reports (batching.py). It
has a sequence that the ledger or the chain explains (sequence.py), and a gas limit and a fee within the
ceilings and a timeout height (drafts.py). Before it is signed, the chain's record of each job that it reports
about is compared (job_records.py). It is stored with its messages in one commit, and only then broadcast.

An endpoint that is behind can make us give up a transaction that is included after all. Before a higher
sequence is used, those below it are searched; a transaction of ours that is found there is taken back
(`_take_back`) and settled as what it is. If it and a later one carry the same report, the chain refuses the
second.

A kill leaves messages that wait, or one open transaction with its hash and bytes: the next start is an
ordinary tick. Only the state in memory (price trend, gas factors, since when a problem lasts) is lost.
"""

from collections.abc import Callable

import structlog

from provider_daemon.chain import tx as transactions
from provider_daemon.chain.broadcast import INDEX_LAG
from provider_daemon.chain.keys import Signer
from provider_daemon.job.lifecycle import confirm
from provider_daemon.job.state import State
from provider_daemon.ledger import sending
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message, OpenTx
from provider_daemon.loops import chain_identity
from provider_daemon.loops.drafts import Draft, Drafts, OutboxSettings, packed
from provider_daemon.loops.foreign_transactions import ForeignTransactions
from provider_daemon.loops.job_records import JobRecords
from provider_daemon.loops.rejections import Rejections
from provider_daemon.loops.sending_problems import PROBLEMS, Problem, SendingProblems
from provider_daemon.loops.sequence import Sequences
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Account, Chain, Clock, TxOutcome
from provider_daemon.refusals import Refusal, classify, expected_sequence
from provider_daemon.result_codes import SDK, SdkCode

__all__ = ["Outbox", "OutboxSettings"]

log = structlog.get_logger("provd.outbox")

COMPARISONS = 3  # drafts per tick, when some of the jobs in them may not be reported
# half of the 120 s after which the chain marks nodes stale: reports that wait longer make no progress
STALLED_SECONDS = 60.0
AHEAD_TICKS = 2  # consecutive ticks in which CheckTx expects a lower sequence than the open transaction has


class Outbox:
    """Sends one key's messages. `poke` wakes the loops that wait for a confirmation."""

    def __init__(
        self,
        ledger: Ledger,
        chain: Chain,
        signer: Signer,
        settings: OutboxSettings,
        clock: Clock,
        poke: Callable[[], None],
        ongoing: OngoingProblems | None = None,
    ) -> None:
        self._ledger = ledger
        self._chain = chain
        self._signer = signer
        self._settings = settings
        self._clock = clock
        self._poke = poke
        ongoing = ongoing or OngoingProblems()
        self._problems = SendingProblems(signer.address, ongoing)
        records = JobRecords(ledger, chain, clock)
        self._rejections = Rejections(ledger, records, clock, poke)
        self._drafts = Drafts(ledger, chain, signer, self._problems, self._rejections, records, ongoing)
        self._sequences = Sequences(ledger, chain, signer.address)
        self._foreign = ForeignTransactions(ledger, signer.address, ongoing)
        self._progress_at = clock.now()
        # hash of the open transaction, and in how many ticks CheckTx expected a lower sequence
        self._ahead: tuple[str, int] = ("", 0)

    def reconfigure(self, settings: OutboxSettings) -> None:
        """Replaces the settings. Transactions that a running tick has already signed stay as they are."""
        self._settings = settings

    async def tick(self) -> None:
        chain_identity.require(self._ledger)
        self._foreign.forget(self._clock.now())
        if (tx := self._ledger.open_tx(self._signer.address)) is not None:
            await self._resolve(tx)
        if self._ledger.open_tx(self._signer.address) is None:
            await self._send_next()

    def stalled(self, now: float) -> str:
        """Returns why nothing is sent although ticks succeed; '' if reports are included or none waits."""
        if self._problems.why:
            return self._problems.why
        waiting = sending.oldest_report(self._ledger, self._signer.address)
        silent = now - max(self._progress_at, waiting[0]) if waiting else 0.0
        if waiting is None or silent < STALLED_SECONDS:
            return ""
        return f"no transaction of the key was included for {silent:.0f} s; {waiting[1]} reports wait"

    # --- the open transaction ---

    async def _resolve(self, tx: OpenTx) -> None:
        head = await self._chain.head()
        outcome = await self._chain.find(tx.tx_hash, tx.tx_bytes)
        if outcome is None and head.height > tx.timeout_height + INDEX_LAG:
            outcome = await self._chain.find_by_sequence(tx.signer, tx.sequence)
            if outcome is None or outcome.tx_hash != tx.tx_hash:
                await self._superseded(tx, outcome)
                return
        if outcome is not None:
            await self._settle(tx, outcome)
            return
        # the same bytes: whatever CheckTx returns, GetTx decides
        answer = await self._chain.broadcast(tx.tx_bytes)
        await self._reconsider(tx, answer)

    async def _settle(self, tx: OpenTx, outcome: TxOutcome) -> None:
        if outcome.ok:
            self._included(tx, outcome)
        else:
            await self._rejected(tx, outcome)

    async def _superseded(self, tx: OpenTx, other: TxOutcome | None) -> None:
        """Closes a transaction that can no longer be included: it timed out, or `other` used its sequence."""
        self._expire(tx, other)
        if other is not None:
            await self._take_back(other)

    def _expire(self, tx: OpenTx, other: TxOutcome | None) -> None:
        with self._ledger.write():
            self._ledger.close_tx(tx, "expired", note=f"not included by height {tx.timeout_height}")
        log.warning(
            "tx_expired",
            tx=tx.tx_hash,
            timeout_height=tx.timeout_height,
            next="its messages are sent in a new transaction",
        )

    async def _reconsider(self, tx: OpenTx, answer: TxOutcome) -> None:
        """Handles CheckTx's answer to a repeated broadcast of the same bytes."""
        refusal = classify(answer.code, answer.codespace, answer.log)
        if answer.ok or refusal is Refusal.IN_MEMPOOL:
            self._problems.clear()
        elif refusal is Refusal.FEE:
            await self._replace(tx, answer)
        elif refusal is Refusal.SEQUENCE:
            await self._wrong_sequence(tx, answer)
        elif refusal in PROBLEMS:
            self._problems.start(PROBLEMS[refusal], answer.log, self._clock.now(), answer.code)

    async def _wrong_sequence(self, tx: OpenTx, answer: TxOutcome) -> None:
        """Handles a sequence error: the sequence is used, or CheckTx repeatedly expects a lower one."""
        expected = expected_sequence(answer.log)
        if expected is None or expected == tx.sequence:
            return
        if expected > tx.sequence:
            other = await self._chain.find_by_sequence(tx.signer, tx.sequence)
            if other is not None and other.tx_hash != tx.tx_hash:
                await self._superseded(tx, other)
            return
        ticks = self._ahead[1] + 1 if self._ahead[0] == tx.tx_hash else 1
        self._ahead = (tx.tx_hash, ticks)
        reached = (await self._chain.account(tx.signer)).sequence
        if ticks >= AHEAD_TICKS and reached < tx.sequence and not self._is_next(tx):
            # The next transaction has a lower sequence, so it is included first in any case, and the chain
            # refuses a second copy of a report.
            self._expire(tx, None)

    def _is_next(self, tx: OpenTx) -> bool:
        """Returns whether the ledger expects this sequence; an endpoint that expects a lower one lags."""
        return sending.next_sequence(self._ledger, tx.signer) == tx.sequence

    async def _replace(self, tx: OpenTx, answer: TxOutcome) -> None:
        """Replaces the open transaction by one with the same messages and sequence and a higher fee."""
        fee = transactions.decode(tx.tx_bytes).auth_info.fee
        self._drafts.require(answer.log, fee.gas_limit, (await self._chain.head()).height, self._settings)
        self._problems.start(Problem.FEE_TOO_LOW, answer.log, self._clock.now(), answer.code)
        draft = await self._draft(self._ledger.messages_of_tx(tx.id))
        if draft is None or draft.sequence != tx.sequence or draft.fee <= tx.fee:
            return
        following = "sent again with a higher fee and the same sequence; at most one of the two is included"
        log.warning(
            "tx_replaced", tx=tx.tx_hash, fee=tx.fee, new_fee=draft.fee, why=answer.log, next=following
        )
        with self._ledger.write():
            self._ledger.close_tx(tx, "failed", code=answer.code, note=answer.log)
            if not self._ledger.all_wait(draft.messages):
                return
            new = self._ledger.add_tx(self._sign(draft), draft.messages)
        await self._send(new)

    # --- what is in a block ---

    def _included(self, tx: OpenTx, outcome: TxOutcome) -> None:
        messages, now = self._ledger.messages_of_tx(tx.id), self._clock.now()
        with self._ledger.write():
            self._ledger.close_tx(tx, "included", height=outcome.height, gas_used=outcome.gas_used)
            for message in messages:
                self._confirmed(message, tx, outcome, now)
        self._progress_at = now
        self._drafts.gas.was_enough()
        log.info(
            "tx_included",
            tx=tx.tx_hash,
            height=outcome.height,
            messages=len(messages),
            gas_used=outcome.gas_used,
            fee=tx.fee,
        )
        self._poke()

    def _confirmed(self, message: Message, tx: OpenTx, outcome: TxOutcome, now: float) -> None:
        if message.kind != "report" or (job := self._ledger.job(message.subject)) is None:
            return
        started = int(now) if message.state == State.RUNNING else 0
        state = State(message.state)
        self._ledger.save_job(confirm(job, state, started))
        where = f"{state} tx={tx.tx_hash} height={outcome.height}"
        self._ledger.add_event(message.subject, EventKind.REPORT_CONFIRMED, where, now, state)

    async def _rejected(self, tx: OpenTx, outcome: TxOutcome) -> None:
        """Handles a transaction that failed in a block: the message that the log names is examined."""
        messages, index = self._ledger.messages_of_tx(tx.id), transactions.failed_message_index(outcome.log)
        if (outcome.codespace, outcome.code) == (SDK, SdkCode.OUT_OF_GAS):
            self._drafts.gas.ran_out()
        with self._ledger.write():
            self._ledger.close_tx(
                tx,
                "failed",
                height=outcome.height,
                code=outcome.code,
                gas_used=outcome.gas_used,
                note=outcome.log,
            )
        following = "the transaction's messages are sent again, except reports that are no longer due"
        log.warning(
            "tx_failed",
            tx=tx.tx_hash,
            code=outcome.code,
            codespace=outcome.codespace,
            why=outcome.log,
            next=following,
        )
        # otherwise the index counts messages that were dropped
        whole = len(messages) == len(transactions.decode(tx.tx_bytes).body.messages)
        if index is not None and index < len(messages) and whole:
            await self._rejections.look_into(messages[index], outcome.log)

    async def _take_back(self, other: TxOutcome) -> None:
        """Settles a transaction that used a sequence: ours that was given up, or else a foreign one."""
        if sending.is_known(self._ledger, other.tx_hash) and other.tx_hash not in {
            tx.tx_hash for tx in self._sequences.given_up()
        }:
            return  # it was settled before
        ours = next((tx for tx in self._sequences.given_up() if tx.tx_hash == other.tx_hash), None)
        if ours is None:
            self._foreign.found(other, self._clock.now())
            return
        bodies = {message.SerializeToString() for message in transactions.decode(ours.tx_bytes).body.messages}
        with self._ledger.write():
            tx = sending.take_back(self._ledger, ours, bodies)
        if tx is not None:
            following = "its messages are recorded as confirmed or failed"
            log.info("tx_found_late", tx=ours.tx_hash, height=other.height, next=following)
            await self._settle(tx, other)

    # --- the next transaction ---

    async def _send_next(self) -> None:
        draft = await self._agreed_draft()
        if draft is None:
            return
        tx = self._sign(draft)
        with self._ledger.write():
            if not self._ledger.all_wait(draft.messages):
                # a newer heartbeat replaced one of the messages: the ledger must list exactly what the
                # transaction holds
                return
            tx = self._ledger.add_tx(tx, draft.messages)
        await self._send(tx)

    async def _agreed_draft(self) -> Draft | None:
        """Returns a draft after comparing its jobs' records: the chain may have replaced one meanwhile."""
        held: frozenset[str] = frozenset()
        for _ in range(COMPARISONS):
            messages = self._drafts.choose(self._settings, self._clock.now(), held)
            if not messages and self._sequences.given_up():
                await self._account()  # a transaction that was given up may be in a block after all
            draft = await self._draft(messages) if messages else None
            found = await self._drafts.disagreeing(draft) if draft else frozenset[str]()
            if not found:
                return draft
            held |= found
        return None

    async def _draft(self, messages: list[Message]) -> Draft | None:
        """Drafts the messages; None if nothing can be sent now."""
        account = await self._account()
        return (
            await self._drafts.make(messages, account, self._settings, self._clock.now()) if account else None
        )

    async def _account(self) -> Account | None:
        turn = await self._sequences.next(self._clock.now())
        for other in turn.found:
            await self._take_back(other)
        if turn.why_not:
            self._problems.suspect(Problem.SEQUENCE_UNEXPLAINED, turn.why_not, self._clock.now())
            return None
        return turn.account

    async def _send(self, tx: OpenTx) -> None:
        answer = await self._chain.broadcast(tx.tx_bytes)
        if answer.ok or classify(answer.code, answer.codespace, answer.log) is Refusal.IN_MEMPOOL:
            self._problems.clear()
        else:
            self._not_taken(tx, answer)

    def _not_taken(self, tx: OpenTx, answer: TxOutcome) -> None:
        """Closes a transaction that CheckTx refused at its first broadcast, so that it is in no mempool."""
        with self._ledger.write():
            self._ledger.close_tx(tx, "failed", code=answer.code, note=answer.log)
        refusal = classify(answer.code, answer.codespace, answer.log)
        if refusal in PROBLEMS:
            self._problems.start(PROBLEMS[refusal], answer.log, self._clock.now(), answer.code)
            if refusal is Refusal.FEE:
                gas_limit = transactions.decode(tx.tx_bytes).auth_info.fee.gas_limit
                self._drafts.require(
                    answer.log, gas_limit, tx.timeout_height - self._settings.timeout_blocks, self._settings
                )
            return
        if refusal is Refusal.TIMEOUT_HEIGHT:
            self._drafts.distrust_clamp(self._clock.now())
        if refusal is Refusal.OUT_OF_GAS:
            self._drafts.gas.ran_out()
        if refusal is Refusal.SEQUENCE:
            self._problems.suspect(Problem.SEQUENCE_UNEXPLAINED, answer.log, self._clock.now(), answer.code)
        self._drafts.learn_block_gas(answer.log, self._settings)
        following = "no fee was paid; the messages are sent again at the next tick"
        log.warning(
            "tx_not_accepted", code=answer.code, codespace=answer.codespace, why=answer.log, next=following
        )

    def _sign(self, draft: Draft) -> OpenTx:
        signed = transactions.build(
            [packed(message) for message in draft.messages],
            signer=self._signer,
            chain_id=self._chain.chain_id,
            account_number=draft.account_number,
            sequence=draft.sequence,
            gas_limit=draft.gas_limit,
            fee=draft.fee,
            fee_denom=self._settings.fee_denom,
            timeout_height=draft.timeout_height,
        )
        now = self._clock.now()
        return OpenTx(
            0,
            self._signer.address,
            signed.tx_hash,
            signed.tx_bytes,
            draft.sequence,
            draft.timeout_height,
            draft.fee,
            now,
        )
