"""An agent on a node whose clock and measurements a test sets."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from provider_daemon.agent import key_file
from provider_daemon.agent.agent import Agent
from provider_daemon.agent.config import AgentSettings
from provider_daemon.agent.registrar import Identity
from provider_daemon.agent.sampling import Sample
from provider_daemon.agent.state_file import StateFile
from provider_daemon.nodes.report import (
    Capacity,
    Hardware,
    Health,
    HealthStatus,
    JobCounts,
    Services,
    Topology,
)
from tests.unit.agent.far_end import HOST, NOW

SAMPLE = Sample(
    Capacity(cpu_cores_total=64, cpu_cores_available=64, memory_gb_total=256, memory_gb_available=256),
    Health(HealthStatus.HEALTHY, uptime_seconds=60, load_average_1m="0.500000"),
    JobCounts(),
    Services(slurmd_running=True, munge_running=True),
    (),
)


class FakeClock:
    """`ahead`: how far the wall clock is ahead of the collector's."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.ahead = 0.0

    def now(self) -> float:
        return NOW + self.passed + self.ahead

    def steady(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds


class FakeSource:
    def __init__(self) -> None:
        self.current = SAMPLE
        self.fingerprint = "ab" * 32

    def hardware(self) -> tuple[Hardware, Topology, str]:
        return Hardware(cpu_model="EPYC 9354"), Topology(numa_nodes=2), self.fingerprint

    def sample(self, now: float) -> Sample:
        return self.current


@dataclass
class Place:
    """`agent()` starts an agent; a second call is a restart, with what is on the disk."""

    directory: Path
    settings: AgentSettings = field(default_factory=AgentSettings)
    clock: FakeClock = field(default_factory=FakeClock)
    source: FakeSource = field(default_factory=FakeSource)

    def __post_init__(self) -> None:
        self.state.mkdir(exist_ok=True)
        self.settings = replace(
            self.settings, state_directory=str(self.state), token_file=str(self.token), hostname=HOST
        )

    @property
    def state(self) -> Path:
        return self.directory / "state"

    @property
    def token(self) -> Path:
        return self.directory / "token"

    def write_token(self, text: str) -> None:
        self.token.write_text(f"{text}\n")
        self.token.chmod(0o600)

    def file(self) -> StateFile:
        return StateFile(self.state / "state.json")

    def agent(self) -> Agent:
        identity = Identity(HOST, "0.1.0", key_file.load_or_create(self.state / "agent.key"))
        return Agent(self.settings, identity, self.file(), self.source, self.clock, chance=lambda: 0.0)
