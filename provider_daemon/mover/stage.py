"""Stages the inputs of one job, so that its submission only has to link them."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence

import structlog

from provider_daemon.errors import Refused, Transient
from provider_daemon.job.site_root import site_root
from provider_daemon.mover import paths
from provider_daemon.mover.caches import Caches
from provider_daemon.mover.datasets import Datasets
from provider_daemon.mover.facts import JobFacts
from provider_daemon.mover.locks import Budget
from provider_daemon.mover.paths import Place
from provider_daemon.mover.ports import Ledger, Site, remove
from provider_daemon.mover.s3_folders import owner
from provider_daemon.site_files.values import NotAllowed, NotThere
from provider_daemon.sources.inputs import Input, InputPolicy, Scheme
from provider_daemon.sources.reference import parse_all
from provider_daemon.sources.refusals import InputRefusal, InputRefused
from provider_daemon.transfers.rows import JobTransfer
from provider_daemon.transfers.writer import TransferWriter

log = structlog.get_logger("provd.mover")

STAGED_INPUTS = 2000  # of one customer at a time: each needs memory until it is linked
# A batch of small inputs is stored with one request to the site; the mover has its content in memory.
SMALL_BYTES, BATCH_BYTES, BATCH_INPUTS = 1024 * 1024, 4 * 1024 * 1024, 500


class Stager:
    def __init__(
        self,
        work_root: str,
        policy: InputPolicy,
        site: Site,
        ledger: Ledger,
        store: TransferWriter,
        caches: Caches,
        datasets: Datasets,
    ) -> None:
        self._work_root = work_root
        self._policy = policy
        self._site = site
        self._ledger = ledger
        self._store = store
        self._caches = caches
        self._datasets = datasets
        self._budget = Budget(STAGED_INPUTS)

    async def stage(self, job: JobFacts, row: JobTransfer) -> None:
        """Sets the row to ready, or to failed if an input is refused for good. Raises Transient.

        The directory is made from nothing each time: as long as the row is not ready, nobody uses it.
        """
        try:
            async with self._budget.hold(job.customer, job.inputs):
                inputs = parse_all(self._ledger.references(job), self._policy)
                _check_folders(inputs, job.customer)
                await self._remove_elsewhere(job, row)
                await self._fill(job, inputs)
        except Refused as error:
            if isinstance(error, NotThere | NotAllowed):
                raise Transient(f"the inputs cannot be staged: {error}; check work_root") from None
            self._store.inputs_failed(job.name, str(error))
            log.warning("inputs_failed", job=job.job_id, why=str(error), next="the job is reported failed")
            return
        self._store.inputs_ready(job.name)
        log.info("inputs_ready", job=job.job_id, inputs=len(inputs))

    async def _remove_elsewhere(self, job: JobFacts, row: JobTransfer) -> None:
        """Removes what was staged for another Unix user, which the job does not run as any more."""
        before = paths.removable_staging(row.staging, job.name) if row.staging else None
        if before is not None and str(before) != paths.staged_for(self._work_root, job):
            self._store.stage_again(job.name)
            await remove(self._site, before.root, before.path)

    async def _fill(self, job: JobFacts, inputs: tuple[Input, ...]) -> None:
        place = paths.staging(site_root(self._work_root, job.user), job.name)
        self._store.begin_staging(job.name, str(place))
        await remove(self._site, place.root, place.path)
        await self._site.make_directory(place.root, place.path)
        waiting: list[Transient] = []
        try:
            async with asyncio.TaskGroup() as group:
                for each in batches(inputs):
                    group.create_task(self._put(job, each, place, waiting))
        except BaseExceptionGroup as group_error:
            raise _worst(group_error) from None
        if waiting:
            raise waiting[0]

    async def _put(
        self, job: JobFacts, sources: Sequence[Input], place: Place, waiting: list[Transient]
    ) -> None:
        """A temporary failure ends no other transfer: another input may be refused for good, or get whole."""
        try:
            if sources[0].scheme is Scheme.SITE:
                await self._datasets.put(sources[0], place.root, f"{place.path}/{sources[0].name}")
            else:
                await self._caches.of(job.user).put(job, sources, place.path)
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
