"""What `provd node list` and `provd node show` print of a compute node. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from provider_daemon.nodes import condition
from provider_daemon.nodes.allowed import AllowedNode
from provider_daemon.nodes.facts import AgentFacts
from provider_daemon.nodes.hold import NodeHold
from provider_daemon.nodes.ids import first_id, host_of
from provider_daemon.nodes.report import GpuState
from provider_daemon.status.reported_nodes import ReportedNode


class AgentStatus(StrEnum):
    """NONE: no agent is allowed. NEVER: its token was not used yet. UNKNOWN: what the collector knows cannot
    be read. UNHEALTHY: it reports a sick node or a failed GPU."""

    NONE = "-"
    NEVER = "never"
    ACTIVE = "active"
    UNHEALTHY = "unhealthy"
    SILENT = "silent"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node. `seen_seconds`: age of the agent's last heartbeat, None without one.

    `gpus` and `gpus_available`: as reported on chain. `gpus_failed`: as its agent reports.
    """

    cluster_id: str
    host: str
    node_id: str
    slurm_state: str
    chain_state: str
    chain_health: str
    reported_seconds: float | None
    agent: AgentStatus
    seen_seconds: float | None
    agent_version: str
    gpus: int
    gpus_available: int
    gpus_failed: int
    holds: tuple[NodeHold, ...]
    open_commands: int


@dataclass(frozen=True, slots=True)
class NodeSources:
    """What is known of a cluster's nodes.

    `reported`: by host. `allowed`, `agents`, and `commands`, how many an agent has not answered: by node id.
    `unreadable`: why the agents cannot be read, "" if they can.
    """

    cluster_id: str
    name: str
    reported: Mapping[str, ReportedNode]
    allowed: Mapping[str, AllowedNode]
    agents: Mapping[str, AgentFacts]
    unreadable: str
    holds: Iterable[NodeHold]
    commands: Mapping[str, int]


def node_statuses(sources: NodeSources, now: float) -> list[NodeStatus]:
    """Returns the nodes that SLURM has, and all others with an agent or a hold, by host."""
    holds: dict[str, list[NodeHold]] = {}
    for hold in sources.holds:
        holds.setdefault(hold.host, []).append(hold)
    ids = {*sources.allowed, *sources.agents}
    hosts = {*sources.reported, *holds, *(host_of(node_id, sources.name) for node_id in ids)}
    return [_status(host, sources, tuple(holds.get(host, ())), now) for host in sorted(hosts)]


def _status(host: str, sources: NodeSources, holds: tuple[NodeHold, ...], now: float) -> NodeStatus:
    node_id = first_id(sources.name, host)
    reported, allowed = sources.reported.get(host), sources.allowed.get(node_id)
    agent = sources.agents.get(node_id)
    if agent and not (allowed and allowed.trusts(agent.registered_at)):
        agent = None  # what the collector has of it is from before it was revoked
    gpus = agent.heartbeat.gpus if agent and agent.heartbeat else ()
    return NodeStatus(
        cluster_id=sources.cluster_id,
        host=host,
        node_id=reported.node_id if reported else node_id,
        slurm_state=reported.slurm_state if reported else "",
        chain_state=reported.state if reported else "",
        chain_health=reported.health if reported else "",
        reported_seconds=now - reported.at if reported and reported.at else None,
        agent=_agent(allowed, agent, now, readable=not sources.unreadable),
        seen_seconds=now - agent.seen_at if agent else None,
        agent_version=agent.agent_version if agent else "",
        gpus=reported.gpus if reported else 0,
        gpus_available=reported.gpus_available if reported else 0,
        gpus_failed=sum(gpu.state is GpuState.FAILED for gpu in gpus),
        holds=holds,
        open_commands=sources.commands.get(node_id, 0),
    )


def _agent(
    allowed: AllowedNode | None, agent: AgentFacts | None, now: float, *, readable: bool
) -> AgentStatus:
    if allowed is None:
        return AgentStatus.NONE
    if allowed.revoked_at:
        return AgentStatus.REVOKED
    if not readable:
        return AgentStatus.UNKNOWN
    return AgentStatus(condition.state(agent, now)) if agent else AgentStatus.NEVER
