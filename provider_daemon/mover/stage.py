"""Stages the inputs of one job, so that its submission only has to link them."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence

import structlog

from provider_daemon.errors import Refused, Transient
from provider_daemon.mover import paths
from provider_daemon.mover.cache import Cache
from provider_daemon.mover.datasets import Datasets
from provider_daemon.mover.facts import JobFacts
from provider_daemon.mover.ports import Site, remove
from provider_daemon.mover.s3_folders import owner
from provider_daemon.site_files.values import NotAllowed, NotThere
from provider_daemon.sources.inputs import Input, InputPolicy, Scheme
from provider_daemon.sources.reference import parse_all
from provider_daemon.sources.refusals import InputRefusal, InputRefused
from provider_daemon.transfers.writer import TransferWriter

log = structlog.get_logger("provd.mover")

# A batch of small inputs is stored with one request to the site; the mover has its content in memory.
SMALL_BYTES, BATCH_BYTES, BATCH_INPUTS = 1024 * 1024, 4 * 1024 * 1024, 500


class Stager:
    """`work_root` without a "/" at its end."""

    def __init__(
        self,
        work_root: str,
        policy: InputPolicy,
        site: Site,
        store: TransferWriter,
        cache: Cache,
        datasets: Datasets,
    ) -> None:
        self._work_root = work_root
        self._policy = policy
        self._site = site
        self._store = store
        self._cache = cache
        self._datasets = datasets

    async def stage(self, job: JobFacts) -> None:
        """Sets the row to ready, or to failed if an input is refused for good. Raises Transient.

        The directory is made from nothing each time: as long as the row is not ready, nobody uses it.
        """
        try:
            inputs = parse_all(job.references, self._policy)
            _check_folders(inputs, job.customer)
            await self._fill(job, inputs)
        except Refused as error:
            if isinstance(error, NotThere | NotAllowed):
                raise Transient(f"the inputs cannot be staged: {error}; check work_root") from None
            self._store.inputs_failed(job.name, str(error))
            log.warning("inputs_failed", job=job.job_id, why=str(error), next="the job is reported failed")
            return
        self._store.inputs_ready(job.name)
        log.info("inputs_ready", job=job.job_id, inputs=len(inputs))

    async def _fill(self, job: JobFacts, inputs: tuple[Input, ...]) -> None:
        place = paths.staging(self._work_root, job.name)
        self._store.begin_staging(job.name, str(place))
        await remove(self._site, place.root, place.path)
        await self._site.make_directory(place.root, place.path)
        waiting: list[Transient] = []
        try:
            async with asyncio.TaskGroup() as group:
                for each in batches(inputs):
                    group.create_task(self._put(job, each, place.path, waiting))
        except BaseExceptionGroup as group_error:
            raise _worst(group_error) from None
        if waiting:
            raise waiting[0]

    async def _put(
        self, job: JobFacts, sources: Sequence[Input], directory: str, waiting: list[Transient]
    ) -> None:
        """A temporary failure ends no other transfer: another input may be refused for good, or get whole."""
        try:
            if sources[0].scheme is Scheme.SITE:
                await self._datasets.put(sources[0], f"{directory}/{sources[0].name}")
            else:
                await self._cache.put(job, sources, directory)
        except Transient as error:
            waiting.append(error)


def batches(inputs: Iterable[Input]) -> Iterator[list[Input]]:
    """Yields all inputs: small ones that are not encrypted together, as far as they fit; others alone."""
    batch, size = list[Input](), 0
    for each in inputs:
        if each.scheme is Scheme.SITE or each.encrypted or each.size is None or each.size > SMALL_BYTES:
            yield [each]
            continue
        if len(batch) == BATCH_INPUTS or size + each.size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += each.size
    if batch:
        yield batch


def _check_folders(inputs: tuple[Input, ...], customer: str) -> None:
    """Raises InputRefused for an object in another customer's folder."""
    for each in inputs:
        if each.scheme is Scheme.S3 and owner(each.uri) not in ("", customer):
            raise InputRefused(
                InputRefusal.DENIED, f"{each.name}: the object is in another customer's folder"
            )


def _worst(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Returns the error that decides: one that is not expected, else a final one, else any."""
    errors = [error for error in group.exceptions if not isinstance(error, asyncio.CancelledError)]
    unexpected = [error for error in errors if not isinstance(error, Refused | Transient)]
    final = [error for error in errors if isinstance(error, Refused)]
    return (unexpected or final or errors or list(group.exceptions))[0]
