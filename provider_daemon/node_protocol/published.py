"""The published agent's and daemon's forms of heartbeats and answers. Pure.

The daemon encodes a heartbeat again before it verifies the signature. It keeps fewer fields than the
published agent sends, so that those two never agree; an agent that signs this form is accepted there
(docs/agent.md, 'The published agent and collector').
"""

import json
from datetime import UTC, datetime
from typing import Any

from provider_daemon.node_protocol.answer import Answer
from provider_daemon.nodes.report import Heartbeat

_CAPACITY = tuple(
    f"{kind}_{part}"
    for kind in ("cpu_cores", "memory_gb", "gpus", "storage_gb")
    for part in ("total", "available", "allocated")
)


def answer(found: Answer) -> bytes:
    """Returns the answer for the published agent: it cannot parse another time, nor use what is left out."""
    at = datetime.fromtimestamp(found.timestamp, UTC).isoformat().replace("+00:00", "Z")
    body = {
        "accepted": found.accepted,
        "sequence_ack": found.sequence_ack,
        "timestamp": at,
        "next_heartbeat_seconds": found.next_heartbeat_seconds,
    }
    return json.dumps(body, separators=(",", ":")).encode()


def signed_form(beat: Heartbeat) -> bytes:
    """Returns the compact JSON that the published daemon verifies."""
    body = {
        "node_id": beat.node_id,
        "cluster_id": beat.cluster_id,
        "sequence_number": beat.sequence_number,
        "timestamp": beat.timestamp,
        "agent_version": beat.agent_version,
        "capacity": _capacity(beat),
        "health": _health(beat),
        "latency": _latency(beat),
        "jobs": {"running_count": beat.jobs.running_count, "pending_count": beat.jobs.pending_count},
        "services": _services(beat),
    }
    return _as_go(json.dumps(body, separators=(",", ":"), ensure_ascii=False))


def _capacity(beat: Heartbeat) -> dict[str, Any]:
    """`*_allocated` is left out at 0, and gpu_type, which follows the GPUs, if empty."""
    found: dict[str, Any] = {}
    for name in _CAPACITY:
        value = getattr(beat.capacity, name)
        if value or not name.endswith("_allocated"):
            found[name] = value
        if name == "gpus_allocated" and beat.capacity.gpu_type:
            found["gpu_type"] = beat.capacity.gpu_type
    return found


def _health(beat: Heartbeat) -> dict[str, Any]:
    health = beat.health
    found: dict[str, Any] = {
        "status": health.status,
        "uptime_seconds": health.uptime_seconds,
        "load_average_1m": health.load_average_1m,
        "cpu_utilization_percent": health.cpu_utilization_percent,
        "memory_utilization_percent": health.memory_utilization_percent,
    }
    return found | ({"slurm_state": health.slurm_state} if health.slurm_state else {})


def _latency(beat: Heartbeat) -> dict[str, Any]:
    kept = ("target_node_id", "latency_us", "measured_at")
    measured = [{name: getattr(each, name) for name in kept} for each in beat.latency.measurements]
    found: dict[str, Any] = {"measurements": measured} if measured else {}
    return found | {"avg_cluster_latency_us": beat.latency.avg_cluster_latency_us}


def _services(beat: Heartbeat) -> dict[str, Any]:
    services = beat.services
    optional = {"slurmd_version": services.slurmd_version, "container_runtime": services.container_runtime}
    return {"slurmd_running": services.slurmd_running} | {
        name: each for name, each in optional.items() if each
    }


def _as_go(text: str) -> bytes:
    """Escapes what Go's encoder escapes in strings; none of these characters occurs outside of them."""
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.encode()
