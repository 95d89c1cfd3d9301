"""Checks the evidence of reports from chain data alone: a transaction's bytes, and which cluster each job belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

from provider_daemon.chain import messages
from provider_daemon.chain.evidence import Facts, verify
from provider_daemon.chain.proto.cosmos.authz.v1beta1.tx_pb2 import MsgExec
from provider_daemon.chain.proto.cosmos.crypto.secp256k1.keys_pb2 import PubKey
from provider_daemon.chain.proto.cosmos.tx.v1beta1 import tx_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgReportJobStatus
from provider_daemon.errors import Unreadable
from provider_daemon.job.state import State


@dataclass(frozen=True, slots=True)
class Verdict:
    """`why` is empty when the evidence holds."""

    job_id: str
    state: str
    why: str = ""

    @property
    def ok(self) -> bool:
        return not self.why


def reports(tx: tx_pb2.Tx) -> list[MsgReportJobStatus]:
    """Every report of a transaction, those wrapped in authz MsgExec included; other messages are passed over."""
    return [message for envelope in tx.body.messages for message in _flatten(envelope) if isinstance(message, MsgReportJobStatus)]


def check(tx: tx_pb2.Tx, chain_id: str, cluster_of: Mapping[str, str]) -> list[Verdict]:
    """A verdict for each report. `cluster_of`: job id -> the cluster id of the job's record."""
    key = public_key_of(tx)
    return [_verdict(report, chain_id, cluster_of.get(report.job_id, ""), key) for report in reports(tx)]


def public_key_of(tx: tx_pb2.Tx) -> bytes:
    """The signer's; b"" when the transaction names none."""
    infos = tx.auth_info.signer_infos
    return PubKey.FromString(infos[0].public_key.value).key if infos else b""


def _flatten(envelope: Any) -> list[Message]:
    try:
        message = messages.unpack(envelope)
    except Unreadable:
        return []
    if isinstance(message, MsgExec):
        return [inner for wrapped in message.msgs for inner in _flatten(wrapped)]
    return [message]


def _verdict(report: MsgReportJobStatus, chain_id: str, cluster_id: str, public_key: bytes) -> Verdict:
    state = State(types_pb2.JobState.Name(report.state).removeprefix("JOB_STATE_").lower())
    facts = Facts(
        chain_id=chain_id,
        cluster_id=cluster_id,
        provider=report.provider_address,
        job_id=report.job_id,
        slurm_job_id=report.slurm_job_id,
        state=state,
        exit_code=report.exit_code,
        usage=messages.usage_of(report.usage_metrics),
        signed_at=report.signed_timestamp,
    )
    if not report.signature:
        return Verdict(report.job_id, state, "the report carries no signature")
    if len(public_key) != 33:
        return Verdict(report.job_id, state, "the transaction names no secp256k1 public key")
    if not verify(facts, report.signature, public_key):
        return Verdict(report.job_id, state, "the signature does not fit what the report says")
    return Verdict(report.job_id, state)
