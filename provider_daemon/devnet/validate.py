"""Basic validation: what a message must contain before any lookup (codespace hpc, codes 1 to 7)."""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

from provider_daemon.chain import bech32
from provider_daemon.chain.messages import signer_of
from provider_daemon.chain.proto.cosmos.bank.v1beta1.bank_pb2 import MsgSend
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.devnet import coins, params
from provider_daemon.devnet.failures import (
    BAD_ADDRESS,
    BAD_CLUSTER,
    BAD_DISPUTE,
    BAD_JOB,
    BAD_NODE,
    BAD_OFFERING,
    BAD_STATUS,
    INVALID_REQUEST,
    ChainError,
    sdk,
)

MIN_RUNTIME = 60


def validate(message: Message) -> None:
    """Raises ChainError for an invalid message."""
    try:
        bech32.decode(signer_of(message))
    except ValueError as error:
        raise ChainError(BAD_ADDRESS, str(error)) from error
    _known_words(message)
    if check := _CHECKS.get(type(message)):
        check(message)


def _known_words(message: Message) -> None:
    """Refuses unknown enum values; proto3 accepts any number."""
    for field, value in message.ListFields():
        for item in value if field.is_repeated else (value,):
            if field.enum_type and item not in field.enum_type.values_by_number:
                raise sdk(INVALID_REQUEST, f"{field.name} {item} is not known")
            if isinstance(item, Message):
                _known_words(item)


def _not_negative(message: Message, registered: tuple[int, str]) -> None:
    for field, value in message.ListFields():
        _need(not isinstance(value, int) or value >= 0, registered, f"{field.name} cannot be negative")


def _need(condition: bool, registered: tuple[int, str], detail: str) -> None:
    if not condition:
        raise ChainError(registered, detail)


def _register_cluster(message: tx_pb2.MsgRegisterCluster) -> None:
    _need(bool(message.name), BAD_CLUSTER, "name cannot be empty")
    _need(bool(message.region), BAD_CLUSTER, "region cannot be empty")
    _need(message.total_nodes >= 1, BAD_CLUSTER, "total_nodes must be at least 1")


def _cluster_id(message: tx_pb2.MsgUpdateCluster | tx_pb2.MsgDeregisterCluster) -> None:
    _need(bool(message.cluster_id), BAD_CLUSTER, "cluster_id cannot be empty")
    _not_negative(message, BAD_CLUSTER)


def _create_offering(message: tx_pb2.MsgCreateOffering) -> None:
    _need(
        bool(message.cluster_id) and bool(message.name), BAD_OFFERING, "cluster_id and name cannot be empty"
    )
    _need(len(message.queue_options) >= 1, BAD_OFFERING, "at least one queue option required")
    _need(
        message.max_runtime_seconds >= MIN_RUNTIME,
        BAD_OFFERING,
        f"max_runtime_seconds must be at least {MIN_RUNTIME}",
    )
    _need(0 <= message.required_identity_threshold <= 100, BAD_OFFERING, "identity threshold must be 0-100")


def _update_offering(message: tx_pb2.MsgUpdateOffering) -> None:
    _need(bool(message.offering_id), BAD_OFFERING, "offering_id cannot be empty")


def _submit_job(message: tx_pb2.MsgSubmitJob) -> None:
    _need(bool(message.offering_id), BAD_JOB, "offering_id cannot be empty")
    _need(bool(message.queue_name), BAD_JOB, "queue_name cannot be empty")
    _need(message.resources.nodes >= 1, BAD_JOB, "nodes must be at least 1")
    _need(
        message.max_runtime_seconds >= MIN_RUNTIME,
        BAD_JOB,
        f"max_runtime_seconds must be at least {MIN_RUNTIME}",
    )
    _not_negative(message.resources, BAD_JOB)
    coins.check(message.max_price)
    spec = message.workload_spec
    _need(
        spec.is_preconfigured or bool(spec.container_image),
        BAD_JOB,
        "container_image required unless preconfigured",
    )


def _job_id(message: Any) -> None:
    _need(bool(message.job_id), BAD_JOB, "job_id cannot be empty")


def _report(message: tx_pb2.MsgReportJobStatus) -> None:
    _job_id(message)
    _need(message.state != types_pb2.JOB_STATE_UNSPECIFIED, BAD_STATUS, "state cannot be unspecified")
    _not_negative(message.usage_metrics, BAD_STATUS)


def _node(message: tx_pb2.MsgUpdateNodeMetadata) -> None:
    _need(bool(message.node_id), BAD_NODE, "node_id cannot be empty")
    _need(bool(message.cluster_id), BAD_NODE, "cluster_id cannot be empty")
    _need(bool(message.region), BAD_NODE, "region cannot be empty")


def _flag_dispute(message: tx_pb2.MsgFlagDispute) -> None:
    _need(bool(message.job_id), BAD_DISPUTE, "job_id cannot be empty")
    _need(
        bool(message.dispute_type) and bool(message.reason),
        BAD_DISPUTE,
        "dispute_type and reason cannot be empty",
    )


def _send(message: MsgSend) -> None:
    coins.check(message.amount)


def _update_params(message: tx_pb2.MsgUpdateParams) -> None:
    if problem := params.problem(message.params):
        raise sdk(INVALID_REQUEST, f"invalid params: {problem}")


def _resolve_dispute(message: tx_pb2.MsgResolveDispute) -> None:
    _need(bool(message.dispute_id), BAD_DISPUTE, "dispute_id cannot be empty")


_CHECKS: dict[type[Message], Callable[[Any], None]] = {
    tx_pb2.MsgRegisterCluster: _register_cluster,
    tx_pb2.MsgUpdateCluster: _cluster_id,
    tx_pb2.MsgDeregisterCluster: _cluster_id,
    tx_pb2.MsgCreateOffering: _create_offering,
    tx_pb2.MsgUpdateOffering: _update_offering,
    tx_pb2.MsgSubmitJob: _submit_job,
    tx_pb2.MsgCancelJob: _job_id,
    tx_pb2.MsgReportJobStatus: _report,
    tx_pb2.MsgUpdateNodeMetadata: _node,
    tx_pb2.MsgFlagDispute: _flag_dispute,
    tx_pb2.MsgResolveDispute: _resolve_dispute,
    tx_pb2.MsgUpdateParams: _update_params,
    MsgSend: _send,
}
