"""The false answers of one of three nodes, each about one thing.

The things are its height, jobs, the account, or the outcome of transactions.
"""

from dataclasses import replace

from provider_daemon.chain.proto.cosmos.base.abci.v1beta1.abci_pb2 import TxResponse
from provider_daemon.chain.proto.cosmos.tx.v1beta1.service_pb2 import BroadcastTxResponse, GetTxResponse
from provider_daemon.chain.proto.cosmos.tx.v1beta1.tx_pb2 import Tx
from provider_daemon.chain.tx import tx_hash
from provider_daemon.job.state import TERMINAL, State
from tests.simulation.blocks import View
from tests.simulation.books import snapshot_of

HEIGHT, STEP, CANCEL, COMPLETION, SEQUENCE = (
    "lie_height",
    "lie_height_step",
    "lie_cancel",
    "lie_completion",
    "lie_sequence",
)
INCLUSION, WITHHELD, SWALLOWED = "lie_inclusion", "lie_withheld", "lie_swallowed"
LIES = (HEIGHT, STEP, CANCEL, COMPLETION, SEQUENCE, INCLUSION, WITHHELD, SWALLOWED)
READS = frozenset({"GetLatestBlock", "ABCIQuery", "Job", "AccountInfo"})
ABOVE = {HEIGHT: 1_000_000, STEP: 50}  # blocks
AHEAD = 7  # sequences


def view_of(lie: str, view: View) -> View:
    """Returns the chain as the lie shows it."""
    if lie in ABOVE:
        return replace(view, height=view.height + ABOVE[lie])
    books = snapshot_of(view.books)
    if lie == SEQUENCE:
        books.sequence += AHEAD
    for record in books.jobs.values() if lie in (CANCEL, COMPLETION) else ():
        if record.state not in TERMINAL:
            record.state = State.CANCELLED if lie == CANCEL else State.COMPLETED
    return View(view.height, view.time, books)


def included(wanted: str, view: View) -> GetTxResponse:
    return GetTxResponse(tx=Tx(), tx_response=TxResponse(txhash=wanted, height=view.height))


def accepted(tx_bytes: bytes) -> BroadcastTxResponse:
    return BroadcastTxResponse(tx_response=TxResponse(txhash=tx_hash(tx_bytes)))
