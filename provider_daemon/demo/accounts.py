"""The demo's accounts, each with a key.

An account signs its own transactions and waits until they are in a block.
"""

import secrets
import time
from dataclasses import dataclass

from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.proto.cosmos.base.abci.v1beta1.abci_pb2 import TxMsgData
from provider_daemon.chain.sign import LocalSigner
from provider_daemon.chain.tx import SignedTx
from provider_daemon.client import transaction
from provider_daemon.client.transaction import TxTerms
from provider_daemon.errors import Refused, Transient


def new_key() -> tuple[bytes, LocalSigner]:
    secret = secrets.token_bytes(32)
    return secret, LocalSigner(secret)


@dataclass(slots=True)
class Account:
    signer: LocalSigner
    chain: GrpcChain

    @property
    def address(self) -> str:
        return self.signer.address

    async def send(self, *wanted: Message) -> SignedTx:
        """Sends all messages in one transaction and waits for its block.

        Raises Refused with the chain's log.
        """
        prepared = await transaction.prepare(self.chain, wanted, self.signer.public_key, TxTerms())
        signed = transaction.sign(prepared, self.signer, self.chain.chain_id)
        await transaction.send(self.chain, signed)
        answer = (await transaction.included(self.chain, signed, prepared, time.monotonic)).tx_response
        if answer.code:
            raise Refused(
                f"{answer.codespace} {answer.code}: {answer.raw_log}",
                code=answer.code,
                codespace=answer.codespace,
            )
        return signed


async def responses(chain: GrpcChain, tx_hash: str) -> list[Any]:
    """Returns the response to each message of an included transaction."""
    found = await chain.txs.get(tx_hash)
    if found is None:
        raise Transient(f"transaction {tx_hash} is in no block")
    return list(TxMsgData.FromString(bytes.fromhex(found.tx_response.data)).msg_responses)
