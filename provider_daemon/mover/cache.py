"""The cache of inputs at a site: each content is fetched once, verified, and linked to where it is wanted.

Content is at `.provd-cache/<customer>/<object>` below work_root. A row is written when the content is whole
and verified, with the file's identity. The jobs of a customer run as the files' owner, so they can change a
cached file through their links: a file whose identity differs from the row's is hashed again, and fetched
again if it is not the recorded content. Every link changes a file's ctime, also one that the job or its
submission makes, so the identity is recorded after the mover's last link.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from provider_daemon.errors import Transient
from provider_daemon.mover import paths
from provider_daemon.mover.facts import JobFacts
from provider_daemon.mover.fetch import Fetcher
from provider_daemon.mover.locks import Locks
from provider_daemon.mover.ports import Site, remove
from provider_daemon.ports import Clock
from provider_daemon.site_files.values import Entry, Identity, NotAllowed, NotThere
from provider_daemon.sources.inputs import Input
from provider_daemon.sources.refusals import InputRefused
from provider_daemon.transfers.rows import Cached
from provider_daemon.transfers.writer import TransferWriter

log = structlog.get_logger("provd.mover")

IDLE_SECONDS = 3600.0  # without a write, after which a partial file may be evicted


@dataclass(frozen=True, slots=True)
class Wanted:
    """One input of one job. `object`: the name of its content in the customer's cache."""

    job: JobFacts
    source: Input

    @property
    def object(self) -> str:
        """Content with a declared hash is shared by the customer's jobs; other content is the job's own."""
        if self.source.sha256 is None:
            return f"{self.job.name}-{hashlib.sha256(self.source.name.encode()).hexdigest()[:16]}"
        return f"{self.source.sha256}.clear" if self.source.encrypted else self.source.sha256

    @property
    def path(self) -> str:
        return paths.cached(self.job.customer, self.object)


class Cache:
    """`work_root` ends with "/". At most `max_bytes` are kept, 0 for no limit."""

    def __init__(
        self,
        cluster_id: str,
        work_root: str,
        max_bytes: int,
        site: Site,
        store: TransferWriter,
        fetcher: Fetcher,
        clock: Clock,
    ) -> None:
        self._cluster_id = cluster_id
        self._root = work_root
        self.max_bytes = max_bytes
        self._site = site
        self._store = store
        self._fetcher = fetcher
        self._clock = clock
        self._locks = Locks()

    async def put(self, job: JobFacts, sources: Sequence[Input], directory: str) -> None:
        """Links whole and verified content to each input's name in `directory`, a path below work_root.

        Several inputs are fetched and held in memory together. Jobs that want the same content wait for one
        fetch. An input that cannot be fetched stops no other. Raises InputRefused and NotOpened for content
        that is not the declared one, and Transient.
        """
        wanted = [Wanted(job, each) for each in sources]
        objects = {each.object: each for each in wanted}
        async with self._locks.hold(*(each.path for each in objects.values())):
            found = await self._verified(job, objects)
            found |= await self._fetched(job, {name: objects[name] for name in objects if name not in found})
            links = [(each.object, each.source.name) for each in wanted]
            linked = await self._site.link(self._root, paths.cache_of(job.customer), directory, links)
            identities = {each.object: identity for each, identity in zip(wanted, linked, strict=True)}
            for name, identity in identities.items():
                row = found[name]
                if (identity.size, identity.mtime_ns, identity.inode) != (row.size, row.mtime_ns, row.inode):
                    raise _changed(objects[name])
            self._store.save_cached(
                self._row(objects[name], found[name].sha256, identity)
                for name, identity in identities.items()
            )

    async def _verified(self, job: JobFacts, objects: Mapping[str, Wanted]) -> dict[str, Cached]:
        """Returns the rows of content that is known to be right; drops what is not."""
        rows = self._store.cached(self._cluster_id, job.customer, objects)
        folder = paths.cache_of(job.customer)
        identities = dict(
            zip(objects, await self._site.identities(self._root, folder, list(objects)), strict=True)
        )
        found: dict[str, Cached] = {}
        unsure: dict[str, tuple[str, Identity]] = {}
        for name, identity in identities.items():
            row = rows.get(name)
            if not isinstance(identity, Identity):
                continue
            if row is not None and same(row, identity):
                found[name] = row
            elif sha256 := _expected(objects[name], row):
                unsure[name] = sha256, identity
        if unsure:
            digests = await self._site.digests(self._root, folder, list(unsure))
            for (name, (sha256, identity)), digest in zip(unsure.items(), digests, strict=True):
                if digest == sha256:
                    found[name] = self._row(objects[name], sha256, identity)
        for name in objects:
            if name not in found:
                await self._drop(objects[name], rows.get(name), identities[name])
        return found

    async def _drop(
        self, wanted: Wanted, row: Cached | None, there: Identity | type[NotThere | NotAllowed]
    ) -> None:
        """Forgets content that is not known to be right, and removes it."""
        if there is NotAllowed:
            log.warning("cached_file_replaced", path=wanted.path, next="it is fetched again")
        elif there is not NotThere and row is not None:
            log.warning("cached_file_changed", path=wanted.path, next="it is fetched again")
        if row is not None:
            self._store.drop_cached(self._cluster_id, row.customer, row.object)
        if there is not NotThere:
            await remove(self._site, self._root, wanted.path)

    async def _fetched(self, job: JobFacts, missing: Mapping[str, Wanted]) -> dict[str, Cached]:
        if len(missing) == 1:
            (wanted,) = missing.values()
            return {wanted.object: await self._fetched_alone(wanted)}
        return await self._fetched_together(job, missing) if missing else {}

    async def _fetched_alone(self, wanted: Wanted) -> Cached:
        written, moved = await self._fetcher.fetch(self._root, wanted.path, wanted.source, wanted.job)
        folder = paths.cache_of(wanted.job.customer)
        (identity,) = await self._site.identities(self._root, folder, [wanted.object])
        if not isinstance(identity, Identity) or identity.size != written.size:
            raise _changed(wanted)
        row = self._row(wanted, written.sha256, identity)
        self._store.save_cached([row], fetched_for=wanted.job.name, bytes_in=moved)
        log.info(
            "input_fetched",
            job=wanted.job.job_id,
            input=wanted.source.name,
            scheme=wanted.source.scheme,
            bytes=moved,
        )
        return row

    async def _fetched_together(self, job: JobFacts, missing: Mapping[str, Wanted]) -> dict[str, Cached]:
        sources = {name: each.source for name, each in missing.items()}
        folder = paths.cache_of(job.customer)
        stored, problems = await self._fetcher.fetch_small(self._root, folder, sources, job)
        rows = {file.name: self._row(missing[file.name], file.sha256, identity) for file, identity in stored}
        if rows:
            moved = sum(row.size for row in rows.values())
            self._store.save_cached(rows.values(), fetched_for=job.name, bytes_in=moved)
            log.info("inputs_fetched", job=job.job_id, inputs=len(rows), bytes=moved)
        if problems:
            raise min(problems, key=lambda problem: not isinstance(problem, InputRefused))
        return rows

    def _row(self, wanted: Wanted, sha256: str, identity: Identity) -> Cached:
        return Cached(
            cluster_id=self._cluster_id,
            customer=wanted.job.customer,
            object=wanted.object,
            sha256=sha256,
            size=identity.size,
            mtime_ns=identity.mtime_ns,
            ctime_ns=identity.ctime_ns,
            inode=identity.inode,
            last_used_at=self._clock.now(),
        )

    async def evict(self) -> int:
        """Deletes the least recently used content until the rest fits. Returns the bytes that are left.

        Partial files count too, and those without progress go last. Content that a job is about to use stays.
        Files of running jobs are links, and stay too.
        """
        rows = self._store.all_cached(self._cluster_id)
        known = {paths.cached(row.customer, row.object) for row in rows}
        partial = [entry for entry in await self._files() if entry.path not in known]
        total = sum(row.size for row in rows) + sum(entry.size for entry in partial)
        for row in rows:
            if not self.max_bytes or total <= self.max_bytes:
                return total
            path = paths.cached(row.customer, row.object)
            if self._locks.held(path):
                continue
            async with self._locks.hold(path):
                self._store.drop_cached(row.cluster_id, row.customer, row.object)
                await remove(self._site, self._root, path)
            total -= row.size
            log.info("cached_file_evicted", path=path, bytes=row.size, last_used_at=int(row.last_used_at))
        idle = self._clock.now() - IDLE_SECONDS
        for entry in sorted(partial, key=lambda entry: entry.modified_at):
            if not self.max_bytes or total <= self.max_bytes or entry.modified_at > idle:
                break
            if not self._locks.held(entry.path):
                await remove(self._site, self._root, entry.path)
                total -= entry.size
                log.info("partial_file_evicted", path=entry.path, bytes=entry.size)
        return total

    async def sweep(self, before: float) -> int:
        """Deletes files without a row that were last written before `before` (Unix seconds).

        They are partial files that nobody continues, or were left by a kill. Returns how many there were.
        """
        count = 0
        for path in await self._files():
            _, owner, name = path.path.split("/")
            known = self._store.cached(self._cluster_id, owner, [name])
            if not known and path.modified_at < before and not self._locks.held(path.path):
                await remove(self._site, self._root, path.path)
                count += 1
        return count

    async def _files(self) -> list[Entry]:
        """Returns all files of the cache."""
        return [
            file for customer in await self._names(paths.CACHE) for file in await self._names(customer.path)
        ]

    async def _names(self, path: str) -> list[Entry]:
        """Returns all entries of a directory; none if it does not exist."""
        entries, after = list[Entry](), ""
        try:
            while True:
                page = await self._site.list(self._root, path, after)
                entries += page.entries
                if not page.more or not page.entries:
                    return entries
                after = page.entries[-1].path
        except NotThere:
            return entries


def same(row: Cached, identity: Identity) -> bool:
    return (
        replace(
            row,
            size=identity.size,
            mtime_ns=identity.mtime_ns,
            ctime_ns=identity.ctime_ns,
            inode=identity.inode,
        )
        == row
    )


def _expected(wanted: Wanted, row: Cached | None) -> str | None:
    """Returns the hash of the file's content; None if nothing says it (decrypted content without a row)."""
    if row is not None:
        return row.sha256
    return None if wanted.source.encrypted else wanted.source.sha256


def _changed(wanted: Wanted) -> Transient:
    return Transient(f"{wanted.path} was changed while it was linked; it is verified again")
