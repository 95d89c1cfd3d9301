"""Those who act in the demo, each with a key: they sign their own transactions and wait until they are in a block."""

import asyncio
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

from provider_daemon.chain import messages
from provider_daemon.chain import tx as transactions
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.proto.cosmos.base.abci.v1beta1.abci_pb2 import TxMsgData
from provider_daemon.chain.sign import LocalSigner
from provider_daemon.errors import Refused, Transient
from provider_daemon.ports import TxOutcome

FEE_DENOM = "uve"
WAIT_SECONDS = 30
TIMEOUT_BLOCKS = 50


def new_key() -> tuple[bytes, LocalSigner]:
    secret = secrets.token_bytes(32)
    return secret, LocalSigner(secret)


@dataclass(slots=True)
class Person:
    signer: LocalSigner
    chain: GrpcChain

    @property
    def address(self) -> str:
        return self.signer.address

    async def send(self, *wanted: Message) -> TxOutcome:
        """All of them in one transaction, found in a block; raises Refused with the chain's log."""
        signed = await self._sign([messages.pack(message) for message in wanted])
        answer = await self.chain.broadcast(signed.tx_bytes)
        if answer.ok:
            answer = await self._included(signed.tx_hash)
        if not answer.ok:
            raise Refused(f"{answer.codespace} {answer.code}: {answer.log}", code=answer.code, codespace=answer.codespace)
        return answer

    async def _sign(self, packed: Sequence[Any]) -> transactions.SignedTx:
        account, head = await self.chain.account(self.address), await self.chain.head()
        price = await self.chain.gas_price(FEE_DENOM)
        timeout = head.height + TIMEOUT_BLOCKS
        rough = transactions.for_simulation(
            packed,
            public_key=self.signer.public_key,
            sequence=account.sequence,
            gas_limit=1_000_000,
            fee=1,
            fee_denom=FEE_DENOM,
            timeout_height=timeout,
        )
        gas = math.ceil(1.3 * await self.chain.simulate(rough))
        return transactions.build(
            packed,
            signer=self.signer,
            chain_id=self.chain.chain_id,
            account_number=account.number,
            sequence=account.sequence,
            gas_limit=gas,
            fee=math.ceil(gas * price),
            fee_denom=FEE_DENOM,
            timeout_height=timeout,
        )

    async def _included(self, tx_hash: str) -> TxOutcome:
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                if (found := await self.chain.find(tx_hash)) is not None:
                    return found
                await asyncio.sleep(0.2)


async def responses(chain: GrpcChain, tx_hash: str) -> list[Any]:
    """What each message of an included transaction answered."""
    found = await chain.txs.get(tx_hash)
    if found is None:
        raise Transient(f"transaction {tx_hash} is in no block")
    return list(TxMsgData.FromString(bytes.fromhex(found.tx_response.data)).msg_responses)
