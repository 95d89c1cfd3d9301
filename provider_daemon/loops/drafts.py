"""Drafts a key's next transaction: messages, sequence, gas limit and fee, within all limits."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import structlog
from google.protobuf.any_pb2 import Any

from provider_daemon.chain import tx as transactions
from provider_daemon.chain.keys import Signer
from provider_daemon.errors import Refused
from provider_daemon.job.parking import ParkReason
from provider_daemon.job.spec import ChainJob
from provider_daemon.ledger import meta, sending
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message
from provider_daemon.loops import fees
from provider_daemon.loops.batching import select_messages
from provider_daemon.loops.gas import GAS_A_BYTE, GasLimits, most_plausible
from provider_daemon.loops.heights import plausible_height
from provider_daemon.loops.job_records import JobRecords
from provider_daemon.loops.rejections import Rejections
from provider_daemon.loops.sending_problems import PROBLEMS, Problem, SendingProblems
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Account, Chain
from provider_daemon.refusals import Refusal, classify, required_fee

log = structlog.get_logger("provd.outbox")

GAS_GUESS = 100_000  # gas per message, for the fee of the simulated transaction
USUAL_OF = 500  # number of transactions that the usual price is computed from
UNCLAMPED_SECONDS = 600.0  # after the chain reported that a clamped timeout height has passed


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """The limits of one transaction (`max_gas`, `max_fee` in `fee_denom`, `max_gas_price`) and of one key.

    `timeout_blocks`: how long a transaction may wait to be included.
    """

    fee_denom: str = "uve"
    max_gas: int = 50_000_000
    max_fee: int = 10_000_000
    max_gas_price: float = 0.5
    max_fee_per_hour: int = 100_000_000
    max_fee_per_day: int = 1_000_000_000
    timeout_blocks: int = 20
    max_messages: int = 100


@dataclass(frozen=True, slots=True)
class Draft:
    """A simulated transaction, ready to be signed."""

    messages: list[Message]
    account_number: int
    sequence: int
    gas_limit: int
    fee: int
    timeout_height: int


@dataclass(frozen=True, slots=True)
class _Conditions:
    """The chain state and settings that one draft uses. `now` is in seconds since the epoch."""

    settings: OutboxSettings
    now: float
    account: Account
    height: int
    price: Decimal
    balance: int
    ceiling: fees.Ceiling

    @property
    def most_price(self) -> Decimal:
        return Decimal(str(self.settings.max_gas_price))

    @property
    def timeout_height(self) -> int:
        return self.height + self.settings.timeout_blocks


class Drafts:
    """Drafts one key's transactions. `gas`: the gas limits learned from the key's transactions in blocks."""

    def __init__(
        self,
        ledger: Ledger,
        chain: Chain,
        signer: Signer,
        problems: SendingProblems,
        rejections: Rejections,
        records: JobRecords,
        ongoing: OngoingProblems,
    ) -> None:
        self._ledger = ledger
        self._chain = chain
        self._signer = signer
        self._problems = problems
        self._rejections = rejections
        self._records = records
        self._ongoing = ongoing
        self._trend = fees.PriceTrend()
        self.gas = GasLimits()
        self._block_gas = sys.maxsize
        self._unclamped_until = 0.0
        self._clamped = False  # the last draft's height is lower than the endpoint's

    def choose(self, settings: OutboxSettings, now: float, held: frozenset[str]) -> list[Message]:
        """Selects the messages to send next. Reports of the jobs in `held` are left out."""
        return select_messages(
            [message for message in self._affordable(settings, now) if _about(message) not in held],
            settings.max_messages,
        )

    async def disagreeing(self, draft: Draft) -> frozenset[str]:
        """Returns the jobs whose records on chain differ from the ledger; call just before signing."""
        return await self._records.disagreeing(draft.messages)

    def _affordable(self, settings: OutboxSettings, now: float) -> list[Message]:
        """Returns the waiting messages, without heartbeats while little of the fee budget is left."""
        waiting, budget = self._ledger.waiting_messages(self._signer.address), self._budget(settings, now)
        chosen = [message for message in waiting if not (message.is_heartbeat and budget.for_reports_only)]
        if waiting and not chosen:
            self._problems.start(
                Problem.FEE_BUDGET_SPENT, f"heartbeats wait: {budget.shown} {settings.fee_denom}", now
            )
        return chosen

    def _budget(self, settings: OutboxSettings, now: float) -> fees.Budget:
        paid = (
            sending.fees_bound(self._ledger, self._signer.address, now - seconds)
            for seconds in (fees.HOUR, fees.DAY)
        )
        return fees.Budget(settings.max_fee_per_hour, settings.max_fee_per_day, *paid)

    # --- the draft ---

    async def make(
        self, messages: list[Message], account: Account, settings: OutboxSettings, now: float
    ) -> Draft | None:
        """Drafts as many of the messages as fit within all limits; None if nothing can be sent now."""
        held = await self._look(account, settings, now)
        if held.price > held.most_price:
            why = (
                f"gas price {held.price:f} {settings.fee_denom} exceeds chain.max_gas_price "
                f"({settings.max_gas_price:g})"
            )
            self._problems.start(Problem.GAS_PRICE_OVER_CEILING, why, now)
            return None
        while messages:
            try:
                simulated = await self._simulate(messages, held)
            except Refused as error:
                if not await self._learn(messages, error, held):
                    return None
                continue
            limit, price = await self._limit(messages, simulated, held), self._quote(held)
            fee = fees.fee_of(limit, price)
            if limit <= self._most_gas(settings) and fee <= held.ceiling.amount:
                self._watch_price(price, held)
                return Draft(messages, account.number, account.sequence, limit, fee, held.timeout_height)
            messages = self._shorten(messages, limit, fee, held)
        return None

    async def _look(self, account: Account, settings: OutboxSettings, now: float) -> _Conditions:
        denom, address = settings.fee_denom, self._signer.address
        price, head = await self._chain.gas_price(denom), await self._chain.head()
        balance = await self._chain.balance(address, denom)
        self._trend.observe(head.height, price)
        clamped = plausible_height(head.height, sending.newest_included(self._ledger, address), now)
        height = head.height if now < self._unclamped_until else clamped
        self._clamped = height < head.height
        ceiling = fees.lowest_ceiling(settings.max_fee, balance, self._budget(settings, now), denom)
        return _Conditions(settings, now, account, height, price, balance, ceiling)

    def _quote(self, held: _Conditions) -> Decimal:
        return min(self._trend.quote(held.height, held.price, held.settings.timeout_blocks), held.most_price)

    async def _simulate(self, messages: Sequence[Message], held: _Conditions) -> int:
        """Simulates with a fee that the account can pay: the chain deducts it in a simulation too."""
        guess = self._guess(messages, held)
        return await self._chain.simulate(
            transactions.for_simulation(
                [packed(message) for message in messages],
                public_key=self._signer.public_key,
                sequence=held.account.sequence,
                gas_limit=guess,
                fee=min(fees.fee_of(guess, self._quote(held)), held.balance),
                fee_denom=held.settings.fee_denom,
                timeout_height=held.timeout_height,
            )
        )

    def _guess(self, messages: Sequence[Message], held: _Conditions) -> int:
        return min(GAS_GUESS * len(messages), self._most_gas(held.settings))

    async def _limit(self, messages: Sequence[Message], simulated: int, held: _Conditions) -> int:
        most, who = most_plausible(sending.sizes(self._ledger, messages)), self._signer.address
        if self.gas.implausible(simulated, most):
            most += await self._records_gas(messages)
        if not self.gas.implausible(simulated, most):
            self._ongoing.clear("simulated_gas_implausible", who)
        elif self._ongoing.start("simulated_gas_implausible", who, held.now):
            why = (
                f"simulation of {len(messages)} messages returned {simulated} gas, more than the plausible "
                f"maximum of {most}"
            )
            log.error(
                "simulated_gas_implausible",
                signer=who,
                why=why,
                next="the plausible maximum is used; compare the chain endpoints",
            )
        return self.gas.limit(simulated, len(messages), most)

    async def _records_gas(self, messages: Sequence[Message]) -> int:
        """Returns the gas for the size of the jobs' records on chain, which each report rewrites."""
        reports = [message for message in messages if message.kind == "report"]
        subjects = sorted({message.subject for message in reports})
        records = await asyncio.gather(*map(self._chain.job, subjects), return_exceptions=True)
        found = dict(zip(subjects, records, strict=True))
        known = (found[message.subject] for message in reports)
        return GAS_A_BYTE * sum(record.stored_bytes for record in known if isinstance(record, ChainJob))

    def _watch_price(self, price: Decimal, held: _Conditions) -> None:
        usual, who = (
            fees.usual_price(sending.paid_lately(self._ledger, self._signer.address, USUAL_OF)),
            self._signer.address,
        )
        if not fees.is_alarming(price, usual):
            if self._ongoing.clear("gas_price_high", who):
                log.info("gas_price_normal", signer=who, price=f"{price:f}")
        elif self._ongoing.start("gas_price_high", who, held.now):
            why = f"gas price is {price:f} {held.settings.fee_denom}; the usual price is {usual:.4f}"
            log.error(
                "gas_price_high",
                signer=who,
                why=why,
                next="provd pays it within the fee limits; compare the chain endpoints",
            )

    def _shorten(self, messages: list[Message], limit: int, fee: int, held: _Conditions) -> list[Message]:
        """Returns fewer messages. One with too high a fee waits; one that needs too much gas is parked."""
        if len(messages) > 1:
            return select_messages(messages, len(messages) // 2)
        most = self._most_gas(held.settings)
        if limit > most:
            why = (
                "raise chain.max_gas, then unpark"
                if most == held.settings.max_gas
                else "the chain's own limit for a transaction"
            )
            what = f"one report would need {limit} gas, over the ceiling of {most}: {why}"
            self._rejections.park(messages[0], ParkReason.REPORT_TOO_LARGE, what)
        else:
            why = f"the fee of one message is {fee} {held.settings.fee_denom}, {held.ceiling.why}"
            self._problems.start(held.ceiling.problem, why, held.now)
        return []

    def _most_gas(self, settings: OutboxSettings) -> int:
        return min(settings.max_gas, self._block_gas)

    # --- what a refusal teaches ---

    def require(self, refusal: str, gas_limit: int, height: int, settings: OutboxSettings) -> int:
        """Returns the fee that a refusal requires, or 0. The next transaction pays it, within the limits."""
        required = required_fee(refusal, settings.fee_denom) or 0
        if required and gas_limit > 0:
            self._trend.require(height, Decimal(required) / gas_limit)
        return required

    def distrust_clamp(self, now: float) -> None:
        """Uses the endpoint's own height for a while, after the chain reported a passed timeout height.

        If that draft had the endpoint's own height, it was only late, and heights are limited as before.
        """
        if self._clamped:
            self._unclamped_until = now + UNCLAMPED_SECONDS

    def learn_block_gas(self, refusal: str, settings: OutboxSettings) -> bool:
        """Learns the block's gas limit, which only a refusal names. Returns whether it is new."""
        named = transactions.block_gas(refusal)
        if named is None or named >= self._most_gas(settings):
            return False
        self._block_gas = named
        with self._ledger.write():
            self._ledger.set(meta.BLOCK_GAS, named)
        log.info(
            "max_gas_lowered",
            signer=self._signer.address,
            max_gas=named,
            next="transactions stay below this limit of the chain",
        )
        return True

    async def _learn(self, messages: list[Message], error: Refused, held: _Conditions) -> bool:
        """Handles a refused simulation. Returns whether to simulate the remaining messages at once."""
        if self.learn_block_gas(str(error), held.settings):
            return True
        if error.message_index is None or error.message_index >= len(messages):
            return self._no_message(messages, error, held)
        culprit = messages[error.message_index]
        await self._rejections.look_into(culprit, str(error))
        messages[:] = [
            message
            for message in messages
            if message.subject != culprit.subject or message.kind != culprit.kind
        ]
        return True

    def _no_message(self, messages: list[Message], error: Refused, held: _Conditions) -> bool:
        """Handles a refusal that names no message: tries another fee or fewer messages, or gives up."""
        refusal, text, before = (
            classify(error.code, error.codespace, str(error)),
            str(error),
            self._quote(held),
        )
        if refusal is Refusal.SEQUENCE:
            self._problems.suspect(Problem.SEQUENCE_UNEXPLAINED, text, held.now)
            return False
        if refusal is Refusal.TIMEOUT_HEIGHT:
            self.distrust_clamp(held.now)
        required = (
            self.require(text, self._guess(messages, held), held.height, held.settings)
            if refusal is Refusal.FEE
            else 0
        )
        short = refusal is Refusal.FUNDS or required > held.balance
        if short and len(messages) > 1:
            messages[:] = select_messages(messages, len(messages) // 2)
            return True
        if refusal is Refusal.FEE and not short and self._quote(held) > before:
            return True
        self._problems.start(
            Problem.WALLET_EMPTY if short else PROBLEMS.get(refusal, Problem.TX_REFUSED),
            text,
            held.now,
            error.code,
        )
        return False


def _about(message: Message) -> str:
    """Returns the job of a report, or '' for another message."""
    return message.subject if message.kind == "report" else ""


def packed(message: Message) -> Any:
    return Any.FromString(message.body)
