"""Records of the raw store (JSON) <-> protobuf messages (FACTS.md, 'JSON of the records').

Field order and which empty fields are left out are the chain's Go structs', told in LAYOUTS; what no sample shows follows the wire's order
with every field present. Records hold a few fields that the wire does not have (`extras`).
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from provider_daemon.errors import Unreadable

# `?` marks what is left out when empty. Only types that differ from "every wire field, in wire order" are listed.
LAYOUTS: dict[str, str] = {
    "HPCCluster": "cluster_id provider_address name description? state partitions total_nodes available_nodes region cluster_metadata"
    " slurm_version kubernetes_cluster_id? created_at updated_at block_height",
    "Partition": "name nodes max_runtime default_runtime max_nodes features? priority state",
    "ClusterMetadata": "total_cpu_cores total_memory_gb total_gpus gpu_types? interconnect_type? storage_type? total_storage_gb",
    "QueueOption": "partition_name display_name max_nodes max_runtime features? price_multiplier",
    "JobResources": "nodes cpu_cores_per_node memory_gb_per_node gpus_per_node? storage_gb gpu_type?",
    "HPCOffering": "offering_id cluster_id provider_address name description? queue_options pricing required_identity_threshold"
    " max_runtime_seconds preconfigured_workloads? supports_custom_workloads active created_at updated_at block_height",
    "JobWorkloadSpec": "container_image? command? arguments? environment? working_directory? preconfigured_workload_id? is_preconfigured",
    "HPCJob": "job_id offering_id cluster_id provider_address customer_address slurm_job_id? state queue_name workload_spec resources"
    " data_references? encrypted_inputs_pointer? encrypted_outputs_pointer? max_runtime_seconds agreed_price escrow_id?"
    " scheduling_decision_id? status_message? exit_code? created_at queued_at? started_at? completed_at? block_height",
    "NodeMetadata": "node_id cluster_id provider_address region datacenter latency_measurements? avg_latency_ms network_bandwidth_mbps"
    " resources active state health_status agent_pubkey? hardware_fingerprint? agent_version? last_sequence_number capacity? health?"
    " hardware? topology? locality? last_heartbeat state_changed_at? joined_at updated_at missed_heartbeat_count total_heartbeats"
    " total_missed_heartbeats block_height",
    "NodeResources": "cpu_cores memory_gb gpus? gpu_type? storage_gb",
    "HPCDispute": "dispute_id job_id reward_id? disputer_address dispute_type reason evidence? status resolution? resolver_address?"
    " created_at resolved_at? block_height",
    "JobAccounting": "job_id cluster_id provider_address customer_address usage_metrics total_cost provider_reward node_rewards?"
    " platform_fee settlement_status settlement_id? signed_usage_record_ids? job_completion_status created_at finalized_at? block_height",
    "HPCRewardRecord": "reward_id job_id cluster_id source total_reward recipients referenced_usage_records? job_completion_status"
    " formula_version calculation_details disputed dispute_id? issued_at block_height",
    "HPCRewardRecipient": "address amount recipient_type node_id? contribution_weight reason",
}

# Fields of store records that the wire does not have, with their zero.
EXTRAS: dict[str, dict[str, Any]] = {
    "NodeMetadata": {"state_changed_at": "", "missed_heartbeat_count": 0, "total_heartbeats": 0, "total_missed_heartbeats": 0},
}

M = TypeVar("M", bound=Message)

# Go writes a nil slice as null; coins are never nil.
NULL_WHEN_EMPTY = frozenset({"partitions"})

_TIMESTAMP = "google.protobuf.Timestamp"
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")
_ZERO_TIME = "0001-01-01T00:00:00Z"  # Go's unset time
_EMPTY: tuple[Any, ...] = (None, "", 0, False, [], {})


# --- JSON as Go writes it ---


def dumps(record: Mapping[str, Any]) -> bytes:
    """No spaces, UTF-8, and the three characters that Go's encoder escapes."""
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text.encode()


def loads(value: bytes) -> dict[str, Any]:
    """Raises Unreadable for anything but a JSON object."""
    try:
        record = json.loads(value)
    except ValueError as error:
        raise Unreadable(f"a store record is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise Unreadable("a store record is not a JSON object")
    return record


# --- store -> message ---


def decode(message_type: type[M], value: bytes) -> M:
    """The record as a message; raises Unreadable, naming the field, for what does not fit the wire."""
    message = message_type()
    _fill(message, loads(value))
    return message


def _fill(message: Message, record: Mapping[str, Any]) -> None:
    for field in message.DESCRIPTOR.fields:
        value = record.get(field.name)
        if value is None:
            continue
        try:
            _set(message, field, value)
        except (ValueError, TypeError, AttributeError) as error:
            raise Unreadable(f"{message.DESCRIPTOR.name}.{field.name} cannot be read: {error}") from error


def _set(message: Message, field: Any, value: Any) -> None:
    if _is_map(field):
        getattr(message, field.name).update(value)
    elif field.is_repeated and field.message_type:
        for item in value:
            _fill(getattr(message, field.name).add(), item)
    elif field.is_repeated:
        getattr(message, field.name).extend(value)
    elif field.message_type and field.message_type.full_name == _TIMESTAMP:
        _set_time(getattr(message, field.name), value)
    elif field.message_type:
        _fill(getattr(message, field.name), value)
        getattr(message, field.name).SetInParent()
    else:
        setattr(message, field.name, _enum_number(field, value) if field.enum_type else value)


def _is_map(field: Any) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def _set_time(target: Timestamp, text: str) -> None:
    if text == _ZERO_TIME:
        return
    match = _RFC3339.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no RFC 3339 time in UTC")
    target.seconds = int(datetime.fromisoformat(match[1] + "+00:00").timestamp())
    target.nanos = int((match[2] or "0").ljust(9, "0"))


def _enum_prefix(field: Any) -> str:
    return str(field.enum_type.values[0].name).removesuffix("UNSPECIFIED")


def _enum_number(field: Any, word: str) -> int:
    found = field.enum_type.values_by_name.get(_enum_prefix(field) + word.upper())
    if found is None:
        raise ValueError(f"unknown word {word!r}")
    return int(found.number)


# --- message -> store ---


def encode(message: Message, extras: Mapping[str, Any] | None = None) -> bytes:
    """The record as the chain stores it."""
    return dumps(to_record(message, extras))


def to_record(message: Message, extras: Mapping[str, Any] | None = None) -> dict[str, Any]:
    name = message.DESCRIPTOR.name
    layout = LAYOUTS.get(name, " ".join(field.name for field in message.DESCRIPTOR.fields)).split()
    more = {**EXTRAS.get(name, {}), **(extras or {})}
    record: dict[str, Any] = {}
    for entry in layout:
        key = entry.rstrip("?")
        value = more[key] if key in more else _value(message, message.DESCRIPTOR.fields_by_name[key])
        if not (entry.endswith("?") and value in _EMPTY):
            record[key] = value
    return record


def _value(message: Message, field: Any) -> Any:
    value = getattr(message, field.name)
    if _is_map(field):
        return dict(sorted(value.items()))
    if field.is_repeated and not value and field.name in NULL_WHEN_EMPTY:
        return None
    if field.is_repeated:
        return [to_record(item) for item in value] if field.message_type else list(value)
    if field.message_type and field.message_type.full_name == _TIMESTAMP:
        return format_time(value.seconds * 10**9 + value.nanos) if message.HasField(field.name) else None
    if field.message_type:
        return to_record(value) if message.HasField(field.name) else None
    return _enum_word(field, value) if field.enum_type else value


def _enum_word(field: Any, number: int) -> str:
    return str(field.enum_type.values_by_number[number].name).removeprefix(_enum_prefix(field)).lower()


def format_time(nanoseconds: int) -> str:
    """RFC 3339 in UTC, up to nine digits, trailing zeros trimmed."""
    seconds, rest = divmod(nanoseconds, 10**9)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"
