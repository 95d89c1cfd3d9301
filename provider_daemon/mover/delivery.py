"""Sends the results of a job to the target that its customer chose, as one tar archive."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import structlog

from provider_daemon.errors import Refused, Transient
from provider_daemon.mover.facts import JobFacts
from provider_daemon.mover.locks import Slots
from provider_daemon.mover.pace import Bandwidth
from provider_daemon.mover.ports import Chunks, Site, closing
from provider_daemon.mover.s3_folders import owner
from provider_daemon.mover.targets import Target, TargetKind, TargetRefused, parse_target
from provider_daemon.site_files.values import NotAllowed, NotThere
from provider_daemon.transfers.rows import Delivery, JobTransfer
from provider_daemon.transfers.writer import TransferWriter

log = structlog.get_logger("provd.mover")


class Uploader(Protocol):
    """Sends one object. Raises TargetRefused (final) and Transient."""

    async def put(self, target: Target, chunks: Chunks, size: int) -> None: ...


class RecipientKeys(Protocol):
    """The keys of customers on the chain."""

    async def usable(self, address: str) -> bytes | None:
        """Returns the public key for new data, None if the account has never registered one.

        Raises Refused if it has only keys that must not be used, and Transient.
        """
        ...


class Encryption(Protocol):
    def encrypt(self, chunks: Chunks, recipients: Sequence[bytes]) -> Chunks: ...

    async def with_size(self, encrypted: Chunks, plain_size: int) -> tuple[int, Chunks]:
        """Returns the size of an encrypted stream, before it is read, and the stream."""
        ...


class Deliverer:
    """Reads the directory twice: targets must know the size first, and an archive may not fit on a disk."""

    def __init__(
        self,
        site: Site,
        store: TransferWriter,
        uploader: Uploader,
        keys: RecipientKeys,
        encryption: Encryption,
        bandwidth: Bandwidth,
        slots: Slots,
    ) -> None:
        self._site = site
        self._store = store
        self._uploader = uploader
        self._keys = keys
        self._encryption = encryption
        self._bandwidth = bandwidth
        self._slots = slots

    async def deliver(self, job: JobFacts, row: JobTransfer) -> None:
        """Ends the delivery in the row. Raises Transient if it must be tried again."""
        try:
            async with self._slots.hold(job.customer):
                size, encrypted = await self._send(job, row)
        except (TargetRefused, NotThere, NotAllowed) as error:
            self._store.set_delivery(row.name, Delivery.FAILED, str(error))
            following = "the results stay with the gateway until they expire"
            log.warning("delivery_failed", job=job.job_id, why=str(error), next=following)
            return
        except Transient as error:
            self._store.set_delivery(row.name, Delivery.WAITING, str(error))
            raise
        self._store.set_delivery(row.name, Delivery.DONE, bytes_out=size)
        log.info("results_delivered", job=job.job_id, bytes=size, encrypted=encrypted)

    async def _send(self, job: JobFacts, row: JobTransfer) -> tuple[int, bool]:
        target = parse_target(job.outputs_pointer)
        if target.kind is TargetKind.S3 and owner(target.uri) != job.customer:
            raise TargetRefused(
                f"{target.shown}: results are delivered only to the customer's own folder of a bucket: "
                f"s3://<endpoint>/<bucket>/{job.customer}/<name>"
            )
        recipient = target.recipient or await self._key_of(job.customer)
        size = 0
        async with self._site.archive(row.directory) as chunks:
            async for chunk in chunks:
                size += len(chunk)
        async with (
            self._sized(row.directory, recipient, size) as (sent, chunks),
            closing(_exactly(self._bandwidth.sending(chunks), sent)) as checked,
        ):
            await self._uploader.put(target, checked, sent)
        return sent, recipient is not None

    async def _key_of(self, customer: str) -> bytes | None:
        try:
            return await self._keys.usable(customer)
        except Refused as error:
            raise TargetRefused(f"{error}: the results are not sent unencrypted") from None

    @asynccontextmanager
    async def _sized(
        self, directory: str, recipient: bytes | None, plain_size: int
    ) -> AsyncIterator[tuple[int, Chunks]]:
        """Yields the bytes to send and their number. `plain_size`: that of the archive."""
        async with self._site.archive(directory) as chunks:
            if recipient is None:
                yield plain_size, chunks
                return
            async with closing(self._encryption.encrypt(chunks, [recipient])) as encrypted:
                yield await self._encryption.with_size(encrypted, plain_size)


async def _exactly(chunks: Chunks, size: int) -> AsyncIterator[bytes]:
    """Raises Transient if the archive has another size than at its first reading."""
    left = size
    async for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            break
        yield chunk
    if left:
        raise Transient("the job's directory changed while it was delivered; it is read again")
