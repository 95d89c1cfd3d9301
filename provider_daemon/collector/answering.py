"""What the collector answers to an accepted heartbeat: interval, commands and neighbours. Pure."""

import json
from bisect import bisect_right
from collections.abc import Container, Iterable, Mapping, Sequence

from provider_daemon.node_protocol.answer import LEAST_SECONDS, Neighbour
from provider_daemon.nodes.allowed import AllowedNode, NodeDirectory
from provider_daemon.nodes.command import SignedCommand
from provider_daemon.nodes.report import GpuState, HealthStatus, Heartbeat

MAX_COMMANDS = 16  # of one answer
NEIGHBOURS = 3  # that a node measures the latency to


def interval(beat: Heartbeat, usual: int, commands: Sequence[SignedCommand]) -> int:
    """Returns the seconds until the next heartbeat.

    A node that is not healthy reports twice as often, so that its recovery is seen soon; one that gets a
    command as soon as possible, so that its operator does not wait.
    """
    if commands:
        return LEAST_SECONDS
    failed = any(gpu.state is GpuState.FAILED for gpu in beat.gpus)
    if failed or beat.health.status is not HealthStatus.HEALTHY:
        return max(LEAST_SECONDS, usual // 2)
    return usual


def command_id(command: SignedCommand) -> str:
    """Returns the id in a command's document, which the daemon wrote; "" if it cannot be read."""
    try:
        return str(json.loads(command.document)["command_id"])
    except (ValueError, KeyError, TypeError):
        return ""


def commands_for(
    directory: NodeDirectory, node_id: str, *answered: Container[str]
) -> tuple[SignedCommand, ...]:
    """Returns the node's open commands without those that its agent has answered, oldest first.

    `answered`: ids of commands, in any of several containers.
    """
    waiting = directory.commands.get(node_id, ())
    ids = ((each, command_id(each)) for each in waiting)
    unanswered = (each for each, found in ids if found and not any(found in done for done in answered))
    return tuple(unanswered)[:MAX_COMMANDS]


def rings(nodes: Iterable[AllowedNode], registered: Container[str]) -> Mapping[str, Sequence[AllowedNode]]:
    """Returns the registered nodes of each cluster, by node id."""
    found: dict[str, list[AllowedNode]] = {}
    for node in sorted(nodes, key=lambda each: each.node_id):
        if not node.revoked_at and node.node_id in registered:
            found.setdefault(node.cluster_id, []).append(node)
    return found


def neighbours(ring: Sequence[AllowedNode], node_id: str, port: int) -> tuple[Neighbour, ...]:
    """Returns the nodes after this one, in a ring: each node is measured by as many as it measures."""
    at = bisect_right(ring, node_id, key=lambda each: each.node_id)
    after = [*ring[at : at + NEIGHBOURS], *ring[: max(0, at + NEIGHBOURS - len(ring))]]
    others = (each for each in dict.fromkeys(after) if each.node_id != node_id)
    return tuple(Neighbour(each.node_id, f"{each.hostname}:{port}") for each in others)
