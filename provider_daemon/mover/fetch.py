"""Fetches inputs into files at the site: resumed, limited, checked and, if they are encrypted, decrypted."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence

from provider_daemon.encryption.refusal import NotOpened
from provider_daemon.errors import Transient
from provider_daemon.mover.facts import JobFacts
from provider_daemon.mover.locks import Slots
from provider_daemon.mover.pace import Bandwidth
from provider_daemon.mover.ports import Opener, Site, Source, SourceProblem, closing
from provider_daemon.mover.spool import Spool
from provider_daemon.site_files.values import Identity, Mismatch, NewFile, Written
from provider_daemon.sources.inputs import Input, Scheme
from provider_daemon.sources.refusals import InputRefusal, InputRefused

SMALL_FETCHES = 4  # at a time, of the small inputs that are one transfer

Problem = InputRefused | SourceProblem


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

    async def fetch_small(
        self, root: str, directory: str, sources: Mapping[str, Input], job: JobFacts
    ) -> tuple[list[tuple[NewFile, Identity]], list[Problem]]:
        """Fetches small plain inputs, by file name, as one transfer into one directory.

        Returns the files, and why others are missing. Raises the site's errors.
        """
        async with self._slots.hold(job.customer):
            found = await self._contents(list(sources.values()), job)
            files = [
                NewFile(name, content, hashlib.sha256(content).hexdigest())
                for name, content in zip(sources, found, strict=True)
                if isinstance(content, bytes)
            ]
            try:
                stored = await self._site.store(root, directory, files) if files else []
            except Mismatch as error:  # each content was checked here
                raise Transient(str(error)) from None
        problems = [each for each in found if not isinstance(each, bytes)]
        return list(zip(files, stored, strict=True)), problems

    async def _contents(self, sources: Sequence[Input], job: JobFacts) -> list[bytes | Problem]:
        found: dict[str, bytes | Problem] = {}
        uploads = [each for each in sources if each.scheme is Scheme.UPLOAD]
        others = asyncio.Semaphore(SMALL_FETCHES)

        async def fetch(source: Input) -> None:
            async with others:
                found[source.name] = await self._content(source, job)

        async with asyncio.TaskGroup() as group:
            for source in sources:
                if source.scheme is not Scheme.UPLOAD:
                    group.create_task(fetch(source))
            await self._bandwidth.receive(sum(each.size or 0 for each in uploads))
            for source, content in zip(
                uploads, await self._sources.uploaded(uploads, job.customer), strict=True
            ):
                found[source.name] = _marked(source, content) if isinstance(content, Transient) else content
        return [found[each.name] for each in sources]

    async def _content(self, source: Input, job: JobFacts) -> bytes | Problem:
        try:
            async with closing(self._chunks(source, job, 0, hashing=True)) as chunks:
                return b"".join([chunk async for chunk in chunks])
        except (InputRefused, SourceProblem) as error:
            return error

    async def _plain(self, root: str, path: str, source: Input, job: JobFacts) -> tuple[Written, int]:
        offset = await self._site.partial(root, path) if source.resumable else 0
        if offset > (source.limit if source.size is None else source.size):
            offset = 0
        try:
            async with closing(self._chunks(source, job, offset)) as chunks:
                written = await self._site.write(
                    root, path, chunks, size=source.size, sha256=source.sha256, offset=offset
                )
        except Mismatch:
            raise _wrong(source, offset) from None
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
            raise _wrong(source, offset)

    async def _chunks(
        self, source: Input, job: JobFacts, offset: int, *, hashing: bool = False
    ) -> AsyncIterator[bytes]:
        """Marks the failures of the source, which the customer may read, unlike the site's.

        Without `hashing` the checksum is left to where the content is written: to hash it here too would cost
        half a second of each gigabyte, in which nothing is sent.
        """
        try:
            async with self._sources.fetch(source, job.customer, offset, hashing=hashing) as chunks:
                async for chunk in self._bandwidth.receiving(chunks):
                    yield chunk
        except SourceProblem:
            raise
        except Transient as error:
            raise _marked(source, error) from None


def _marked(source: Input, error: Transient) -> SourceProblem:
    return SourceProblem(f"{source.name}: {error}")


def _wrong(source: Input, offset: int) -> Problem:
    """Returns what content with another hash means: if it was resumed, it may have changed meanwhile."""
    if offset:
        return SourceProblem(
            f"{source.name}: the content changed between two attempts; it is fetched again from the start"
        )
    return InputRefused(InputRefusal.WRONG_CHECKSUM, f"{source.name}: its SHA-256 is not {source.sha256}")
