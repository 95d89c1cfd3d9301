"""Processes one message: builds, completes, checks, prices, confirms, signs and sends it, and waits."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from provider_daemon.audit_log.operator import record_beside_a_daemon
from provider_daemon.audit_log.records import Action
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.keys import Signer
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgReportJobStatus
from provider_daemon.client import (
    catalogue,
    checks,
    created_ids,
    daemon_lock,
    defaults,
    draft,
    outbox,
    transaction,
    tx_json,
)
from provider_daemon.client.control import Control, of_key
from provider_daemon.client.identity import Who, address_only
from provider_daemon.client.transaction import Prepared, TxTerms
from provider_daemon.errors import ConfigError, Refused
from provider_daemon.names import CONFIG_FILE
from provider_daemon.refusals import Refusal, classify

DEFAULT = Path(CONFIG_FILE)
GENERATE, DRY_RUN, SEND, SEND_AND_WAIT = "generate", "dry-run", "send", "send and wait"


@dataclass(frozen=True, slots=True)
class Request:
    """`message` is a name such as MsgCancelJob; `document` and `typed` are draft.merged's arguments.

    `config` belongs to the daemon that may run on this machine.
    """

    message: str
    document: object
    typed: Mapping[str, Any]
    who: Who
    terms: TxTerms
    mode: str
    config: Path
    force: bool = False


@dataclass(frozen=True, slots=True)
class Talk:
    """`say` prints a line for the user; `confirm` raises if the user declines."""

    say: Callable[[str], None]
    confirm: Callable[[Prepared], None]
    now: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Sent:
    """`document` is for machines, `lines` for people; `problem` is set if it is in a block and failed."""

    document: dict[str, Any]
    lines: list[str] = field(default_factory=list)
    problem: str = ""


async def carry_out(order: Request, chain: GrpcChain, talk: Talk) -> Sent:
    """Raises ConfigError before anything is signed, and Refused if the chain rejects the message.

    Raises NotIncluded or FateUnknown if the transaction does not get into a block or its outcome is unknown.
    """
    message = await _checked(order, chain)
    if order.mode == GENERATE:
        return await _unsigned(order, chain, message)
    await catalogue.check(chain, message, talk.say)
    account = await asyncio.to_thread(_account, order, chain.chain_id)
    draft.signed_by(message, account.address)
    if account.signer:
        await defaults.sign_evidence(chain, message, account.signer)
    elif isinstance(message, MsgReportJobStatus) and not message.signature:
        raise ConfigError(
            [
                "a report must be signed with the provider's key: give the key with --from, not only its "
                "address"
            ]
        )
    if account.daemon:
        return await _through_daemon(order, chain, account, account.daemon, message, talk)
    assert account.signer is not None
    prepared = await transaction.prepare(chain, [message], account.public_key, order.terms)
    if order.mode == DRY_RUN:
        return _priced(prepared)
    await _not_beside_a_daemon(order, chain, account.signer, talk)
    talk.confirm(prepared)
    return await _send(order, chain, prepared, account.signer, talk)


@dataclass(frozen=True, slots=True)
class _Account:
    """Who signs: a key at hand, or the daemon on this machine, or a key that both have."""

    address: str
    public_key: bytes
    signer: Signer | None = None
    daemon: Control | None = None


def _account(order: Request, chain_id: str) -> _Account:
    """Raises ConfigError if the key is neither at hand nor the running daemon's. --force: not the daemon."""
    who, config = order.who, daemon_lock.readable(order.config)
    # a configuration that was named stands for the one daemon that is meant
    find = partial(
        of_key, chain_id=chain_id, config=config, everywhere=config is None or order.config == DEFAULT
    )
    if not who.is_at_hand and not order.force and (daemon := find(who.name)):
        address = daemon.daemon.key_names.get(who.name, who.name)
        return _Account(address, bytes.fromhex(daemon.daemon.keys[address]), daemon=daemon)
    signer = who.signer()
    found = None if order.force else find(signer.address)
    return _Account(signer.address, signer.public_key, signer, found)


async def _through_daemon(
    order: Request, chain: GrpcChain, account: _Account, daemon: Control, message: Message, talk: Talk
) -> Sent:
    """Sends the message through the daemon's outbox: a transaction beside it would delay its reports."""
    if order.mode != DRY_RUN:
        outbox.check_terms(order.terms)
    prepared = await _estimated(chain, message, account.public_key, order.terms)
    if order.mode == DRY_RUN:
        return _priced(prepared)
    talk.confirm(prepared)
    message_id = await outbox.store(daemon, message, order.terms.memo)
    talk.say(f"the daemon on this machine uses this key and sends the message (number {message_id})")
    if order.mode == SEND:
        return Sent({"message_id": message_id}, [f"message: {message_id}"])
    return Sent(*await outbox.sent(daemon, message_id, chain, message, talk.now))


async def _estimated(chain: GrpcChain, message: Message, public_key: bytes, terms: TxTerms) -> Prepared:
    """Returns what a transaction of its own would cost. Raises Refused if the chain would refuse it.

    While a transaction of the daemon is under way, the sequence is in use and nothing can be simulated.
    """
    try:
        return await transaction.prepare(chain, [message], public_key, terms)
    except Refused as error:
        if classify(error.code, error.codespace, str(error)) is not Refusal.SEQUENCE:
            raise
        return await transaction.prepare(
            chain, [message], public_key, replace(terms, gas=transaction.GAS_GUESS)
        )


async def _checked(order: Request, chain: GrpcChain) -> Message:
    values = draft.merged(order.document, order.typed)
    message = draft.message(order.message, await defaults.values(chain, order.message, values))
    if problems := checks.problems(message):
        raise ConfigError(problems)
    return message


async def _unsigned(order: Request, chain: GrpcChain, message: Message) -> Sent:
    signer = None if order.who.is_address else order.who.signer()
    if signer is None and not order.terms.gas:
        raise ConfigError(
            ["--gas must be a number here: simulation needs a key, and --from is only an address"]
        )
    draft.signed_by(message, signer.address if signer else address_only(order.who))
    if signer:
        await defaults.sign_evidence(chain, message, signer)
    prepared = await transaction.prepare(chain, [message], signer.public_key if signer else b"", order.terms)
    return Sent(tx_json.unsigned(prepared))


def _priced(prepared: Prepared) -> Sent:
    fee = str(prepared.fee)
    return Sent(
        {"gas_limit": str(prepared.gas_limit), "fee": fee},
        [f"gas: {prepared.gas_limit}", f"fee: {fee}", "nothing was signed or sent"],
    )


async def _not_beside_a_daemon(order: Request, chain: GrpcChain, signer: Signer, talk: Talk) -> None:
    daemon = daemon_lock.find(order.config)
    if daemon is None:
        return
    if daemon.why_unknown:
        talk.say(f"cannot check whether a daemon on this machine uses this key: {daemon.why_unknown}")
    elif await daemon_lock.signs_with(daemon, signer.address, chain):
        why = (
            f"the daemon on this machine (ledger {daemon.ledger}) uses the key {signer.address}: "
            "another transaction delays its reports"
        )
        if not order.force:
            raise Refused(
                f"{why}, and its control socket does not answer; run this as root or as a member of the "
                "daemon's group, or add --force. Nothing was signed"
            )
        talk.say(why)


async def _send(order: Request, chain: GrpcChain, prepared: Prepared, signer: Signer, talk: Talk) -> Sent:
    signed = transaction.sign(prepared, signer, chain.chain_id)
    detail = f"{order.message} {signed.tx_hash}"
    record_beside_a_daemon(order.config, Action.TX_SENT, thing=signer.address, detail=detail)
    talk.say(
        f"sent transaction {signed.tx_hash}, waiting for it to be in a block by height "
        f"{prepared.timeout_height}"
    )
    await transaction.send(chain, signed)
    if order.mode == SEND:
        return Sent(
            {"txhash": signed.tx_hash, "timeout_height": str(prepared.timeout_height)},
            [f"tx: {signed.tx_hash}"],
        )
    found = await transaction.included(chain, signed, prepared, talk.now)
    ids = await created_ids.ids(chain, prepared.wanted[0], found)
    answer = found.tx_response
    lines = [f"{name}: {value}" for name, value in ids.items()]
    lines += [
        f"tx: {answer.txhash}",
        f"height: {answer.height}",
        f"gas: {answer.gas_used} used of {answer.gas_wanted}",
        f"fee: {prepared.fee}",
    ]
    if answer.code:
        return Sent(
            tx_json.response(found, ids),
            lines,
            transaction.explained(answer.codespace, answer.code, answer.raw_log),
        )
    return Sent(tx_json.response(found, ids), lines)
