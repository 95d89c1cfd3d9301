"""The model of the chain as several nodes show it.

Each node has its own view, and the model answers from the view of the queried node.
"""

from collections import deque
from dataclasses import dataclass, field

from provider_daemon.chain import tx as transactions
from provider_daemon.chain.messages import pack
from provider_daemon.chain.proto.cosmos.authz.v1beta1.tx_pb2 import MsgExec
from provider_daemon.chain.proto.cosmos.base.abci.v1beta1.abci_pb2 import TxResponse
from provider_daemon.chain.proto.cosmos.tx.v1beta1.service_pb2 import GetTxResponse
from provider_daemon.chain.proto.cosmos.tx.v1beta1.tx_pb2 import Tx, TxBody
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgCancelJob
from provider_daemon.ports import TxOutcome
from tests.fakes.chain import ALICE
from tests.simulation.blocks import Blocks, View
from tests.simulation.books import Books, snapshot_of

REMEMBERED = 60  # blocks
ELSEWHERE = 1000  # blocks that another chain is ahead of ours


@dataclass
class WireBlocks(Blocks):
    """The chain of this mode. `asked_view` is the view of the queried node; None: the newest block."""

    history: deque[View] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    asked_view: View | None = None
    sent_bytes: dict[str, bytes] = field(default_factory=dict)
    first: Books = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.first = snapshot_of(self.books)

    def view(self, *, head: bool = False) -> View:
        return self.asked_view or View(self.height, self.time, self.books)

    def newest(self) -> View:
        return View(self.height, self.time, self.books)

    def frozen(self, back: int) -> View:
        """Returns the chain of so many blocks ago, which does not advance."""
        old = self.history[-min(back, len(self.history))] if back and self.history else self.newest()
        return View(old.height, old.time, snapshot_of(old.books))

    def elsewhere(self) -> View:
        """Returns another chain: higher than ours, without any of our transactions."""
        return View(self.height + ELSEWHERE, self.time, snapshot_of(self.first))

    def _produce(self, now: float) -> None:
        if not self.world.calm:
            self.history.append(View(self.height, self.time, snapshot_of(self.books)))
        super()._produce(now)

    # --- transactions in a node's index ---

    def indexed(self, tx_hash: str, lag: int) -> GetTxResponse | None:
        outcome = self.find(tx_hash, lag)
        return self._answer(outcome) if outcome else None

    def at_sequence(self, sequence: int, lag: int) -> list[GetTxResponse]:
        tx_hash = self.by_sequence.get(sequence)
        found = self.indexed(tx_hash, lag) if tx_hash else None
        return [found] if found else []

    def _answer(self, outcome: TxOutcome) -> GetTxResponse:
        raw = self.sent_bytes.get(outcome.tx_hash)
        return GetTxResponse(
            tx=transactions.decode(raw) if raw else Tx(body=TxBody(memo="not ours")),
            tx_response=response(outcome),
        )

    def cancels_since(self, height: int, lag: int, *, wrapped: bool) -> list[GetTxResponse]:
        """Returns the cancels. Every second one is inside an authz MsgExec."""
        seen = self.view().height - lag
        found = [
            (at, job_id)
            for number, (at, job_id) in enumerate(self.cancels)
            if height <= at <= seen and wrapped == bool(number % 2)
        ]
        return [_cancel(at, job_id, wrapped=wrapped) for at, job_id in found]


def response(outcome: TxOutcome) -> TxResponse:
    return TxResponse(
        height=outcome.height,
        txhash=outcome.tx_hash,
        codespace=outcome.codespace,
        code=outcome.code,
        raw_log=outcome.log,
        gas_wanted=outcome.gas_wanted,
        gas_used=outcome.gas_used,
    )


def _cancel(height: int, job_id: str, *, wrapped: bool) -> GetTxResponse:
    message = pack(MsgCancelJob(requester_address=ALICE.address, job_id=job_id))
    body = TxBody(messages=[pack(MsgExec(grantee=ALICE.address, msgs=[message])) if wrapped else message])
    return GetTxResponse(tx=Tx(body=body), tx_response=TxResponse(height=height, txhash=f"CANCEL{job_id}"))
