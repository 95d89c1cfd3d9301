"""Fetches one input into a file at the site: resumed, limited, checked and, if it is encrypted, decrypted."""

import hashlib
from collections.abc import AsyncIterator

from provider_daemon.encryption.refusal import NotOpened
from provider_daemon.errors import Transient
from provider_daemon.mover.facts import JobFacts
from provider_daemon.mover.locks import Slots
from provider_daemon.mover.pace import Bandwidth
from provider_daemon.mover.ports import Opener, Site, Source, SourceProblem, closing
from provider_daemon.mover.spool import Spool
from provider_daemon.site_files.values import Mismatch, Written
from provider_daemon.sources.inputs import Input
from provider_daemon.sources.refusals import InputRefusal, InputRefused


class Fetcher:
    """`slots` limits the number of transfers at a time."""

    def __init__(
        self,
        site: Site,
        sources: Source,
        opener: Opener | None,
        spool: Spool,
        bandwidth: Bandwidth,
        slots: Slots,
    ) -> None:
        self._site = site
        self._sources = sources
        self._opener = opener
        self._spool = spool
        self._bandwidth = bandwidth
        self._slots = slots

    async def fetch(self, root: str, path: str, source: Input, job: JobFacts) -> tuple[Written, int]:
        """Returns what was written, and the size of the content as fetched.

        The file appears under its name only when it is whole and checked. Raises InputRefused, NotOpened,
        SourceProblem and the site's errors.
        """
        async with self._slots.hold(job.customer):
            if source.encrypted:
                return await self._encrypted(root, path, source, job)
            return await self._plain(root, path, source, job)

    async def _plain(self, root: str, path: str, source: Input, job: JobFacts) -> tuple[Written, int]:
        offset = await self._site.partial(root, path) if source.resumable else 0
        if offset > (source.limit if source.size is None else source.size):
            offset = 0
        try:
            async with closing(self._chunks(source, job, offset)) as chunks:
                written = await self._site.write(
                    root, path, chunks, size=source.size, sha256=source.sha256, offset=offset
                )
        except Mismatch as error:
            if offset:
                raise SourceProblem(
                    f"{source.name}: the parts do not fit together; it is fetched again"
                ) from None
            raise InputRefused(InputRefusal.WRONG_CHECKSUM, f"{source.name}: {error}") from None
        return written, written.size

    async def _encrypted(self, root: str, path: str, source: Input, job: JobFacts) -> tuple[Written, int]:
        """The encrypted bytes are checked on the mover's disk before they are decrypted into the site."""
        if self._opener is None:
            raise InputRefused(
                InputRefusal.CONTENT, f"{source.name}: this provider has no key for encrypted inputs"
            )
        name = hashlib.sha256(f"{root}{path}".encode()).hexdigest()
        await self._spooled(name, source, job)
        size = self._spool.size(name)
        try:
            async with closing(self._opener.decrypt(self._spool.read(name))) as chunks:
                written = await self._site.write(root, path, chunks, size=None, sha256=None)
        except NotOpened as error:
            self._spool.remove(name)
            raise NotOpened(error.reason, f"{source.name}: {error}") from None
        self._spool.remove(name)
        return written, size

    async def _spooled(self, name: str, source: Input, job: JobFacts) -> None:
        offset = self._spool.size(name)
        if not source.resumable or offset > (source.limit if source.size is None else source.size):
            self._spool.remove(name)
            offset = 0
        async with closing(self._chunks(source, job, offset)) as chunks:
            await self._spool.append(name, chunks)
        if source.sha256 is not None and await self._spool.sha256(name) != source.sha256:
            self._spool.remove(name)
            if offset:
                raise SourceProblem(f"{source.name}: the parts do not fit together; it is fetched again")
            raise InputRefused(
                InputRefusal.WRONG_CHECKSUM, f"{source.name}: its SHA-256 is not {source.sha256}"
            )

    async def _chunks(self, source: Input, job: JobFacts, offset: int) -> AsyncIterator[bytes]:
        """Marks the failures of the source, which the customer may read; the site's he may not."""
        try:
            async with self._sources.fetch(source, job.customer, offset) as chunks:
                async for chunk in self._bandwidth.receiving(chunks):
                    yield chunk
        except SourceProblem:
            raise
        except Transient as error:
            raise SourceProblem(f"{source.name}: {error}") from None
