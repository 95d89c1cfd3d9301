"""What the mover needs to know about a job of the ledger."""

from dataclasses import dataclass

from provider_daemon.job.data import needs_image
from provider_daemon.job.job import Job
from provider_daemon.job.leases import needs_user
from provider_daemon.job.references import DataReference
from provider_daemon.job.state import State

INPUTS_POINTER = "inputs_pointer"  # the type of the reference that stands for Spec.inputs_pointer


@dataclass(frozen=True, slots=True)
class JobFacts:
    """`inputs`: how many there are. `stageable`: the job waits for them.

    `running`: its directory grows, as far as SLURM is known. `over`: nothing of the job can run any more, and
    its directory does not change. `ran`: it was in SLURM. `directory`: at the site, "" while the ledger does
    not know it. `closed_at` in seconds since the epoch, None while the job is open. `wall_seconds`: how long
    it ran, once that is measured. `user`: its Unix user at the site, "" for the shared one. `image`: the
    reference of the image that it runs contained in, "" without one.
    """

    name: str
    job_id: str
    cluster_id: str
    customer: str
    inputs: int = 0
    outputs_pointer: str = ""
    stageable: bool = False
    running: bool = False
    over: bool = False
    ran: bool = False
    directory: str = ""
    closed_at: float | None = None
    wall_seconds: int | None = None
    user: str = ""
    image: str = ""


def facts_of(job: Job, pooled: bool = False) -> JobFacts:
    """`pooled`: the cluster has a pool of Unix users, so that a job without one must not be staged yet."""
    spec = job.spec
    return JobFacts(
        name=job.name,
        job_id=spec.job_id,
        cluster_id=spec.cluster_id,
        customer=spec.customer,
        inputs=len(references_of(job)),
        outputs_pointer=spec.outputs_pointer,
        stageable=_stageable(job) and not (pooled and not job.user and needs_user(job)),
        running=job.state is State.RUNNING and not job.measured and job.closed_at is None,
        over=job.measured or job.never_ran or job.closed_at is not None,
        ran=not job.never_ran and job.submitted,
        directory=job.directory,
        closed_at=job.closed_at,
        wall_seconds=job.usage.wall_clock_seconds if job.usage else None,
        user=job.user,
        image=job.program.image if job.program and needs_image(job) else "",
    )


def references_of(job: Job) -> tuple[DataReference, ...]:
    """Returns what the job declares as its inputs. They are not among its facts: there may be thousands."""
    return (*job.spec.data, *_pointer(job.spec.inputs_pointer))


def _stageable(job: Job) -> bool:
    """An intent does not count: the submission may not have happened, and then waits for the inputs again."""
    pending = job.state is State.PENDING and job.reported is State.PENDING and not job.slurm_id
    return pending and job.program is not None and not (job.hold or job.parked)


def _pointer(uri: str) -> tuple[DataReference, ...]:
    """The protocol's encrypted_inputs_pointer: one more input, which has neither checksum nor size."""
    if not uri:
        return ()
    return (DataReference(type=INPUTS_POINTER, uri=uri, encrypted=not uri.startswith("site:")),)
