"""What keeps a cluster from accepting all jobs: a pause, maintenance, a silent SLURM, sick nodes. Pure."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from provider_daemon.ledger.listing import ClusterNotes
from provider_daemon.status.units import age, short

NODES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class ClusterLine:
    """A cluster that an operator paused, with a maintenance window now or later, or with nodes not sold.

    `paused_by` is "" unless it is paused, or is being resumed (`resuming`) and the chain still shows it as
    draining. `silent`: SLURM did not answer the last poll. `maintenance` describes each window, the next one
    first. `nodes`: one text for each of a few nodes that are not sold, or whose GPUs are not.
    """

    cluster: str
    paused_by: str
    reason: str
    since: float
    resuming: bool
    silent: bool
    in_maintenance: bool
    maintenance: tuple[str, ...]
    nodes: tuple[str, ...] = ()


def cluster_line(notes: ClusterNotes, silent: Collection[str], now: float) -> ClusterLine | None:
    """Returns None for a cluster about which there is nothing to say."""
    ahead = [window for window in notes.windows if window.ends_at > now]
    pause, mute = notes.pause, notes.cluster_id in silent
    nodes = tuple(_nodes(notes))
    if pause is None and not ahead and not mute and not nodes:
        return None
    return ClusterLine(
        cluster=short(notes.cluster_id),
        paused_by=short(pause.by) if pause else "",
        reason=short(pause.reason) if pause else "",
        since=pause.since if pause else 0.0,
        resuming=bool(pause and pause.over),
        silent=mute,
        in_maintenance=any(window.starts_at <= now for window in ahead),
        maintenance=tuple(short(str(window)) for window in ahead),
        nodes=nodes,
    )


def _nodes(notes: ClusterNotes) -> Iterator[str]:
    whole = {hold.host: f"{hold.host} is not sold: {hold.reason}" for hold in notes.holds}
    parts = {
        host: f"{count} failed {'GPU' if count == 1 else 'GPUs'} of {host} not sold"
        for host, count in notes.failed_gpus.items()
    }
    found = [short(text) for _, text in sorted((parts | whole).items())]
    yield from found[:NODES_SHOWN]
    if len(found) > NODES_SHOWN:
        yield f"{len(found) - NODES_SHOWN} more; see provd node list"


def notes(line: ClusterLine, now: float) -> Iterator[str]:
    """Yields what keeps a cluster from accepting all jobs, now or later."""
    if line.silent:
        yield "SLURM does not answer"
    if line.resuming:
        yield "resumed; the chain still shows it as draining"
    elif line.paused_by:
        why = f": {line.reason}" if line.reason else ""
        yield f"paused by {line.paused_by} {age(now - line.since)} ago{why}; draining on chain"
    yield from line.maintenance
    yield from line.nodes
