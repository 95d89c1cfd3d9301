"""What a node agent reports about its compute node. Pure values.

Field names and units are those of the published agent (docs/agent.md, 'Fields'); `gpus` and
`acknowledgements` are ours. The agent imports this module and must stay small, so it uses the standard
library and annotated_types; `reading.py` applies the annotated limits to what comes from outside.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from annotated_types import Interval, MaxLen

from provider_daemon.nodes.command import CommandResult

Count = Annotated[int, Interval(ge=0, le=2**31 - 1)]
Long = Annotated[int, Interval(ge=0, le=2**62)]
Percent = Annotated[int, Interval(ge=0, le=100)]
Celsius = Annotated[int, Interval(ge=-100, le=200)]
Word = Annotated[str, MaxLen(128)]
Line = Annotated[str, MaxLen(256)]
Words = Annotated[tuple[Word, ...], MaxLen(64)]


class HealthStatus(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"
    OFFLINE = "offline"


class GpuState(StrEnum):
    """`failed`: it does not answer, or had an error after which jobs on it fail (docs/agent.md, 'GPUs')."""

    OK = "ok"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Capacity:
    """Whole cores, GB and GPUs. `available` is what is neither allocated nor broken."""

    cpu_cores_total: Count = 0
    cpu_cores_available: Count = 0
    cpu_cores_allocated: Count = 0
    memory_gb_total: Count = 0
    memory_gb_available: Count = 0
    memory_gb_allocated: Count = 0
    gpus_total: Count = 0
    gpus_available: Count = 0
    gpus_allocated: Count = 0
    gpu_type: Word = ""
    storage_gb_total: Count = 0
    storage_gb_available: Count = 0
    storage_gb_allocated: Count = 0


@dataclass(frozen=True, slots=True)
class Health:
    """Load averages are decimal text with six places, as the published agent writes them."""

    status: HealthStatus
    uptime_seconds: Long = 0
    load_average_1m: Word = ""
    load_average_5m: Word = ""
    load_average_15m: Word = ""
    cpu_utilization_percent: Percent = 0
    memory_utilization_percent: Percent = 0
    gpu_utilization_percent: Percent = 0
    gpu_memory_utilization_percent: Percent = 0
    disk_io_utilization_percent: Percent = 0
    network_utilization_percent: Percent = 0
    temperature_celsius: Celsius = 0
    gpu_temperature_celsius: Celsius = 0
    error_count_24h: Count = 0
    warning_count_24h: Count = 0
    last_error_message: Line = ""
    slurm_state: Word = ""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU. `xid_errors`: the XID numbers that the driver logged in the last 24 hours."""

    index: Count
    state: GpuState
    uuid: Word = ""
    model: Word = ""
    memory_gb: Count = 0
    utilization_percent: Percent = 0
    memory_utilization_percent: Percent = 0
    temperature_celsius: Celsius = 0
    ecc_errors: Long = 0
    xid_errors: Annotated[tuple[Count, ...], MaxLen(64)] = ()
    reason: Line = ""


@dataclass(frozen=True, slots=True)
class LatencyMeasurement:
    """`measured_at` is RFC 3339 in UTC."""

    target_node_id: Word
    latency_us: Long
    packet_loss_percent: Percent = 0
    measured_at: Word = ""


@dataclass(frozen=True, slots=True)
class Latency:
    measurements: Annotated[tuple[LatencyMeasurement, ...], MaxLen(16)] = ()
    gateway_latency_us: Long = 0
    chain_latency_ms: Long = 0
    avg_cluster_latency_us: Long = 0


@dataclass(frozen=True, slots=True)
class JobCounts:
    """SLURM jobs of this node only."""

    running_count: Count = 0
    pending_count: Count = 0
    completed_24h: Count = 0
    failed_24h: Count = 0
    active_job_ids: Annotated[tuple[Word, ...], MaxLen(1024)] = ()


@dataclass(frozen=True, slots=True)
class Services:
    slurmd_running: bool = False
    slurmd_version: Word = ""
    munge_running: bool = False
    container_runtime: Word = ""
    container_runtime_version: Word = ""


@dataclass(frozen=True, slots=True)
class Hardware:
    """Field names are those of NodeHardware (docs/protocol.md)."""

    cpu_model: Word = ""
    cpu_vendor: Word = ""
    cpu_arch: Word = ""
    sockets: Count = 0
    cores_per_socket: Count = 0
    threads_per_core: Count = 0
    memory_type: Word = ""
    memory_speed_mhz: Count = 0
    gpu_model: Word = ""
    gpu_memory_gb: Count = 0
    storage_type: Word = ""
    features: Words = ()


@dataclass(frozen=True, slots=True)
class Topology:
    numa_nodes: Count = 0
    numa_memory_gb: Count = 0
    interconnect: Word = ""
    network_fabric: Word = ""
    topology_hint: Word = ""


@dataclass(frozen=True, slots=True)
class Locality:
    region: Word = ""
    datacenter: Word = ""
    zone: Word = ""
    rack: Word = ""
    row: Word = ""
    position: Word = ""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What became of a command. `output`: for the operator, cut to 4,000 characters."""

    command_id: Word
    result: CommandResult
    output: Annotated[str, MaxLen(4000)] = ""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One heartbeat. `timestamp`: RFC 3339 in UTC. `sequence_number` grows with each, over restarts too.

    `hardware`, `topology` and `locality` are None where they are as last reported.
    """

    node_id: Word
    cluster_id: Word
    sequence_number: Annotated[int, Interval(ge=1, le=2**62)]
    timestamp: Word
    agent_version: Word
    capacity: Capacity
    health: Health
    latency: Latency = field(default_factory=Latency)
    jobs: JobCounts = field(default_factory=JobCounts)
    services: Services = field(default_factory=Services)
    hardware: Hardware | None = None
    topology: Topology | None = None
    locality: Locality | None = None
    gpus: Annotated[tuple[Gpu, ...], MaxLen(64)] = ()
    acknowledgements: Annotated[tuple[Acknowledgement, ...], MaxLen(16)] = ()


@dataclass(frozen=True, slots=True)
class Registration:
    """`agent_pubkey`: base64 of the Ed25519 key's 32 bytes. `hardware_fingerprint`: hex SHA-256."""

    node_id: Word
    cluster_id: Word
    provider_address: Word
    agent_pubkey: Word
    hostname: Line
    hardware_fingerprint: Word
    agent_version: Word
    capacity: Capacity
    health: Health
    region: Word = ""
    datacenter: Word = ""
    hardware: Hardware | None = None
    topology: Topology | None = None
    locality: Locality | None = None
