"""The outcome of a transaction on a node without an index, from its block and the records it changed."""

from provider_daemon.chain import messages
from provider_daemon.chain import tx as transactions
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.proto.cosmos.base.abci.v1beta1.abci_pb2 import TxMsgData, TxResponse
from provider_daemon.chain.proto.cosmos.tx.v1beta1.service_pb2 import GetTxResponse
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgSubmitJob, MsgSubmitJobResponse
from provider_daemon.chain.tx import SignedTx
from provider_daemon.errors import ProvdError

RECENT = 50  # newest jobs that are searched for a new one


class FateUnknown(ProvdError):
    """The outcome of a sent transaction is unknown: the chain stopped answering, or no record shows it."""

    exit_code = 4


async def in_block(chain: GrpcChain, signed: SignedTx) -> GetTxResponse | None:
    """Returns None while it is not in a block. Without an index, neither gas nor log is known.

    Raises FateUnknown if it is in a block and no record shows whether it succeeded.
    """
    outcome = await chain.find(signed.tx_hash, signed.tx_bytes)
    if outcome is None:
        return None
    tx = transactions.decode(signed.tx_bytes)
    answer = TxResponse(
        txhash=signed.tx_hash,
        height=outcome.height,
        code=outcome.code,
        codespace=outcome.codespace,
        raw_log=outcome.log,
    )
    if outcome.ok:
        wanted = [each for each in messages.flatten(tx.body.messages) if isinstance(each, MsgSubmitJob)]
        job_ids = [await _job_of(chain, each, outcome.height) for each in wanted]
        if not all(job_ids) or not (job_ids or await chain.shows_effect(tx)):
            why = "the node does not index transactions, and no record shows whether it succeeded"
            raise FateUnknown(
                f"transaction {signed.tx_hash} is in block {outcome.height}, but {why}; query the "
                "record before you send it again"
            )
        made = [messages.pack(MsgSubmitJobResponse(job_id=job_id)) for job_id in job_ids]
        answer.data = TxMsgData(msg_responses=made).SerializeToString().hex().upper()
    return GetTxResponse(tx=tx, tx_response=answer)


async def _job_of(chain: GrpcChain, message: MsgSubmitJob, height: int) -> str:
    """Returns the id of the job that the message created in that block, or ""."""
    end = await chain.job_counter()
    for number in range(end - 1, max(0, end - 1 - RECENT), -1):
        record = await chain.query.job(f"JOB-{number}")
        if record is None or record.block_height < height:
            return ""
        made = (record.block_height, record.customer_address, record.workload_spec)
        if made == (height, message.customer_address, message.workload_spec):
            return record.job_id
    return ""
