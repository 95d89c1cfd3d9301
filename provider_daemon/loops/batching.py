"""Selects the messages of the next transaction, so that neither new jobs nor a backlog starve. Pure."""

from collections.abc import Sequence
from itertools import chain

from provider_daemon.ledger.rows import Message

HEARTBEAT_SHARE = 4  # one message in four: the chain marks a node stale 120 s after its last heartbeat
LIVE_SHARE = 2  # one report in two belongs to the newest jobs


def select_messages(waiting: Sequence[Message], room: int) -> list[Message]:
    """Returns at most `room` messages in the order of `waiting`: reports first, oldest first.

    If not all fit, up to a quarter are heartbeats, the cluster's own before its nodes'. Half of the reports
    are those of the newest jobs, the other half the oldest. Places that one group leaves free go to the
    others. The reports of one job keep their order, because each group selects the job's earliest report
    first.
    """
    if len(waiting) <= room:
        return list(waiting)
    reports = [message for message in waiting if message.kind == "report"]
    beats = sorted(
        (message for message in waiting if message.kind != "report"),
        key=lambda message: message.kind == "node",
    )
    places = room - min(len(beats), max(room // HEARTBEAT_SHARE, room - len(reports)))
    taken = {message.id for message in _newest_jobs(reports, places // LIVE_SHARE)}
    for message in chain(reports, beats):
        if len(taken) == (places if message.kind == "report" else room):
            continue
        taken.add(message.id)
    return [message for message in waiting if message.id in taken]


def _newest_jobs(reports: Sequence[Message], places: int) -> list[Message]:
    """Returns the reports of the most recently reported jobs, job by job, up to `places`."""
    jobs: dict[str, list[Message]] = {}
    for message in reversed(reports):
        jobs.setdefault(message.subject, []).insert(0, message)
    return list(chain.from_iterable(jobs.values()))[:places]
