"""The cache of images at a site: each is pulled once, checked, and unpacked under its digest.

An image is at `.provd-images/<hex of its digest>` below work_root. Its row is written when it is whole; a
directory with the file `whole` is whole: it appears by a rename, and an eviction deletes that file first.
Images that an open job was given stay; others are evicted by their last use.
"""

import asyncio
import hashlib
import shutil
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from provider_daemon.errors import ConfigError, Transient
from provider_daemon.job.images import IMAGES, directory_name
from provider_daemon.mover import unpack
from provider_daemon.mover.facts import JobFacts
from provider_daemon.mover.locks import Locks, Slots
from provider_daemon.mover.pace import Bandwidth
from provider_daemon.mover.ports import ImageStore, Site, SourceProblem, remove
from provider_daemon.ports import Clock
from provider_daemon.sources import image_signature, oci
from provider_daemon.sources.oci import Descriptor, ImageReference, Manifest
from provider_daemon.sources.refusals import InputRefusal, InputRefused
from provider_daemon.sources.registry import Registries, Repository
from provider_daemon.transfers.rows import JobTransfer
from provider_daemon.transfers.writer import TransferWriter

log = structlog.get_logger("provd.mover")

TAG_SECONDS = 60.0  # for which the digest of a tag is not looked up again
WHOLE = "whole"  # the file of an image's directory that says that nothing is missing
EXPANSION = 4  # an image may have this many times its transferred size when it is unpacked


class PullOutcome(StrEnum):
    """`REFUSED`: the site does not accept the image, or it cannot be used. `FAILED`: it is tried again."""

    PULLED = "pulled"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ImagePolicy:
    """What a site accepts. `blocked`: patterns of references. `max_bytes`: of an image as transferred.

    `keys`: an image must be signed by one of them; () accepts unsigned images. `squash`: pyxis runs images.
    """

    architecture: str = "amd64"
    blocked: tuple[str, ...] = ()
    max_bytes: int = 20 * 10**9
    keys: tuple[EllipticCurvePublicKey, ...] = ()
    squash: bool = False


class Images:
    """`root`: work_root, which ends with "/". At most `cache_bytes` are kept, 0 for no limit."""

    def __init__(
        self,
        cluster_id: str,
        root: str,
        cache_bytes: int,
        policy: ImagePolicy,
        registries: Registries,
        images: ImageStore,
        site: Site,
        store: TransferWriter,
        spool: Path,
        bandwidth: Bandwidth,
        slots: Slots,
        clock: Clock,
    ) -> None:
        self._cluster_id = cluster_id
        self._root = root
        self._cache_bytes = cache_bytes
        self._policy = policy
        self._registries = registries
        self._images = images
        self._site = site
        self._store = store
        self._spool = spool
        self._bandwidth = bandwidth
        self._slots = slots
        self._clock = clock
        self._locks = Locks()
        self._tags: dict[str, tuple[str, float]] = {}  # reference -> the image's digest, and when it was read
        self.outcomes = Counter[PullOutcome]()

    async def provide(self, job: JobFacts, _: JobTransfer) -> None:
        """Gives the job the digest of its image once that is in the cache, or the reason why it never is.

        Raises Transient.
        """
        try:
            reference = oci.parse_reference(job.image)
            self._check_blocked(job.image, reference)
            async with self._locks.hold(str(reference)):
                digest = await self._digest(reference)
            async with self._locks.hold(digest):
                self._check_blocked(job.image, reference, digest)
                await self._ensure(job, reference, digest)
                self._store.image_ready(job.name, self._cluster_id, digest, self._clock.now())
        except InputRefused as error:
            self.outcomes[PullOutcome.REFUSED] += 1
            self._store.image_refused(job.name, str(error))
            log.warning("image_refused", job=job.job_id, why=str(error), next="the job is reported failed")
            return
        except Transient:
            self.outcomes[PullOutcome.FAILED] += 1
            raise
        log.info("image_ready", job=job.job_id, image=str(reference), digest=digest)

    def _check_blocked(self, *names: object) -> None:
        for name in map(str, names):
            if any(fnmatchcase(name, pattern) for pattern in self._policy.blocked):
                raise InputRefused(InputRefusal.DENIED, f"image {name} is blocked by this site")

    async def _digest(self, reference: ImageReference) -> str:
        """Returns the digest of the image for the site's platform, which a tag or an index names."""
        known, read_at = self._tags.get(str(reference), ("", 0.0))
        if known and self._clock.now() - read_at < TAG_SECONDS:
            return known
        async with self._registries.open(reference) as repository:
            raw = await _asked(repository.manifest(reference.wanted))
            top = oci.digest_of(raw)
            digest = oci.platform_digest(raw, self._policy.architecture) or top
            await self._check_signed(repository, {top, digest})
        self._tags = {
            name: each for name, each in self._tags.items() if self._clock.now() - each[1] < TAG_SECONDS
        }
        self._tags[str(reference)] = digest, self._clock.now()
        return digest

    async def _check_signed(self, repository: Repository, digests: set[str]) -> None:
        if not self._policy.keys:
            return
        for digest in sorted(digests):
            try:
                manifest = await _asked(repository.manifest(image_signature.signature_tag(digest)))
            except InputRefused as error:
                if error.reason is InputRefusal.NOT_FOUND:
                    continue
                raise
            for payload_digest, signature in image_signature.signatures(manifest):
                payload = await _asked(repository.small_blob(payload_digest, image_signature.MAX_PAYLOAD))
                if image_signature.signed(payload, signature, digests, self._policy.keys):
                    return
        raise InputRefused(InputRefusal.DENIED, "the image is not signed with a key that this site accepts")

    async def _ensure(self, job: JobFacts, reference: ImageReference, digest: str) -> None:
        if self._store.has_image(self._cluster_id, digest):
            return
        async with self._slots.hold(job.customer), self._registries.open(reference) as repository:
            manifest = oci.parse_manifest(await _asked(repository.manifest(digest)), digest)
            if manifest.size > self._policy.max_bytes:
                raise InputRefused(
                    InputRefusal.TOO_LARGE,
                    f"the image has {manifest.size} bytes, this site accepts at most "
                    f"{self._policy.max_bytes}",
                )
            size = await self._pull(repository, manifest)
        self._store.add_image(self._cluster_id, digest, size, self._clock.now())
        self.outcomes[PullOutcome.PULLED] += 1
        log.info("image_pulled", image=str(reference), digest=digest, bytes=size)

    async def _pull(self, repository: Repository, manifest: Manifest) -> int:
        """Returns the size of the archive that was sent to the site."""
        place = self._spool / f"image-{directory_name(manifest.digest)}"
        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
        try:
            await self._layout(repository, manifest, place / "layout")
            limit = self._policy.max_bytes * EXPANSION
            await unpack.unpack(place / "layout", place / "image", limit, squash=self._policy.squash)
            before = self._bandwidth.sent
            async with unpack.archive(place / "image") as chunks:
                await self._images.put(directory_name(manifest.digest), self._bandwidth.sending(chunks))
            return self._bandwidth.sent - before
        except OSError as error:
            raise Transient(f"data.spool: {error.strerror}") from None
        finally:
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)

    async def _layout(self, repository: Repository, manifest: Manifest, layout: Path) -> None:
        (layout / "blobs/sha256").mkdir(mode=0o700, parents=True)
        for path, content in oci.layout(manifest).items():
            (layout / path).write_bytes(content)
        for blob in dict.fromkeys(manifest.blobs):
            await self._fetch(repository, blob, layout / oci.blob_path(blob.digest))

    async def _fetch(self, repository: Repository, blob: Descriptor, path: Path) -> None:
        hashed, size = hashlib.sha256(), 0
        try:
            async with repository.blob(blob.digest) as chunks:
                with path.open("wb") as file:
                    async for chunk in self._bandwidth.receiving(chunks):
                        size += len(chunk)
                        if size > blob.size:
                            break
                        hashed.update(chunk)
                        file.write(chunk)
        except Transient as error:
            raise SourceProblem(str(error)) from None
        if size != blob.size or f"sha256:{hashed.hexdigest()}" != blob.digest:
            raise SourceProblem(f"the content that the registry sent does not match its digest {blob.digest}")

    async def evict(self) -> int:
        """Deletes images that no open job uses, the least recently used first, until the rest fits.

        Returns the bytes that are left.
        """
        rows = self._store.images(self._cluster_id)
        total = sum(row.size for row in rows)
        for row in rows:
            if not self._cache_bytes or total <= self._cache_bytes:
                break
            if self._locks.held(row.digest):
                continue
            async with self._locks.hold(row.digest):
                if not self._store.drop_image(self._cluster_id, row.digest):
                    continue
                path = f"{IMAGES}/{directory_name(row.digest)}"
                await remove(self._site, self._root, f"{path}/{WHOLE}")
                await remove(self._site, self._root, path)
            total -= row.size
            log.info("image_evicted", digest=row.digest, bytes=row.size, last_used_at=int(row.last_used_at))
        return total


def policy_keys(paths: Sequence[str]) -> tuple[EllipticCurvePublicKey, ...]:
    """Reads the public keys of data.image_keys. Raises ConfigError."""
    try:
        return tuple(image_signature.read_key(Path(path).read_bytes(), path) for path in paths)
    except OSError as error:
        raise ConfigError([f"data.image_keys: {error.filename}: {error.strerror}"]) from None


T = TypeVar("T")


async def _asked(answer: Awaitable[T]) -> T:
    """Marks a registry's temporary failure as one of the source, whose reason the customer may read."""
    try:
        return await answer
    except Transient as error:
        raise SourceProblem(str(error)) from None
