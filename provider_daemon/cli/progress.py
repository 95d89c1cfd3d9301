"""Progress bars on standard error, with rate and time left; none where it is not a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from provider_daemon.text import printable

if TYPE_CHECKING:
    from provider_daemon.client.meter import Meter


def meter() -> "Meter":
    """Returns what transfers report to."""
    from provider_daemon.client.meter import NoMeter

    return Bars() if sys.stderr.isatty() else NoMeter()


class Bars:
    """A bar for each transfer."""

    @contextmanager
    def transfer(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task(escape(printable(what)), total=total)
            yield lambda done: progress.update(task, completed=done)
