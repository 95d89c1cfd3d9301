"""Pausing and resuming the intake of clusters."""

from pydantic import Field

from provider_daemon.audit_log.records import Action
from provider_daemon.control.operation import Body, Context, Deed, Operation, Reason
from provider_daemon.errors import Refused
from provider_daemon.ledger import meta
from provider_daemon.ledger.pause import Pause


class PauseClusters(Body):
    """`cluster`: the id or name of a cluster; "" for all."""

    cluster: str = ""
    reason: Reason


class ResumeClusters(Body):
    """`cluster`: the id or name of a cluster; "" for all."""

    cluster: str = ""
    reason: str = Field(default="", max_length=200)


class PausedCluster(Body):
    """`changed`: whether it was not so before. `open_jobs`: those that go on meanwhile."""

    cluster_id: str
    name: str
    changed: bool
    reason: str
    since: float
    open_jobs: int


class PausedClusters(Body):
    clusters: tuple[PausedCluster, ...]


def _pause(asked: PauseClusters, context: Context) -> PausedClusters:
    return PausedClusters(
        clusters=tuple(
            _paused(cluster_id, name, asked.reason, context)
            for cluster_id, name in chosen(asked.cluster, context)
        )
    )


def _paused(cluster_id: str, name: str, reason: str, context: Context) -> PausedCluster:
    """Pauses a cluster. One that is paused already keeps its reason and time."""
    key = meta.pause(cluster_id)
    pause = context.ledger.get(key)
    changed = pause is None or pause.over
    if pause is None or pause.over:
        pause = Pause(reason, context.operator, context.now)
        context.ledger.set(key, pause)
    jobs = len(context.ledger.open_ids(cluster_id))
    return PausedCluster(
        cluster_id=cluster_id,
        name=name,
        changed=changed,
        reason=pause.reason,
        since=pause.since,
        open_jobs=jobs,
    )


def _resume(asked: ResumeClusters, context: Context) -> PausedClusters:
    return PausedClusters(
        clusters=tuple(
            _resumed(cluster_id, name, context) for cluster_id, name in chosen(asked.cluster, context)
        )
    )


def _resumed(cluster_id: str, name: str, context: Context) -> PausedCluster:
    """Ends a pause. The heartbeat loop forgets it when the chain shows the cluster as active."""
    key = meta.pause(cluster_id)
    pause = context.ledger.get(key)
    changed = pause is not None and not pause.over
    if pause is not None and not pause.over:
        context.ledger.set(key, Pause(pause.reason, pause.by, pause.since, over=True))
    return PausedCluster(
        cluster_id=cluster_id,
        name=name,
        changed=changed,
        reason=pause.reason if pause else "",
        since=pause.since if pause else 0.0,
        open_jobs=len(context.ledger.open_ids(cluster_id)),
    )


def chosen(wanted: str, context: Context) -> list[tuple[str, str]]:
    """Returns (id, name) of the clusters. Raises Refused if the daemon serves no such cluster."""
    served = [(cluster.id, cluster.name) for cluster in context.config.clusters]
    found = [each for each in served if wanted in ("", *each)]
    if not found:
        known = ", ".join(f"{cluster_id} ({name})" for cluster_id, name in served)
        raise Refused(f"no cluster {wanted!r} in the configuration; the clusters are {known}")
    return found


def _deeds(action: Action, reason: str, answer: PausedClusters) -> list[Deed]:
    return [
        Deed(action, object=cluster.cluster_id, detail=reason)
        for cluster in answer.clusters
        if cluster.changed
    ]


PAUSE = Operation(
    "clusters/pause",
    PauseClusters,
    PausedClusters,
    _pause,
    lambda asked, answer: _deeds(Action.CLUSTER_PAUSED, asked.reason, answer),
    frozenset({"heartbeat"}),
)
RESUME = Operation(
    "clusters/resume",
    ResumeClusters,
    PausedClusters,
    _resume,
    lambda asked, answer: _deeds(Action.CLUSTER_RESUMED, asked.reason, answer),
    frozenset({"heartbeat", "intake"}),
)
