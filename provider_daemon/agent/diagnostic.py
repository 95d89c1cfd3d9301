"""The output of run_diagnostic: what the agent sees, as text for the operator. Pure."""

from provider_daemon.agent.sampling import Sample
from provider_daemon.nodes.report import Gpu, GpuState, Health, Latency, LatencyMeasurement, Services


def render(version: str, sample: Sample, latency: Latency, *, drained: bool) -> str:
    """Returns a line for each subject, the health first."""
    health, capacity = sample.health, sample.capacity
    lines = [
        f"agent {version}, drained by the provider: {'yes' if drained else 'no'}",
        f"health: {health.status}{_error(health)}",
        f"up for {health.uptime_seconds} s, load {health.load_average_1m} {health.load_average_5m} "
        f"{health.load_average_15m}, temperature {health.temperature_celsius} °C",
        f"processors: {capacity.cpu_cores_total}, {health.cpu_utilization_percent} % busy",
        f"memory: {capacity.memory_gb_total} GB, {health.memory_utilization_percent} % used",
        f"storage: {capacity.storage_gb_available} of {capacity.storage_gb_total} GB free, "
        f"disk {health.disk_io_utilization_percent} % busy",
        f"network: {health.network_utilization_percent} % of its speed",
        _services(sample.services),
        f"jobs: {sample.jobs.running_count} running",
        *map(_gpu, sample.gpus),
        *map(_neighbour, latency.measurements),
    ]
    return "\n".join(lines)


def _error(health: Health) -> str:
    return f": {health.last_error_message}" if health.last_error_message else ""


def _services(services: Services) -> str:
    state = {True: "running", False: "not running"}
    runtime = f"{services.container_runtime} {services.container_runtime_version}".strip() or "none"
    return (
        f"slurmd {services.slurmd_version} {state[services.slurmd_running]}, "
        f"munge {state[services.munge_running]}, container runtime {runtime}"
    )


def _gpu(gpu: Gpu) -> str:
    xid = f", XID {' '.join(map(str, gpu.xid_errors))}" if gpu.xid_errors else ""
    why = f": {gpu.reason}" if gpu.state is GpuState.FAILED else ""
    return (
        f"GPU {gpu.index} {gpu.model} {gpu.state}{why}: {gpu.temperature_celsius} °C, "
        f"{gpu.utilization_percent} % busy, {gpu.ecc_errors} uncorrected ECC errors{xid}"
    )


def _neighbour(measured: LatencyMeasurement) -> str:
    return (
        f"latency to {measured.target_node_id}: {measured.latency_us} us, "
        f"{measured.packet_loss_percent} % lost, at {measured.measured_at}"
    )
