"""A fake of the agents port: the test decides what the agents of the cluster alpha have reported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from provider_daemon.errors import Transient
from provider_daemon.nodes.facts import AgentFacts
from provider_daemon.nodes.report import (
    Acknowledgement,
    Capacity,
    Gpu,
    GpuState,
    Hardware,
    Health,
    HealthStatus,
    Heartbeat,
    Latency,
    LatencyMeasurement,
    Locality,
    Services,
    Topology,
)
from tests.fakes.chain import FakeClock

KEY = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
FINGERPRINT = "ab" * 32
WELL = Health(HealthStatus.HEALTHY, uptime_seconds=60, load_average_1m="0.500000", cpu_utilization_percent=5)
RUNNING = Services(slurmd_running=True, munge_running=True)
SICK = Health(HealthStatus.UNHEALTHY, last_error_message="the disk is read-only")


def gpus(count: int, failed: Sequence[int] = ()) -> tuple[Gpu, ...]:
    return tuple(
        Gpu(index, GpuState.FAILED, reason="fell off the bus") if index in failed else Gpu(index, GpuState.OK)
        for index in range(count)
    )


def heartbeat(
    host: str = "n1",
    sequence: int = 1,
    health: Health = WELL,
    gpus: tuple[Gpu, ...] = (),
    services: Services = RUNNING,
) -> Heartbeat:
    return Heartbeat(
        f"alpha.{host}",
        "HPC-1",
        sequence,
        "2026-01-30T14:05:00Z",
        "0.1.0",
        Capacity(storage_gb_total=100, storage_gb_available=50),
        health,
        Latency((LatencyMeasurement("alpha.n2", 1999, 0, "2026-01-30T14:05:00.5Z"),)),
        services=services,
        gpus=gpus,
    )


def agent(host: str = "n1", seen_at: float = 0.0, beat: Heartbeat | None = None) -> AgentFacts:
    return AgentFacts(
        node_id=f"alpha.{host}",
        cluster_id="HPC-1",
        hostname=host,
        public_key=KEY,
        fingerprint=FINGERPRINT,
        agent_version="0.1.0",
        registered_at=seen_at,
        seen_at=seen_at,
        interval=30,
        heartbeat=beat,
        hardware=Hardware(cpu_model="EPYC 7763", sockets=2, features=("avx2",)),
        topology=Topology(numa_nodes=8),
        locality=Locality(rack="r7"),
    )


@dataclass
class FakeAgents:
    """`unreadable`: the collector's database cannot be read."""

    clock: FakeClock
    known: dict[str, AgentFacts] = field(default_factory=dict)
    unreadable: bool = False

    def facts(self, cluster_id: str) -> Mapping[str, AgentFacts]:
        if self.unreadable:
            raise Transient("agents.sqlite cannot be read: disk I/O error")
        return dict(self.known)

    def acknowledgements(self, cluster_id: str) -> Mapping[str, Acknowledgement]:
        return {}

    def report(
        self,
        host: str,
        health: Health = WELL,
        gpus: tuple[Gpu, ...] = (),
        services: Services = RUNNING,
    ) -> None:
        """Receives a heartbeat of a host now."""
        before = self.known.get(f"alpha.{host}")
        sequence = before.heartbeat.sequence_number + 1 if before and before.heartbeat else 1
        beat = heartbeat(host, sequence, health, gpus, services)
        self.known[f"alpha.{host}"] = agent(host, self.clock.now(), beat)
