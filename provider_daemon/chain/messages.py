"""The chain's messages in their envelopes, and two that the daemon sends; node_metadata.py has the third."""

from collections.abc import Iterable

from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError, Message

from provider_daemon.chain.evidence import EvidenceFacts
from provider_daemon.chain.proto.cosmos.authz.v1beta1.tx_pb2 import MsgExec
from provider_daemon.chain.proto.cosmos.bank.v1beta1.bank_pb2 import MsgSend
from provider_daemon.chain.proto.virtengine.encryption.v1 import tx_pb2 as encryption
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.errors import Unreadable
from provider_daemon.job.usage import Usage

# The field that names the signer of each message (the SDK's cosmos.msg.v1.signer option).
SIGNER_FIELDS: dict[type[Message], str] = {
    tx_pb2.MsgRegisterCluster: "provider_address",
    tx_pb2.MsgUpdateCluster: "provider_address",
    tx_pb2.MsgDeregisterCluster: "provider_address",
    tx_pb2.MsgCreateOffering: "provider_address",
    tx_pb2.MsgUpdateOffering: "provider_address",
    tx_pb2.MsgSubmitJob: "customer_address",
    tx_pb2.MsgCancelJob: "requester_address",
    tx_pb2.MsgReportJobStatus: "provider_address",
    tx_pb2.MsgUpdateNodeMetadata: "provider_address",
    tx_pb2.MsgFlagDispute: "disputer_address",
    tx_pb2.MsgResolveDispute: "resolver_address",
    tx_pb2.MsgUpdateParams: "authority",
    encryption.MsgRegisterRecipientKey: "sender",
    encryption.MsgRevokeRecipientKey: "sender",
    encryption.MsgUpdateKeyLabel: "sender",
    encryption.MsgRotateKey: "sender",
    MsgExec: "grantee",
    MsgSend: "from_address",
}

_TYPES = {f"/{message_type.DESCRIPTOR.full_name}": message_type for message_type in SIGNER_FIELDS}


def pack(message: Message) -> Any:
    """Packs a message with the type URL as the SDK writes it."""
    return Any(
        type_url=f"/{message.DESCRIPTOR.full_name}", value=message.SerializeToString(deterministic=True)
    )


def unpack(envelope: Any) -> Message:
    """Raises Unreadable for an unknown type, or for bytes that are not of the type."""
    message_type = _TYPES.get(envelope.type_url)
    if message_type is None:
        raise Unreadable(f"unknown message type {envelope.type_url!r}")
    try:
        return message_type.FromString(envelope.value)
    except DecodeError as error:
        raise Unreadable(f"{envelope.type_url} cannot be read: {error}") from error


def flatten(envelopes: Iterable[Any]) -> list[Message]:
    """Returns the messages in order, with those wrapped in authz MsgExec in its place.

    Unknown ones are skipped.
    """
    found: list[Message] = []
    pending = list(envelopes)[::-1]
    while pending:
        try:
            message = unpack(pending.pop())
        except Unreadable:
            continue
        if isinstance(message, MsgExec):
            pending += list(message.msgs)[::-1]
        else:
            found.append(message)
    return found


def signer_of(message: Message) -> str:
    return str(getattr(message, SIGNER_FIELDS[type(message)]))


def usage_metrics(usage: Usage) -> types_pb2.HPCUsageMetrics:
    """Converts usage field by field; the protobuf message has no field for GPU types."""
    return types_pb2.HPCUsageMetrics(
        **{field.name: getattr(usage, field.name) for field in types_pb2.HPCUsageMetrics.DESCRIPTOR.fields}
    )


def usage_of(metrics: types_pb2.HPCUsageMetrics) -> Usage:
    return Usage(**{field.name: getattr(metrics, field.name) for field in metrics.DESCRIPTOR.fields})


def report_job_status(facts: EvidenceFacts, *, signature: str, status_message: str) -> Any:
    message = tx_pb2.MsgReportJobStatus(
        provider_address=facts.provider,
        job_id=facts.job_id,
        slurm_job_id=facts.slurm_job_id,
        state=types_pb2.JobState.Value(f"JOB_STATE_{facts.state.upper()}"),
        status_message=status_message,
        exit_code=facts.exit_code,
        usage_metrics=usage_metrics(facts.usage),
        signature=signature,
        signed_timestamp=facts.signed_at,
    )
    return pack(message)


def update_cluster(
    *,
    provider: str,
    cluster_id: str,
    state: str = "",
    total_nodes: int = 0,
    description: str = "",
) -> Any:
    """Returns an update with only the changed fields: the chain ignores empty and zero fields.

    `state`: active or draining, "" to keep it.
    """
    return pack(
        tx_pb2.MsgUpdateCluster(
            provider_address=provider,
            cluster_id=cluster_id,
            state=_CLUSTER_STATES[state],
            total_nodes=total_nodes,
            description=description,
        )
    )


_CLUSTER_STATES = {
    "": types_pb2.CLUSTER_STATE_UNSPECIFIED,
    "active": types_pb2.CLUSTER_STATE_ACTIVE,
    "draining": types_pb2.CLUSTER_STATE_DRAINING,
}
