"""What the daemon knows of a compute node's agent. Pure values."""

from dataclasses import dataclass

from provider_daemon.nodes.report import Hardware, Heartbeat, Locality, Topology


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """One registered agent.

    `public_key`: base64. `fingerprint`: hex SHA-256 of the hardware. `seen_at`: seconds since the epoch by
    the collector's clock, of the last accepted heartbeat or else of the registration. `interval`: seconds
    until the next one, as the collector asked. `hardware`, `topology` and `locality` are as last reported.
    """

    node_id: str
    cluster_id: str
    hostname: str
    public_key: str
    fingerprint: str
    agent_version: str
    registered_at: float
    seen_at: float
    interval: int
    heartbeat: Heartbeat | None = None
    hardware: Hardware | None = None
    topology: Topology | None = None
    locality: Locality | None = None
