"""Copies the daemon's log into the schedule's timeline.

An unexpected error of a loop is a broken promise.
"""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog

from tests.simulation.world import World


@contextmanager
def to(world: World) -> Iterator[None]:
    before = structlog.get_config()

    def hear(_: Any, level: str, event: MutableMapping[str, Any]) -> str:
        words = " ".join(
            f"{key}={value}" for key, value in event.items() if key not in ("event", "exc_info", "next")
        )
        world.note(f"provd {level}: {event['event']} {words}")
        if event["event"] == "tick_crashed":
            error = event.get("failure") or _current()
            world.wrong(f"3 a tick is broken: {error}")
        raise structlog.DropEvent

    structlog.configure(
        processors=[hear],
        wrapper_class=structlog.make_filtering_bound_logger(0),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def _current() -> str:
    import traceback

    return traceback.format_exc().strip().replace("\n", " | ")[-400:]
