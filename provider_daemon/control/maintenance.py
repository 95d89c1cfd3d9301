"""Maintenance windows that operators plan."""

from typing import Annotated

from pydantic import Field

from provider_daemon.audit_log.records import Action
from provider_daemon.control.clusters import chosen
from provider_daemon.control.operation import Body, Context, Deed, Operation
from provider_daemon.errors import Refused
from provider_daemon.job.maintenance import Window, WindowSource, utc
from provider_daemon.ledger import maintenance

MAX_REASON = 200
LATEST = 99_999_999_999  # seconds since the epoch

ClusterName = Annotated[str, Field(min_length=1)]
Seconds = Annotated[int, Field(ge=0, le=LATEST)]


class AddWindow(Body):
    """`cluster`: its id or name. Times in seconds since the epoch. `reason` is for customers, too."""

    cluster: ClusterName
    starts_at: Seconds
    ends_at: Seconds
    reason: str = Field(default="", max_length=MAX_REASON)


class RemoveWindow(Body):
    cluster: ClusterName
    number: int


class ListWindows(Body):
    """`cluster`: the id or name of a cluster; "" for all."""

    cluster: str = ""


class PlannedWindow(Body):
    """`source`: operator or slurm; only an operator's can be removed, by its `number`.

    `reserved`: SLURM has reserved all nodes for the whole window, so that none of its jobs can run into it.
    """

    cluster_id: str
    name: str
    number: int
    source: WindowSource
    starts_at: int
    ends_at: int
    nodes_left: int
    reason: str
    reserved: bool


class PlannedWindows(Body):
    windows: tuple[PlannedWindow, ...]


def _one(cluster: str, context: Context) -> tuple[str, str]:
    """Returns id and name. Raises Refused if the daemon serves no such cluster."""
    (found,) = chosen(cluster, context)
    return found


def _add(asked: AddWindow, context: Context) -> PlannedWindow:
    cluster_id, name = _one(asked.cluster, context)
    if asked.ends_at <= max(asked.starts_at, context.now):
        raise Refused("the end must be later than the start and than now")
    window = Window(WindowSource.OPERATOR, asked.starts_at, asked.ends_at, reason=asked.reason)
    number = maintenance.add(context.ledger, cluster_id, window)
    known = maintenance.windows(context.ledger, cluster_id, context.now)
    return _planned(cluster_id, name, next(each for each in known if each.id == number), known)


def _remove(asked: RemoveWindow, context: Context) -> PlannedWindow:
    cluster_id, name = _one(asked.cluster, context)
    known = maintenance.windows(context.ledger, cluster_id, context.now)
    found = next((each for each in known if each.id == asked.number), None)
    if found is None:
        raise Refused(f"{cluster_id} has no maintenance window {asked.number}: see `provd maintenance list`")
    if not maintenance.remove(context.ledger, cluster_id, asked.number):
        raise Refused(
            f"window {asked.number} is SLURM's reservation {found.reason!r}: change it with scontrol"
        )
    return _planned(cluster_id, name, found, known)


def _list(asked: ListWindows, context: Context) -> PlannedWindows:
    found = []
    for cluster_id, name in chosen(asked.cluster, context):
        known = maintenance.windows(context.ledger, cluster_id, context.now)
        found += [_planned(cluster_id, name, window, known) for window in known]
    return PlannedWindows(windows=tuple(found))


def _planned(cluster_id: str, name: str, window: Window, known: tuple[Window, ...]) -> PlannedWindow:
    return PlannedWindow(
        cluster_id=cluster_id,
        name=name,
        number=window.id,
        source=window.source,
        starts_at=window.starts_at,
        ends_at=window.ends_at,
        nodes_left=window.nodes_left,
        reason=window.reason,
        reserved=any(_covers(each, window) for each in known),
    )


def _covers(reserved: Window, window: Window) -> bool:
    whole = reserved.source is WindowSource.SLURM and not reserved.nodes_left
    return whole and reserved.starts_at <= window.starts_at and window.ends_at <= reserved.ends_at


def _deed(action: Action, answer: PlannedWindow) -> list[Deed]:
    times = f"{utc(answer.starts_at)} to {utc(answer.ends_at)}"
    detail = f"{times}: {answer.reason}" if answer.reason else times
    return [Deed(action, object=answer.cluster_id, detail=detail)]


# the catalogue loop tells customers
_WAKES = frozenset({"catalogue", "advance"})
ADD = Operation(
    "maintenance/add",
    AddWindow,
    PlannedWindow,
    _add,
    lambda asked, answer: _deed(Action.MAINTENANCE_ADDED, answer),
    _WAKES,
)
REMOVE = Operation(
    "maintenance/remove",
    RemoveWindow,
    PlannedWindow,
    _remove,
    lambda asked, answer: _deed(Action.MAINTENANCE_REMOVED, answer),
    _WAKES,
)
LIST = Operation("maintenance/list", ListWindows, PlannedWindows, _list)
