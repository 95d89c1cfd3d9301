"""What to do next for a job: a pure function of the ledger's facts, the mover's row and the time.

Theory of operation. A job passes through these steps, each of which may fail, be killed and be repeated:

  ADD      A row is written for a job that the mover sees for the first time.
  NOTE     The row repeats the job's directory, its end and its expiry from the ledger.
  IMAGE    The job's image is put into the site's cache, or refused.
  STAGE    All inputs are fetched, verified and linked; only then the row says "ready". The daemon submits the
           job only if it says so.
  UNSTAGE  The staging directory is deleted: the job is closed, so nobody links from it any more.
  MANIFEST The results are listed with their hashes, once nothing can change them.
  DELIVER  The results are sent to the customer's target.
  SETTLE   The final report may be sent: nothing that it says will change.
  DELETE   The job's directory is deleted: the job is closed, and the customer had the promised time.

A step's effect at the site comes before its row, so that a kill between the two repeats the step; every
effect may be repeated. For deletions of content that others rely on, the row changes first.

A job that the ledger does not know gets no step: it may belong to another ledger. What was promised to a
customer (`expires_at`) is extended by a longer retention, and never shortened.
"""

from enum import StrEnum

from provider_daemon.job.transfer import InputState
from provider_daemon.mover import paths
from provider_daemon.mover.facts import JobFacts
from provider_daemon.transfers.rows import Delivery, JobTransfer

NO_RUN = "the job did not run"
NO_DIRECTORY = "the ledger does not know the job's directory"
EXPIRED = "the results expired before they could be listed"


class Step(StrEnum):
    ADD = "add"
    NOTE = "note"
    IMAGE = "image"
    STAGE = "stage"
    UNSTAGE = "unstage"
    NO_MANIFEST = "no_manifest"
    MANIFEST = "manifest"
    NO_DELIVERY = "no_delivery"
    DELIVER = "deliver"
    SETTLE = "settle"
    DELETE = "delete"


QUICK = frozenset({Step.ADD, Step.NOTE, Step.NO_MANIFEST, Step.NO_DELIVERY, Step.SETTLE})
"""Steps that only change the row."""


def next_step(
    job: JobFacts | None, row: JobTransfer | None, retention_seconds: float, now: float, work_root: str
) -> Step | None:
    """Returns the next step, None if there is none now. `job` is None if the ledger does not have it.

    Inputs that were staged for another Unix user than the job's are staged again.
    """
    if job is None:
        return None
    if row is None:
        return Step.ADD
    if outdated(job, row, retention_seconds):
        return Step.NOTE
    if not job.over:
        return _staging(job, row, work_root)
    if job.closed_at is not None and row.staging and row.unstaged_at is None:
        return Step.UNSTAGE
    if not row.transfer.settled:
        return _settling(job, row, now)
    return Step.DELETE if _deletable(job, row, now) else None


def _staging(job: JobFacts, row: JobTransfer, work_root: str) -> Step | None:
    if not job.stageable:
        return None
    if waits_for_image(job, row):
        return Step.IMAGE
    ready = row.transfer.inputs is not InputState.WAITING
    moved = bool(row.staging) and row.staging != paths.staged_for(work_root, job)
    failed = row.transfer.inputs is InputState.FAILED
    return Step.STAGE if not failed and (not ready or moved) else None


def waits_for_image(job: JobFacts, row: JobTransfer) -> bool:
    """Returns whether the job cannot be submitted before its image is in the cache, or refused."""
    return job.stageable and bool(job.image) and not (row.transfer.image or row.transfer.image_refusal)


def outdated(job: JobFacts, row: JobTransfer, retention_seconds: float) -> bool:
    """Returns whether the row must repeat the ledger's facts.

    A job that an older or new ledger has open again is noted once it is closed again.
    """
    if job.directory and job.directory != row.directory:
        return True
    noted = (row.closed_at, row.expires_at)
    return job.closed_at is not None and noted != (job.closed_at, expiry(job, row, retention_seconds))


def expiry(job: JobFacts, row: JobTransfer, retention_seconds: float) -> float | None:
    """Returns when the results may be deleted, None while the job is open."""
    if job.closed_at is None:
        return None
    return max(job.closed_at + retention_seconds, row.expires_at or 0.0)


def _settling(job: JobFacts, row: JobTransfer, now: float) -> Step:
    expired = row.expires_at is not None and now >= row.expires_at
    if row.transfer.results is None and not row.results_detail:
        return Step.NO_MANIFEST if expired or not row.directory else Step.MANIFEST
    if row.delivery is Delivery.WAITING:
        return Step.NO_DELIVERY if expired or row.transfer.results is None else Step.DELIVER
    return Step.SETTLE


def no_manifest(job: JobFacts, row: JobTransfer) -> str:
    """Returns why there is no manifest, for Step.NO_MANIFEST."""
    if not job.ran:
        return NO_RUN
    return EXPIRED if row.directory else NO_DIRECTORY


def no_delivery(row: JobTransfer) -> str:
    """Returns why nothing is delivered, for Step.NO_DELIVERY."""
    if row.transfer.results is None:
        return f"there are no results to deliver: {row.results_detail}"
    return f"the results expired before they could be delivered: {row.delivery_detail or 'no attempt ended'}"


def _deletable(job: JobFacts, row: JobTransfer, now: float) -> bool:
    if job.closed_at is None or row.deleted_at is not None:
        return False
    return not row.directory or (row.expires_at is not None and now >= row.expires_at)
