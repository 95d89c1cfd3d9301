"""Which of the waiting messages go into the next transaction: live work never waits behind a backlog, and no
backlog starves. Pure."""

from collections.abc import Sequence
from itertools import chain

from provider_daemon.ledger.rows import Message

HEARTBEAT_SHARE = 4  # one message in so many: a node that the chain has not heard of for 120 s goes stale
LIVE_SHARE = 2  # of the reports, one in so many belongs to the newest jobs


def select_messages(waiting: Sequence[Message], room: int) -> list[Message]:
    """At most `room` of `waiting`, in its order (reports first, oldest first), which is the order in which a
    transaction holds them.

    When not all fit: up to a quarter are heartbeats, the cluster's own before its nodes', and of the reports
    half are the newest jobs' and half the oldest. Whatever one lane leaves free goes to the others. The
    reports of one job keep their order: each lane takes the first of them first."""
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
    """The reports of the jobs that had something to say last, whole jobs as far as the places go."""
    jobs: dict[str, list[Message]] = {}
    for message in reversed(reports):
        jobs.setdefault(message.subject, []).insert(0, message)
    return list(chain.from_iterable(jobs.values()))[:places]
