"""Validates a message before it is signed.

The checks are the chain's basic validation, and those for messages that the chain accepts but never executes.
Pure; each problem is one line that begins with the field.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from google.protobuf.message import Message

from provider_daemon.chain import bech32
from provider_daemon.chain.proto.cosmos.bank.v1beta1.bank_pb2 import MsgSend
from provider_daemon.chain.proto.virtengine.encryption.v1 import tx_pb2 as encryption
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.encryption.fingerprint import ALGORITHM, PUBLIC_KEY_BYTES, is_fingerprint
from provider_daemon.encryption.identity import is_weak
from provider_daemon.job.pricing import is_price

MIN_RUNTIME = 60  # in seconds: minimum of an offering's and a job's max_runtime_seconds
MAX_THRESHOLD = 100  # maximum identity score
ROTATION_REASONS = ("scheduled", "algorithm_migration", "compromise", "policy_change", "quantum_preparation")
# Fields that may be negative.
SIGNED = frozenset({"exit_code", "temperature_celsius", "gpu_temperature_celsius"})

_REQUIRED: dict[type[Message], tuple[str, ...]] = {
    tx_pb2.MsgRegisterCluster: ("name", "region"),
    tx_pb2.MsgUpdateCluster: ("cluster_id",),
    tx_pb2.MsgDeregisterCluster: ("cluster_id",),
    tx_pb2.MsgCreateOffering: ("cluster_id", "name"),
    tx_pb2.MsgUpdateOffering: ("offering_id",),
    tx_pb2.MsgSubmitJob: ("offering_id", "queue_name"),
    tx_pb2.MsgCancelJob: ("job_id",),
    tx_pb2.MsgReportJobStatus: ("job_id",),
    tx_pb2.MsgUpdateNodeMetadata: ("node_id", "cluster_id", "region"),
    tx_pb2.MsgFlagDispute: ("job_id", "dispute_type", "reason"),
    tx_pb2.MsgResolveDispute: ("dispute_id",),
    encryption.MsgRegisterRecipientKey: ("public_key", "algorithm_id"),
    encryption.MsgRotateKey: ("old_key_fingerprint", "new_public_key"),
    encryption.MsgRevokeRecipientKey: ("key_fingerprint",),
    encryption.MsgUpdateKeyLabel: ("key_fingerprint",),
    MsgSend: ("to_address", "amount"),
}

Problems = Iterator[str]


def problems(message: Message) -> list[str]:
    """Returns the problems of a message; none means that it may be signed."""
    found = [f"{name}: missing" for name in _REQUIRED.get(type(message), ()) if not getattr(message, name)]
    found += _below_zero(message, "")
    if check := _CHECKS.get(type(message)):
        found += check(message)
    return found


def _below_zero(message: Any, path: str) -> Problems:
    for field, value in message.ListFields():
        if field.message_type and not field.message_type.GetOptions().map_entry:
            for index, inner in enumerate(value) if field.is_repeated else [(None, value)]:
                yield from _below_zero(
                    inner, f"{path}{field.name}." if index is None else f"{path}{field.name}[{index}]."
                )
        elif isinstance(value, int) and value < 0 and field.name not in SIGNED:
            yield f"{path}{field.name}: must not be negative: {value}"


def _register_cluster(message: tx_pb2.MsgRegisterCluster) -> Problems:
    if message.total_nodes < 1:
        yield "total_nodes: must be at least 1"
    yield from _partitions(message)


def _update_cluster(message: tx_pb2.MsgUpdateCluster) -> Problems:
    if message.total_nodes and message.available_nodes > message.total_nodes:
        yield f"available_nodes: {message.available_nodes} exceeds total_nodes ({message.total_nodes})"
    yield from _partitions(message)


def _partitions(message: Any) -> Problems:
    for index, partition in enumerate(message.partitions):
        if not partition.name:
            yield f"partitions[{index}].name: missing"


def _create_offering(message: tx_pb2.MsgCreateOffering) -> Problems:
    if not message.queue_options:
        yield "queue_options: at least one is required"
    if message.max_runtime_seconds < MIN_RUNTIME:
        yield f"max_runtime_seconds: must be at least {MIN_RUNTIME}"
    yield from _offering(message)


def _update_offering(message: tx_pb2.MsgUpdateOffering) -> Problems:
    if 0 < message.max_runtime_seconds < MIN_RUNTIME:
        yield f"max_runtime_seconds: must be at least {MIN_RUNTIME}, or omitted to keep its value"
    yield from _offering(message)


def _offering(message: Any) -> Problems:
    if message.required_identity_threshold > MAX_THRESHOLD:
        yield f"required_identity_threshold: must be at most {MAX_THRESHOLD}"
    for index, queue in enumerate(message.queue_options):
        if not queue.partition_name:
            yield f"queue_options[{index}].partition_name: missing"
        yield from _decimal(queue, "price_multiplier", f"queue_options[{index}].")
    for index, workload in enumerate(message.preconfigured_workloads):
        if not workload.workload_id:
            yield f"preconfigured_workloads[{index}].workload_id: missing"
    for field in message.pricing.DESCRIPTOR.fields:
        if field.name != "currency":
            yield from _decimal(message.pricing, field.name, "pricing.")


def _decimal(message: Any, name: str, path: str) -> Problems:
    text = getattr(message, name)
    if text and not is_price(text):
        yield f"{path}{name}: invalid amount: {text!r}"


def _submit_job(message: tx_pb2.MsgSubmitJob) -> Problems:
    spec = message.workload_spec
    if message.resources.nodes < 1:
        yield "resources.nodes: must be at least 1"
    if message.max_runtime_seconds < MIN_RUNTIME:
        yield f"max_runtime_seconds: must be at least {MIN_RUNTIME}"
    if spec.is_preconfigured and not spec.preconfigured_workload_id:
        yield "workload_spec.preconfigured_workload_id: required for a preconfigured job"
    if not spec.is_preconfigured and not spec.container_image:
        yield "workload_spec.container_image: required, unless the job names a preconfigured workload"
    yield from _coins(message.max_price, "max_price")


def _coins(held: Iterable[Any], path: str) -> Problems:
    for index, coin in enumerate(held):
        if not coin.amount.isascii() or not coin.amount.isdigit():
            yield f"{path}[{index}].amount: must be an integer: {coin.amount!r}"


def _report(message: tx_pb2.MsgReportJobStatus) -> Problems:
    if message.state in (types_pb2.JOB_STATE_UNSPECIFIED, types_pb2.JOB_STATE_PENDING):
        yield "state: must be queued, running, completed, failed, cancelled or timeout"


def _resolve_dispute(message: tx_pb2.MsgResolveDispute) -> Problems:
    if message.status not in (types_pb2.DISPUTE_STATUS_RESOLVED, types_pb2.DISPUTE_STATUS_REJECTED):
        yield "status: must be resolved or rejected"
    if message.dispute_id.startswith("DSP-"):
        yield (
            f"dispute_id: {message.dispute_id} is the id in FlagDispute's response; use the stored id, "
            "such as hpc-dispute-2"
        )


def _update_params(message: tx_pb2.MsgUpdateParams) -> Problems:
    params = message.params
    for name in (
        "platform_fee_rate",
        "provider_reward_rate",
        "node_reward_rate",
        "latency_weight_factor",
        "capacity_weight_factor",
    ):
        text = getattr(params, name)
        if not (text.isascii() and text.isdigit()):
            yield f"params.{name}: must be an integer number of millionths: {text!r}"
    if params.min_job_duration_seconds > params.max_job_duration_seconds:
        yield "params.min_job_duration_seconds: must not exceed max_job_duration_seconds"


def _send(message: MsgSend) -> Problems:
    yield from _coins(message.amount, "amount")
    if any(coin.amount.strip("0") == "" for coin in message.amount):
        yield "amount: must be greater than 0"
    denoms = [coin.denom for coin in message.amount]
    if len(denoms) != len(set(denoms)):
        yield "amount: each denom may be given once"
    try:
        bech32.decode(message.to_address)
    except ValueError as error:
        yield f"to_address: {error}"


def _keys(message: Any) -> Problems:
    for name in ("public_key", "new_public_key"):
        key = getattr(message, name, b"")
        if key and len(key) != PUBLIC_KEY_BYTES:
            yield f"{name}: must have {PUBLIC_KEY_BYTES} bytes, not {len(key)}"
        elif key and is_weak(key):
            yield f"{name}: unsafe public key (of low order): anybody could decrypt the data"
    for name in ("algorithm_id", "new_algorithm_id"):
        if getattr(message, name, "") not in ("", ALGORITHM):
            yield f"{name}: must be {ALGORITHM}"
    for name in ("key_fingerprint", "old_key_fingerprint"):
        text = getattr(message, name, "")
        if text and not is_fingerprint(text):
            yield f"{name}: must be 40 lower-case hex digits: {text!r}"
    if getattr(message, "reason", "") not in ("", *ROTATION_REASONS):
        yield f"reason: must be one of {', '.join(ROTATION_REASONS)}"


_CHECKS: dict[type[Message], Callable[[Any], Problems]] = {
    tx_pb2.MsgRegisterCluster: _register_cluster,
    tx_pb2.MsgUpdateCluster: _update_cluster,
    tx_pb2.MsgCreateOffering: _create_offering,
    tx_pb2.MsgUpdateOffering: _update_offering,
    tx_pb2.MsgSubmitJob: _submit_job,
    tx_pb2.MsgReportJobStatus: _report,
    tx_pb2.MsgResolveDispute: _resolve_dispute,
    tx_pb2.MsgUpdateParams: _update_params,
    encryption.MsgRegisterRecipientKey: _keys,
    encryption.MsgRotateKey: _keys,
    encryption.MsgRevokeRecipientKey: _keys,
    encryption.MsgUpdateKeyLabel: _keys,
    MsgSend: _send,
}
