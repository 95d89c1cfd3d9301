"""The data mover's database, as the mover writes it. Each method is one transaction, durable on return."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import fields
from operator import attrgetter

from provider_daemon.job.transfer import Results
from provider_daemon.sqlite_file import OwnedWriter
from provider_daemon.text import cut
from provider_daemon.transfers.file import FILE
from provider_daemon.transfers.rows import (
    Cached,
    CachedImage,
    Delivery,
    JobTransfer,
    ManifestLine,
    path_bytes,
)
from provider_daemon.transfers.store import job_of, manifest_page

_CACHED = [field.name for field in fields(Cached)]  # dataclasses.astuple copies each value
PRUNED_AT_ONCE = 10_000  # lines of manifests that are deleted in one transaction
MAX_DETAIL = 1000  # bytes kept of a reason: it may repeat text from outside


class TransferWriter(OwnedWriter):
    FILE = FILE

    # --- jobs ---

    def add_jobs(self, jobs: Iterable[JobTransfer]) -> None:
        """Adds jobs that the mover sees for the first time. A known job is not changed."""
        with self._transaction():
            self._db.executemany(
                "INSERT INTO jobs (name, cluster_id, job_id, customer, seen_at, inputs, delivery)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
                [
                    (
                        job.name,
                        job.cluster_id,
                        job.job_id,
                        job.customer,
                        job.seen_at,
                        job.transfer.inputs,
                        job.delivery,
                    )
                    for job in jobs
                ],
            )

    def job(self, name: str) -> JobTransfer | None:
        rows = self._all("SELECT * FROM jobs WHERE name = ?", name)
        return job_of(rows[0]) if rows else None

    def unfinished(self, cluster_id: str, now: float) -> list[JobTransfer]:
        """Returns the jobs for which something is still to be done, except for deletions later than now."""
        rows = self._all(
            "SELECT * FROM jobs INDEXED BY jobs_unfinished WHERE cluster_id = ?1"
            " AND (settled = 0 OR closed_at IS NULL OR (staging <> '' AND unstaged_at IS NULL))"
            " UNION SELECT * FROM jobs INDEXED BY jobs_expire WHERE cluster_id = ?1"
            " AND expires_at <= ?2 AND deleted_at IS NULL AND expires_at IS NOT NULL ORDER BY seen_at, name",
            cluster_id,
            now,
        )
        return [job_of(row) for row in rows]

    def known(self, names: Iterable[str]) -> set[str]:
        """Returns which of the names have a row."""
        return {name for name in names if self._all("SELECT 1 FROM jobs WHERE name = ?", name)}

    def set_directory(self, name: str, directory: str) -> None:
        self._run("UPDATE jobs SET directory = ? WHERE name = ?", directory, name)

    def set_closed(self, name: str, closed_at: float, expires_at: float) -> None:
        self._run("UPDATE jobs SET closed_at = ?, expires_at = ? WHERE name = ?", closed_at, expires_at, name)

    def set_deleted(self, name: str, now: float) -> None:
        """Records that the results are deleted, or that there were none."""
        self._run("UPDATE jobs SET deleted_at = ? WHERE name = ? AND deleted_at IS NULL", now, name)

    # --- inputs ---

    def begin_staging(self, name: str, directory: str) -> None:
        """Records where the inputs will be, so that the directory is deleted whatever happens."""
        self._inputs("staging = ?", directory, name)

    def stage_again(self, name: str) -> None:
        """Records that nobody may use the staged inputs: they are not where the job needs them."""
        self._run("UPDATE jobs SET inputs = 'waiting' WHERE name = ? AND inputs = 'ready'", name)

    def inputs_wait(self, name: str, detail: str) -> None:
        """Records what the inputs wait for."""
        self._inputs("detail = ?", cut(detail, MAX_DETAIL), name)

    def inputs_ready(self, name: str) -> None:
        """Records that all inputs are whole, verified and in the staging directory."""
        self._inputs("inputs = 'ready', detail = ?", "", name)

    def inputs_failed(self, name: str, detail: str) -> None:
        self._inputs("inputs = 'failed', detail = ?", cut(detail, MAX_DETAIL), name)

    def _inputs(self, change: str, value: str, name: str) -> None:
        """Ready and failed are final."""
        self._run(f"UPDATE jobs SET {change} WHERE name = ? AND inputs = 'waiting'", value, name)  # noqa: S608

    def set_unstaged(self, name: str, now: float) -> None:
        """Records that the directory with the staged inputs is deleted."""
        self._run("UPDATE jobs SET unstaged_at = ? WHERE name = ? AND unstaged_at IS NULL", now, name)

    # --- images ---

    def image_ready(self, name: str, cluster_id: str, digest: str, now: float) -> None:
        """Gives a job an image of the cache, which stays as long as the job is open."""
        with self._transaction():
            self._db.execute(
                "UPDATE jobs SET image = ?, image_refusal = '' WHERE name = ? AND image = ''", (digest, name)
            )
            self._db.execute(
                "UPDATE images SET last_used_at = ? WHERE cluster_id = ? AND digest = ?",
                (now, cluster_id, digest),
            )

    def image_refused(self, name: str, why: str) -> None:
        self._run(
            "UPDATE jobs SET image_refusal = ? WHERE name = ? AND image = ''", cut(why, MAX_DETAIL), name
        )

    def has_image(self, cluster_id: str, digest: str) -> bool:
        return bool(self._all("SELECT 1 FROM images WHERE cluster_id = ? AND digest = ?", cluster_id, digest))

    def images(self, cluster_id: str) -> list[CachedImage]:
        """Returns all images of the cluster's cache, the least recently used first."""
        query = "SELECT * FROM images WHERE cluster_id = ? ORDER BY last_used_at, digest"
        return [CachedImage(**dict(row)) for row in self._all(query, cluster_id)]

    def add_image(self, cluster_id: str, digest: str, size: int, now: float) -> None:
        self._run("INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?)", cluster_id, digest, size, now)

    def drop_image(self, cluster_id: str, digest: str) -> bool:
        """Deletes the row unless an open job was given the image. Returns whether it did."""
        with self._transaction():
            done = self._db.execute(
                "DELETE FROM images WHERE cluster_id = ?1 AND digest = ?2 AND NOT EXISTS"
                " (SELECT 1 FROM jobs WHERE cluster_id = ?1 AND image = ?2 AND closed_at IS NULL)",
                (cluster_id, digest),
            )
        return done.rowcount > 0

    # --- results ---

    def clear_manifest(self, name: str) -> None:
        """Deletes the lines of a manifest that was not finished."""
        self._run(
            "DELETE FROM manifest WHERE name = ?1"
            " AND (SELECT results_root FROM jobs WHERE name = ?1) IS NULL",
            name,
        )

    def add_lines(self, name: str, lines: Iterable[ManifestLine]) -> None:
        """Adds lines, in any order, to a manifest that is not finished."""
        with self._transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO manifest (name, path, size, sha256) VALUES (?, ?, ?, ?)",
                [(name, path_bytes(line.path), line.size, line.sha256) for line in lines],
            )

    def finish_manifest(self, name: str, detail: str) -> Results:
        """Computes the root of the added lines and publishes the manifest. `detail`: what it leaves out."""
        digest, files, size, after = hashlib.sha256(), 0, 0, None
        while page := manifest_page(self._db, name, after):
            digest.update("".join(map(str, page)).encode())
            files, size = files + len(page), size + sum(line.size for line in page)
            after = path_bytes(page[-1].path)
        self._run(
            "UPDATE jobs SET results_root = ?, results_files = ?, results_bytes = ?, results_detail = ?"
            " WHERE name = ?",
            digest.hexdigest(),
            files,
            size,
            cut(detail, MAX_DETAIL),
            name,
        )
        return Results(digest.hexdigest(), files, size)

    def no_manifest(self, name: str, detail: str) -> None:
        """Records why there is no manifest."""
        self._run("UPDATE jobs SET results_detail = ? WHERE name = ?", cut(detail, MAX_DETAIL), name)

    def prune_manifests(self, before: float) -> int:
        """Deletes up to PRUNED_AT_ONCE lines of one job whose results were deleted before that time.

        Returns how many, 0 if there are none left. The root of the manifest stays.
        """
        rows = self._all(
            "SELECT name FROM jobs WHERE deleted_at < ?"
            " AND EXISTS (SELECT 1 FROM manifest WHERE manifest.name = jobs.name) LIMIT 1",
            before,
        )
        if not rows:
            return 0
        with self._transaction():
            return self._db.execute(
                "DELETE FROM manifest WHERE name = ?1"
                " AND path IN (SELECT path FROM manifest WHERE name = ?1 LIMIT ?2)",
                (rows[0]["name"], PRUNED_AT_ONCE),
            ).rowcount

    def settle(self, name: str) -> None:
        """Records that nothing more will change that the final report depends on."""
        self._run("UPDATE jobs SET settled = 1 WHERE name = ?", name)

    def set_delivery(self, name: str, state: Delivery, detail: str = "", bytes_out: int = 0) -> None:
        """Changes a waiting delivery. `bytes_out` are added to those of the job."""
        self._run(
            "UPDATE jobs SET delivery = ?, delivery_detail = ?, bytes_out = bytes_out + ?"
            " WHERE name = ? AND delivery = 'waiting'",
            state,
            cut(detail, MAX_DETAIL),
            bytes_out,
            name,
        )

    def add_sample(
        self, name: str, size: int, inodes: int, now: float, *, byte_seconds: int, over_quota: str = ""
    ) -> None:
        """Records the size of the job's directory. `byte_seconds`: the integral until now."""
        self._run(
            "UPDATE jobs SET storage_bytes = ?, storage_inodes = ?, sampled_at = ?, byte_seconds = ?,"
            " over_quota = CASE WHEN over_quota = '' THEN ? ELSE over_quota END"
            " WHERE name = ? AND settled = 0",
            size,
            inodes,
            now,
            byte_seconds,
            over_quota,
            name,
        )

    # --- cache of inputs ---

    def cached(self, cluster_id: str, customer: str, names: Iterable[str]) -> dict[str, Cached]:
        """Returns what the customer's cache has of these objects, by name."""
        query = (
            "SELECT * FROM cached WHERE cluster_id = ? AND customer = ?"
            " AND object IN (SELECT value FROM json_each(?))"
        )
        rows = self._all(query, cluster_id, customer, json.dumps(list(names)))
        return {row["object"]: Cached(**dict(row)) for row in rows}

    def all_cached(self, cluster_id: str) -> list[Cached]:
        """Returns all content in the cluster's cache, the least recently used first."""
        query = "SELECT * FROM cached WHERE cluster_id = ? ORDER BY last_used_at, customer, object"
        return [Cached(**dict(row)) for row in self._all(query, cluster_id)]

    def save_cached(self, rows: Iterable[Cached], *, fetched_for: str = "", bytes_in: int = 0) -> None:
        """Records verified content; `bytes_in` are added to those of the job `fetched_for`."""
        with self._transaction():
            self._db.executemany(
                f"INSERT OR REPLACE INTO cached ({', '.join(_CACHED)})"  # noqa: S608
                f" VALUES ({', '.join('?' * len(_CACHED))})",
                map(attrgetter(*_CACHED), rows),
            )
            self._db.execute(
                "UPDATE jobs SET bytes_in = bytes_in + ? WHERE name = ?", (bytes_in, fetched_for)
            )

    def drop_cached(self, cluster_id: str, customer: str, name: str) -> None:
        self._run(
            "DELETE FROM cached WHERE cluster_id = ? AND customer = ? AND object = ?",
            cluster_id,
            customer,
            name,
        )

    # --- meta ---

    def get(self, key: str) -> str:
        rows = self._all("SELECT value FROM meta WHERE key = ?", key)
        return str(rows[0]["value"]) if rows else ""

    def set(self, key: str, value: str) -> None:
        self._run("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", key, value)

    def _run(self, query: str, *values: object) -> None:
        with self._transaction():
            self._db.execute(query, values)
