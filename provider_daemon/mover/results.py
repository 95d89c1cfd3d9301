"""Lists the results of a job that is over."""

from collections import Counter
from collections.abc import Callable

import structlog

from provider_daemon.mover import storage
from provider_daemon.mover.facts import JobFacts
from provider_daemon.mover.locks import Slots
from provider_daemon.mover.ports import Site
from provider_daemon.site_files.values import NotAllowed, NotThere, Skipped
from provider_daemon.transfers.rows import JobTransfer, ManifestLine, path_bytes
from provider_daemon.transfers.writer import TransferWriter

log = structlog.get_logger("provd.mover")

MAX_FILES = 1_000_000  # with those that are left out
MAX_PATHS = 512 * 2**20  # bytes of all paths: a manifest is kept on the mover's disk
LINES_AT_ONCE = 1000


class TooMany(Exception):
    """More than MAX_FILES files, or than MAX_PATHS bytes of paths. The text is for the customer."""


class Results:
    def __init__(self, site: Site, store: TransferWriter, slots: Slots, now: Callable[[], float]) -> None:
        self._site = site
        self._slots = slots
        self._store = store
        self._now = now

    async def list(self, job: JobFacts, row: JobTransfer) -> None:
        """Stores the manifest, or why there is none. Raises Transient, after which it is made again."""
        try:
            async with self._slots.hold(job.customer):
                await self._measure(job, row)
                skipped = await self._manifest(row)
        except (NotThere, NotAllowed) as error:
            self._missing(job, row, f"the job's directory cannot be read: {error}")
            return
        except TooMany as error:
            self._missing(job, row, f"the job's directory has more than {error}")
            return
        detail = ", ".join(f"{count} {why.replace('_', ' ')}" for why, count in sorted(skipped.items()))
        results = self._store.finish_manifest(row.name, f"left out: {detail}" if detail else "")
        log.info(
            "manifest_made",
            job=job.job_id,
            files=results.files,
            bytes=results.bytes,
            root=results.root,
            skipped=dict(skipped),
        )

    async def _measure(self, job: JobFacts, row: JobTransfer) -> None:
        """Takes the last sample of the job's storage. A job that did not run used none."""
        usage = await self._site.usage(row.directory)
        now, wall = self._now(), job.wall_seconds or 0
        used = storage.byte_seconds(row, usage.bytes, now, wall)
        self._store.add_sample(row.name, usage.bytes, usage.inodes, now, byte_seconds=used)

    async def _manifest(self, row: JobTransfer) -> Counter[str]:
        """Adds all lines; returns the number of entries that are left out, by reason."""
        skipped, lines, files, paths = Counter[str](), list[ManifestLine](), 0, 0
        self._store.clear_manifest(row.name)
        async with self._site.manifest(row.directory) as entries:
            async for entry in entries:
                files, paths = files + 1, paths + len(path_bytes(entry.path))
                if files > MAX_FILES:
                    raise TooMany(f"{MAX_FILES} files")
                if paths > MAX_PATHS:
                    raise TooMany(f"{MAX_PATHS} bytes of paths")
                if isinstance(entry, Skipped):
                    skipped[entry.reason] += 1
                    continue
                lines.append(ManifestLine(entry.path, entry.size, entry.sha256))
                if len(lines) >= LINES_AT_ONCE:
                    self._store.add_lines(row.name, lines)
                    lines = []
        self._store.add_lines(row.name, lines)
        return skipped

    def _missing(self, job: JobFacts, row: JobTransfer, detail: str) -> None:
        self._store.clear_manifest(row.name)
        self._store.no_manifest(row.name, detail)
        log.warning(
            "manifest_missing", job=job.job_id, why=detail, next="the job is reported without results"
        )
