"""Errors about the chain: what was sent, its outcome, and its records."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from provider_daemon.chain.broadcast import INDEX_LAG
from provider_daemon.errors import Unreadable
from provider_daemon.job.job import Job
from provider_daemon.job.lifecycle import confirm
from provider_daemon.job.spec import ChainJob
from provider_daemon.job.state import TERMINAL, State
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message, OpenTx
from provider_daemon.loops import advance, chain_changes, drafts, intake, outbox, rejections, reporting
from provider_daemon.loops.customer_gate import AdmissionBatch
from provider_daemon.loops.sending_problems import Problem
from provider_daemon.ports import TxOutcome
from tests.simulation.wrong import Changes

START, SEND_NEXT, DRAFT, REJECTED, SHORTEN = (
    outbox.Outbox.__init__,
    outbox.Outbox._send_next,
    outbox.Outbox._draft,
    outbox.Outbox._rejected,
    drafts.Drafts._shorten,
)
CANCELLED, REREAD = chain_changes.ChainChanges._cancelled, chain_changes.ChainChanges._reread
LOOK_INTO, CONSIDERED = rejections.Rejections.look_into, intake.Intake._considered

# --- sending ---


def never_expires(
    self: Any, ledger: Any, chain: Any, signer: Any, settings: Any, clock: Any, poke: Any, ongoing: Any = None
) -> None:
    START(self, ledger, chain, signer, replace(settings, timeout_blocks=10**9), clock, poke, ongoing)


async def stored_after_the_send(self: Any) -> None:
    messages = self._ledger.waiting_messages(self._signer.address)[: self._settings.max_messages]
    draft = await self._draft(messages) if messages else None
    if draft is None:
        return
    tx = self._sign(draft)
    answer = await self._chain.broadcast(tx.tx_bytes)
    if answer.ok:
        with self._ledger.write():
            self._ledger.add_tx(tx, draft.messages)


async def confirmed_by_check_tx(self: Any) -> None:
    await SEND_NEXT(self)
    if (tx := self._ledger.open_tx(self._signer.address)) is not None:
        self._included(tx, TxOutcome(tx.tx_hash, 1, 0, "", ""))


async def any_code_is_success(self: Any, tx: OpenTx, outcome: TxOutcome) -> None:
    self._included(tx, outcome)


async def sequence_is_used(self: Any, tx: OpenTx, outcome: TxOutcome) -> None:
    """Included, so the sequence must be used: also with code 30, which does not use it."""
    self._next_sequence = tx.sequence + 1
    await REJECTED(self, tx, outcome)


async def drafted_from_memory(self: Any, messages: list[Message]) -> Any:
    draft = await DRAFT(self, messages)
    return draft and replace(draft, sequence=max(draft.sequence, getattr(self, "_next_sequence", 0)))


async def any_tx_is_ours(self: Any, tx: OpenTx) -> None:
    """Whatever used our sequence is considered our transaction."""
    head, outcome = await self._chain.head(), await self._chain.find(tx.tx_hash)
    if outcome is None and head.height > tx.timeout_height + INDEX_LAG:
        outcome = await self._chain.find_by_sequence(tx.signer, tx.sequence)
        if outcome is None:
            self._expire(tx, None)
            return
    if outcome is None:
        await self._chain.broadcast(tx.tx_bytes)
    elif outcome.ok:
        self._included(tx, outcome)
    else:
        await self._rejected(tx, outcome)


async def given_up_by_height(self: Any, tx: OpenTx) -> None:
    """A transaction not found just after its timeout height is given up.

    This is wrong because the node's index may be behind.
    """
    head, outcome = await self._chain.head(), await self._chain.find(tx.tx_hash)
    if outcome is None and head.height >= tx.timeout_height:
        self._expire(tx, None)
    elif outcome is None:
        await self._chain.broadcast(tx.tx_bytes)
    elif outcome.ok:
        self._included(tx, outcome)
    else:
        await self._rejected(tx, outcome)


def kept_open(self: Any, tx: OpenTx, other: TxOutcome | None) -> None:
    return None


def not_released(self: Any, tx: OpenTx, status: str, **more: Any) -> None:
    """A message that was not included does not wait again."""
    self._run(
        "close_tx", id=tx.id, status=status, **{"height": 0, "code": 0, "gas_used": 0, "note": "", **more}
    )
    if status == "included":
        self._run("confirm_messages", tx_id=tx.id)


def same_bytes_are_an_error(self: Any, tx: OpenTx, messages: Sequence[Message]) -> OpenTx:
    if any(row.tx_hash == tx.tx_hash for row in self.last_txs(1000)):
        self._db.execute("INSERT INTO meta (key, value) VALUES ('a', NULL)")
    return ADD_TX(self, tx, messages)


ADD_TX = Ledger.add_tx


def empty_wallet_is_the_messages_fault(
    self: Any, messages: list[Message], limit: int, fee: int, held: Any
) -> Any:
    if held.ceiling.problem is Problem.WALLET_EMPTY:
        self._rejections.park(messages[0], held.ceiling.why)
    return SHORTEN(self, messages, limit, fee, held)


# --- reports of a job ---


def straight(reported: State, state: State, *, ran: bool = False) -> tuple[State, ...]:
    return () if reported == state or reported in TERMINAL else (state,)


async def dropped_unseen(self: Any, message: Message, why: str) -> None:
    """A refused report is considered one that is already true."""
    with self._ledger.write():
        self._ledger.drop_reports(message.subject, why)
        if job := self._ledger.job(message.subject):
            self._ledger.save_job(confirm(job, State(message.state)))


async def bad_record_stops_the_key(self: Any, message: Message, why: str) -> None:
    if message.kind == "report":
        await self._records._chain.job(message.subject)
    await LOOK_INTO(self, message, why)


async def bad_record_stops_all(self: Any, jobs: Sequence[Job]) -> None:
    records = await asyncio.gather(*(self._chain.job(job.spec.job_id) for job in jobs))
    for job, record in zip(jobs, records, strict=True):
        if record is not None:
            self._learn(job.spec.job_id, record)


async def cancels_by_event(self: Any, height: int, job_ids: frozenset[str]) -> frozenset[str]:
    self._told = await CANCELLED(self, height, job_ids)
    return frozenset(self._told)


async def reread_by_event(self: Any, jobs: Sequence[Job]) -> None:
    """No sweep over all open jobs."""
    await REREAD(self, [job for job in jobs if job.spec.job_id in self._told])


async def missing_is_a_gap(
    self: Any, job_id: str, record: ChainJob | BaseException | None, decided: AdmissionBatch
) -> list[Job]:
    return [] if record is None else await CONSIDERED(self, job_id, record, decided)


async def unreadable_is_skipped(
    self: Any, job_id: str, record: ChainJob | BaseException | None, decided: AdmissionBatch
) -> list[Job]:
    return [] if isinstance(record, Unreadable) else await CONSIDERED(self, job_id, record, decided)


def forgets_the_chain(ours: Job, before: Job, newest: Job) -> Job:
    return ours


def forgets_the_park(ours: Job, before: Job, newest: Job) -> Job:
    return replace(MERGE(ours, before, newest), parked=None)


MERGE = advance.merge

CHAIN: dict[str, Changes] = {
    "no timeout_height": ((outbox.Outbox, "__init__", never_expires),),
    "a transaction stored after the send": ((outbox.Outbox, "_send_next", stored_after_the_send),),
    "confirmed by CheckTx": ((outbox.Outbox, "_send_next", confirmed_by_check_tx),),
    "any code is success": ((outbox.Outbox, "_rejected", any_code_is_success),),
    "code 30 uses the sequence": (
        (outbox.Outbox, "_rejected", sequence_is_used),
        (outbox.Outbox, "_draft", drafted_from_memory),
    ),
    "a foreign transaction counts as ours": ((outbox.Outbox, "_resolve", any_tx_is_ours),),
    "a lagging index is trusted": ((outbox.Outbox, "_resolve", given_up_by_height),),
    "an expired transaction stays open": ((outbox.Outbox, "_expire", kept_open),),
    "what was not included is not released": ((Ledger, "close_tx", not_released),),
    "the same bytes are an error": ((Ledger, "add_tx", same_bytes_are_an_error),),
    "an empty wallet is the job's fault": ((drafts.Drafts, "_shorten", empty_wallet_is_the_messages_fault),),
    "no way through the states between": ((reporting, "route", straight),),
    "refused evidence is dropped": ((rejections, "ENDED_BY_CHAIN", frozenset()),),
    "a refused report is taken for true": ((rejections.Rejections, "look_into", dropped_unseen),),
    "an endpoint that is behind parks a job": ((rejections, "PATIENCE", 0),),
    "an unreadable record stops the key": ((rejections.Rejections, "look_into", bad_record_stops_the_key),),
    "an unreadable record stops intake": ((chain_changes.ChainChanges, "_reread", bad_record_stops_all),),
    "a missing record is a gap": ((intake.Intake, "_considered", missing_is_a_gap),),
    "an unreadable record is skipped": ((intake.Intake, "_considered", unreadable_is_skipped),),
    "changes without an event are never seen": (
        (chain_changes, "CANCEL_OVERLAP", 0),
        (chain_changes.ChainChanges, "_cancelled", cancels_by_event),
        (chain_changes.ChainChanges, "_reread", reread_by_event),
    ),
    "the chain's changes during a tick are lost": ((advance, "merge", forgets_the_chain),),
    "a park is forgotten": ((advance, "merge", forgets_the_park),),
}
