"""Whether a compute node may be sold, by what its agent reports. Pure.

A node is out at the first heartbeat that says so, and back after RECOVERY_SECONDS of good heartbeats without
a gap. The silence of an agent neither holds a node nor releases it (docs/agent.md, 'Sick nodes').
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from provider_daemon.nodes.facts import AgentFacts
from provider_daemon.nodes.hold import HoldSource, NodeHold
from provider_daemon.nodes.report import Gpu, GpuState, HealthStatus, Heartbeat
from provider_daemon.text import printable

SILENT_SECONDS = 120.0
SILENT_INTERVALS = 4
RECOVERY_SECONDS = 90.0
MAX_REASON = 200
_SICK = (HealthStatus.UNHEALTHY, HealthStatus.OFFLINE)


class UnhealthyPolicy(StrEnum):
    """What happens to a sick node (`clusters.nodes.unhealthy`).

    REPORT: the chain's record shows its health, and nothing else changes. UNAVAILABLE: it is not sold, and
    failed GPUs are not counted. DRAIN: the same, and SLURM starts no job on a node that is sick or has a
    failed GPU.
    """

    REPORT = "report"
    UNAVAILABLE = "unavailable"
    DRAIN = "drain"


class AgentState(StrEnum):
    """UNHEALTHY: its last heartbeat reports a sick node or a failed GPU.

    POWERED_DOWN: silent, because SLURM has powered its node down.
    """

    ACTIVE = "active"
    UNHEALTHY = "unhealthy"
    SILENT = "silent"
    POWERED_DOWN = "powered_down"


@dataclass(frozen=True, slots=True)
class FailedGpus:
    """The GPUs of a node that are not sold, of `known` that its agent sees.

    `good_since`: GPU index -> time of the first heartbeat since which it works again, 0 while it does not.
    """

    known: int = 0
    good_since: Mapping[int, float] = field(default_factory=dict)

    def lost(self, gpus: int) -> int:
        """Returns how many of SLURM's GPUs are lost. SLURM may count parts of GPUs (MIG)."""
        return min(gpus, -(-gpus * len(self.good_since) // self.known)) if self.known else 0


NO_GPUS = FailedGpus()


class LastHeard(Protocol):
    """When an agent was last heard, and after how many seconds it was asked to report again."""

    @property
    def seen_at(self) -> float: ...

    @property
    def interval(self) -> int: ...


def is_silent(agent: LastHeard, now: float) -> bool:
    """Whether the agent's last heartbeat is too old. One from the future is, too: a clock was set back."""
    return abs(now - agent.seen_at) > max(SILENT_SECONDS, SILENT_INTERVALS * agent.interval)


def state(agent: AgentFacts, now: float, *, powered_down: bool = False) -> AgentState:
    if is_silent(agent, now):
        return AgentState.POWERED_DOWN if powered_down else AgentState.SILENT
    sick = agent.heartbeat is not None and complaint(agent.heartbeat, UnhealthyPolicy.DRAIN)
    return AgentState.UNHEALTHY if sick else AgentState.ACTIVE


def failed_gpus(gpus: Iterable[Gpu]) -> list[int]:
    """Returns the indexes of the GPUs that do not work."""
    return [gpu.index for gpu in gpus if gpu.state is GpuState.FAILED]


def complaint(heartbeat: Heartbeat, policy: UnhealthyPolicy) -> str:
    """Returns why the whole node is out, in one printable line; "" if it is not."""
    failed = [gpu for gpu in heartbeat.gpus if gpu.state is GpuState.FAILED]
    most = 1 if policy is UnhealthyPolicy.DRAIN else max(1, len(heartbeat.gpus))
    causes = [f"GPU {gpu.index} failed: {gpu.reason or 'no reason given'}" for gpu in failed]
    causes = causes if len(failed) >= most else []
    if not heartbeat.services.slurmd_running:
        causes.append("slurmd is not running")
    if heartbeat.health.status in _SICK and not causes:
        causes.append(heartbeat.health.last_error_message or f"the node is {heartbeat.health.status}")
    return printable("; ".join(causes))[:MAX_REASON]


def next_hold(
    hold: NodeHold | None, agent: AgentFacts, host: str, policy: UnhealthyPolicy, now: float
) -> NodeHold | None:
    """Returns the node's hold for its health, by its agent. `hold`: the one until now."""
    heartbeat = _heard(agent, now)
    if heartbeat is not None and (why := complaint(heartbeat, policy)):
        return NodeHold(agent.cluster_id, host, HoldSource.HEALTH, hold.since if hold else now, why)
    if hold is None:
        return None
    good_since = _good_since(hold.good_since, agent.seen_at) if heartbeat else 0.0
    return None if _recovered(good_since, agent) else replace(hold, good_since=good_since)


def next_failed_gpus(before: FailedGpus, agent: AgentFacts, now: float) -> FailedGpus:
    """Returns the GPUs that are not sold, by the node's agent. One that it no longer lists stays out."""
    heartbeat = _heard(agent, now)
    gpus = heartbeat.gpus if heartbeat else ()
    out = dict.fromkeys(failed_gpus(gpus), 0.0)
    listed = {gpu.index for gpu in gpus}
    for index in before.good_since.keys() - out.keys():
        good_since = _good_since(before.good_since[index], agent.seen_at) if index in listed else 0.0
        if not _recovered(good_since, agent):
            out[index] = good_since
    known = len(listed | out.keys()) if listed else before.known
    return FailedGpus(known, dict(sorted(out.items()))) if out else NO_GPUS


def _heard(agent: AgentFacts, now: float) -> Heartbeat | None:
    """Returns the last heartbeat; None if there is none, or it is too old."""
    return None if is_silent(agent, now) else agent.heartbeat


def _good_since(before: float, seen_at: float) -> float:
    """Returns since when heartbeats are good; the newest one, if the clock was set back since."""
    return min(before or seen_at, seen_at)


def _recovered(good_since: float, agent: AgentFacts) -> bool:
    return bool(good_since) and agent.seen_at - good_since >= RECOVERY_SECONDS
