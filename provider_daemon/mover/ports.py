"""What the mover uses of the rooms below it, so that tests can put fakes there."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from provider_daemon.errors import Transient
from provider_daemon.job.references import DataReference
from provider_daemon.mover.facts import JobFacts
from provider_daemon.site_files.values import (
    Identity,
    Listing,
    ManifestEntry,
    NewFile,
    NotAllowed,
    NotThere,
    Skipped,
    Usage,
    Written,
)
from provider_daemon.sources.inputs import Input
from provider_daemon.sources.refusals import InputRefused

Chunks = AsyncIterator[bytes]


class SourceProblem(Transient):
    """A source of a customer cannot be read now. The text is for the customer too."""


class Site(Protocol):
    """The site's file system: site_files.files.SiteFiles, whose errors it raises."""

    async def list(self, root: str, path: str = "", after: str = "", limit: int = 1000) -> Listing: ...

    async def identities(
        self, root: str, path: str, names: Sequence[str]
    ) -> Sequence[Identity | type[NotThere | NotAllowed]]: ...

    async def digests(self, root: str, path: str, names: Sequence[str]) -> Sequence[str | None]: ...

    async def sha256(self, root: str, path: str) -> str: ...

    async def usage(self, root: str, path: str = "") -> Usage: ...

    async def make_directory(self, root: str, path: str) -> None: ...

    async def link(
        self, root: str, path: str, target: str, links: Iterable[tuple[str, str]]
    ) -> Sequence[Identity]: ...

    async def remove(self, root: str, path: str) -> None: ...

    async def symlink(self, source: str, root: str, target: str) -> None: ...

    async def partial(self, root: str, path: str) -> int: ...

    async def write(
        self,
        root: str,
        path: str,
        chunks: Chunks,
        *,
        size: int | None,
        sha256: str | None,
        offset: int = ...,
    ) -> Written: ...

    async def store(self, root: str, path: str, files: Sequence[NewFile]) -> Sequence[Identity]: ...

    def manifest(
        self, root: str, exclude: Iterable[str] = ...
    ) -> AbstractAsyncContextManager[AsyncIterator[ManifestEntry | Skipped]]: ...

    def archive(
        self, root: str, exclude: Iterable[str] = ...
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]: ...


class ImageStore(Protocol):
    """The images at the site: site_files.images.ImageStore."""

    async def put(self, name: str, chunks: Chunks) -> None: ...


class Source(Protocol):
    """Where inputs come from. Raises InputRefused (final) and Transient."""

    def fetch(
        self, source: Input, customer: str, offset: int = 0, *, hashing: bool = ...
    ) -> AbstractAsyncContextManager[Chunks]: ...

    async def uploaded(
        self, inputs: Sequence[Input], customer: str
    ) -> Sequence[bytes | InputRefused | Transient]: ...


class Opener(Protocol):
    """Decrypts with the provider's recipient key. Raises NotOpened (final)."""

    def decrypt(self, chunks: Chunks) -> Chunks: ...


class Ledger(Protocol):
    """The jobs of the ledger. Raises Transient if it cannot be read now."""

    def open_jobs(self, cluster_id: str) -> list[JobFacts]: ...

    def jobs(self, job_ids: Iterable[str]) -> list[JobFacts]: ...

    def references(self, job: JobFacts) -> tuple[DataReference, ...]:
        """Returns the job's inputs. Raises Transient also if the ledger does not have the job any more."""
        ...

    def closed_since(self, cluster_id: str, since: float, after: str, count: int) -> list[JobFacts]: ...

    def known_names(self, names: Iterable[str]) -> set[str]: ...

    def leased_users(self, cluster_id: str) -> list[str]:
        """Returns the Unix users of the pool that serve customers."""
        ...


@contextlib.asynccontextmanager
async def closing(chunks: Chunks) -> AsyncIterator[Chunks]:
    """Closes a generator that is not read to its end."""
    try:
        yield chunks
    finally:
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()


async def remove(site: Site, root: str, path: str) -> None:
    """Deletes a file, or a directory with everything below it; also if it is gone already."""
    with contextlib.suppress(NotThere):
        await site.remove(root, path)
