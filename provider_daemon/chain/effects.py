"""Checks by the records whether a transaction in a block took effect: a block contains no outcomes.

All messages of a transaction succeed, or none does. So one missing effect is proof for all.
"""

from typing import Protocol

from google.protobuf.message import Message

from provider_daemon.chain import messages
from provider_daemon.chain.proto.cosmos.tx.v1beta1.tx_pb2 import Tx
from provider_daemon.chain.proto.virtengine.encryption.v1 import tx_pb2 as encryption
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.chain.recipient_keys import Records
from provider_daemon.chain.records import job_state
from provider_daemon.job.spec import ChainJob
from provider_daemon.job.state import State, route
from provider_daemon.ports import Cluster


class RecordReader(Protocol):
    """A reader of the records."""

    async def job(self, job_id: str) -> ChainJob | None: ...

    async def cluster(self, cluster_id: str) -> Cluster | None: ...

    async def node_sequence(self, node_id: str) -> int: ...

    async def recipient_keys(self, address: str) -> Records: ...


async def missing_effect(tx: Tx, records: RecordReader) -> str | None:
    """Returns the first missing effect, or "" if there is none.

    Returns None if no message has an effect that is visible in a record.
    """
    told = False
    for message in _last_of_each(messages.flatten(tx.body.messages)):
        missing = await _missing(message, records)
        if missing:
            return missing
        told = told or missing is not None
    return "" if told else None


def _last_of_each(all_messages: list[Message]) -> list[Message]:
    """Returns the last of several reports of a job, or heartbeats of a node: only its effect is visible."""
    last: dict[tuple[str, str], Message] = {}
    for number, message in enumerate(all_messages):
        subject = getattr(message, "job_id", "") or getattr(message, "node_id", "") or f"message {number}"
        last[message.DESCRIPTOR.name, subject] = message
    return list(last.values())


async def _missing(message: Message, records: RecordReader) -> str | None:
    if isinstance(message, tx_pb2.MsgReportJobStatus):
        return await _job_is(message.job_id, job_state(message.state, message.job_id), records)
    if isinstance(message, tx_pb2.MsgCancelJob):
        return await _job_is(message.job_id, State.CANCELLED, records)
    if isinstance(message, tx_pb2.MsgUpdateNodeMetadata) and message.last_sequence_number:
        reached = await records.node_sequence(message.node_id)
        return (
            ""
            if reached >= message.last_sequence_number
            else f"node {message.node_id} is at heartbeat {reached}"
        )
    if isinstance(message, tx_pb2.MsgUpdateCluster) and message.state == types_pb2.CLUSTER_STATE_ACTIVE:
        cluster = await records.cluster(message.cluster_id)
        return (
            ""
            if cluster and cluster.state == "active"
            else f"{message.cluster_id} is {cluster and cluster.state}"
        )
    if isinstance(message, encryption.MsgRegisterRecipientKey):
        return await _has_key(message.sender, message.public_key, records)
    if isinstance(message, encryption.MsgRotateKey):
        return await _has_key(message.sender, message.new_public_key, records)
    return None


async def _has_key(address: str, public_key: bytes, records: RecordReader) -> str:
    found = await records.recipient_keys(address)
    if any(record.public_key == public_key for record in found):
        return ""
    return f"{address} has no such recipient key"


async def _job_is(job_id: str, wanted: State, records: RecordReader) -> str:
    """Checks a job's state. A record in a later state has passed through the wanted one."""
    record = await records.job(job_id)
    if record is not None and (record.state is wanted or route(wanted, record.state)):
        return ""
    return f"{job_id} is {record and record.state} on chain, not {wanted}"
