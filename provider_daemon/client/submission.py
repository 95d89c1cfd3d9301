"""Signs and sends one MsgSubmitJob, and returns the job's id."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import Any

from google.protobuf.message import Message

from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.keys import Signer
from provider_daemon.client import checks, created_ids, draft, transaction
from provider_daemon.client.transaction import TxTerms
from provider_daemon.errors import ConfigError, Refused
from provider_daemon.result_codes import SDK, SdkCode

SEQUENCE_SECONDS = 60.0  # for which other transactions of the key may be included first
PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job on chain. `fee`: of the transaction, such as 5000uve."""

    job_id: str
    tx_hash: str
    fee: str


async def submit(
    chain: GrpcChain,
    signer: Signer,
    fields: dict[str, Any],
    terms: TxTerms,
    now: Callable[[], float],
    sent: Callable[[str], None],
) -> Submitted:
    """`fields`: of MsgSubmitJob. `sent` gets the transaction's hash before the chain has it.

    One key may submit several jobs at a time: a transaction with a used sequence is signed again.
    Raises ConfigError for invalid fields and Refused if the chain rejects the job; nothing is in escrow then.
    Raises NotIncluded or FateUnknown as `provd tx`.
    """
    message = draft.message("MsgSubmitJob", fields)
    if problems := checks.problems(message):
        raise ConfigError(problems)
    draft.signed_by(message, signer.address)
    # two equal jobs signed at a time would otherwise be one and the same transaction, and one job
    terms = replace(terms, memo=terms.memo or token_hex(8))
    until = now() + SEQUENCE_SECONDS
    while True:
        try:
            return await _attempt(chain, signer, message, terms, now, sent)
        except Refused as error:
            # another transaction of this key was first; this one had no effect
            if (error.codespace, error.code) != (SDK, SdkCode.WRONG_SEQUENCE) or now() > until:
                raise
        await asyncio.sleep(PAUSE_SECONDS)


async def _attempt(
    chain: GrpcChain,
    signer: Signer,
    message: Message,
    terms: TxTerms,
    now: Callable[[], float],
    sent: Callable[[str], None],
) -> Submitted:
    prepared = await transaction.prepare(chain, [message], signer.public_key, terms)
    signed = transaction.sign(prepared, signer, chain.chain_id)
    sent(signed.tx_hash)
    await transaction.send(chain, signed)
    found = await transaction.included(chain, signed, prepared, now)
    answer = found.tx_response
    if answer.code:
        why = transaction.explained(answer.codespace, answer.code, answer.raw_log)
        raise Refused(f"the chain refused the job: {why}", code=answer.code, codespace=answer.codespace)
    ids = await created_ids.ids(chain, message, found)
    return Submitted(ids["job_id"], answer.txhash, str(prepared.fee))
