"""The data mover's database, as the daemon and the gateway read it."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from provider_daemon.job.transfer import InputState, Results, Transfer
from provider_daemon.transfers.file import FILE
from provider_daemon.transfers.rows import Delivery, JobTransfer, ManifestLine, path_bytes

LINES_AT_ONCE = 5000  # of a manifest, read in one query


class TransferStore:
    """The rows are keyed by the job's SLURM name, which no two jobs share.

    Every method opens the file, so that the mover may be restarted or upgraded meanwhile. All raise Transient
    if the file cannot be read, also if the mover has not created it yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def facts(self, names: Iterable[str]) -> dict[str, Transfer]:
        """Returns what is known of these jobs; a job that the mover has not seen yet is left out."""
        wanted = json.dumps(list(names))
        return {row.name: row.transfer for row in FILE.read(self._path, partial(_jobs, wanted=wanted))}

    def job(self, name: str) -> JobTransfer | None:
        """Returns everything about one job; None if the mover has not seen it yet."""
        return next(iter(FILE.read(self._path, partial(_jobs, wanted=json.dumps([name])))), None)

    def manifest(self, name: str) -> str | None:
        """Returns the job's manifest, whose SHA-256 is `results.root`; None if there is none.

        A manifest can have many megabytes: `manifest_lines` reads it in parts.
        """
        lines = self.manifest_lines(name)
        return None if lines is None else "".join(map(str, lines))

    def manifest_lines(self, name: str) -> Iterator[ManifestLine] | None:
        """Returns the manifest's lines in order; None if there is none, or if it is not kept any more."""
        row = self.job(name)
        if row is None or row.transfer.results is None:
            return None
        if row.deleted_at is not None:
            count = FILE.read(self._path, partial(_count_lines, name=name))
            if count != row.transfer.results.files:
                return None
        return self._lines(name)

    def _lines(self, name: str) -> Iterator[ManifestLine]:
        after: bytes | None = None
        while page := FILE.read(self._path, partial(manifest_page, name=name, after=after)):
            yield from page
            after = path_bytes(page[-1].path)


def _jobs(connection: sqlite3.Connection, wanted: str) -> list[JobTransfer]:
    query = "SELECT * FROM jobs WHERE name IN (SELECT value FROM json_each(?))"
    return [job_of(row) for row in connection.execute(query, [wanted])]


def _count_lines(connection: sqlite3.Connection, name: str) -> int:
    (count,) = connection.execute("SELECT count(*) FROM manifest WHERE name = ?", [name]).fetchone()
    return int(count)


def manifest_page(
    connection: sqlite3.Connection, name: str, after: bytes | None, count: int = LINES_AT_ONCE
) -> list[ManifestLine]:
    """Returns the next lines after the path `after`, at most `count`; the first ones if it is None."""
    query = "SELECT path, size, sha256 FROM manifest WHERE name = ? AND path > ? ORDER BY path LIMIT ?"
    rows = connection.execute(query, [name, b"" if after is None else after, count])
    return [
        ManifestLine(row["path"].decode(errors="surrogateescape"), row["size"], row["sha256"]) for row in rows
    ]


def job_of(row: sqlite3.Row) -> JobTransfer:
    root = row["results_root"]
    return JobTransfer(
        name=row["name"],
        cluster_id=row["cluster_id"],
        job_id=row["job_id"],
        customer=row["customer"],
        seen_at=row["seen_at"],
        transfer=Transfer(
            inputs=InputState(row["inputs"]),
            detail=row["detail"],
            staged=row["staging"] if row["inputs"] == InputState.READY else "",
            bytes_in=row["bytes_in"],
            bytes_out=row["bytes_out"],
            settled=bool(row["settled"]),
            results=None if root is None else Results(root, row["results_files"], row["results_bytes"]),
            over_quota=row["over_quota"],
            storage_byte_seconds=row["byte_seconds"],
            image=row["image"],
            image_refusal=row["image_refusal"],
        ),
        directory=row["directory"],
        staging=row["staging"],
        results_detail=row["results_detail"],
        delivery=Delivery(row["delivery"]),
        delivery_detail=row["delivery_detail"],
        storage_bytes=row["storage_bytes"],
        storage_inodes=row["storage_inodes"],
        sampled_at=row["sampled_at"],
        unstaged_at=row["unstaged_at"],
        closed_at=row["closed_at"],
        expires_at=row["expires_at"],
        deleted_at=row["deleted_at"],
    )
