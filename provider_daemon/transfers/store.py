"""The data mover's own database: written by the mover, read by the daemon and the gateway."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from provider_daemon.job.transfer import Transfer


class TransferStore:
    """The rows are keyed by the job's SLURM name, which no two jobs share."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def facts(self, names: Iterable[str]) -> dict[str, Transfer]:
        """Returns what is known of these jobs; a job that the mover has not seen yet is left out."""
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)):
            return {}
