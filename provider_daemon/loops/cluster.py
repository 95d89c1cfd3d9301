"""The settings of one served cluster, built from the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from secrets import token_hex

from provider_daemon import names
from provider_daemon.chain.keys import Signer
from provider_daemon.errors import Refused
from provider_daemon.job.admission import SitePolicy
from provider_daemon.job.customer_limits import CustomerPolicy
from provider_daemon.job.data import DataPolicy
from provider_daemon.job.images import image_directory
from provider_daemon.job.job import Job
from provider_daemon.job.leases import needs_user
from provider_daemon.job.lifecycle import kill_after
from provider_daemon.job.payment import PaymentPolicy
from provider_daemon.job.site_root import is_job_directory, site_root
from provider_daemon.job.snapshot import Snapshot
from provider_daemon.nodes.condition import UnhealthyPolicy
from provider_daemon.slurm.launchers import Launch, LaunchFacts, launch
from provider_daemon.slurm.script import Batch, relative
from provider_daemon.template.places import fill


@dataclass(frozen=True, slots=True)
class PoolPolicy:
    """The pool of Unix users of one cluster.

    `users`: new customers get one of these; empty where new jobs run as the shared user, and users are only
    returned. `quarantine_seconds`: between a customer and the next one. `results_seconds`: how long after a
    job's end its customer keeps the user, for the results.
    """

    users: tuple[str, ...]
    quarantine_seconds: float
    results_seconds: float


@dataclass(frozen=True, slots=True)
class ServedCluster:
    """The settings of one cluster: `cluster_id` is its id on chain, node ids are `<name>.<host>`.

    `data`: None if no data mover serves the cluster; jobs with inputs are then refused. `pool`: None where
    all customers' jobs run as one Unix user. `unhealthy`: what happens to a node whose agent reports it sick.
    """

    cluster_id: str
    name: str
    signer: Signer
    work_root: str
    account: str = ""
    qos: str = ""
    region: str = ""
    datacenter: str = ""
    margin_seconds: int = 30
    max_jobs: int = 0
    prologue: tuple[str, ...] = ()
    partitions: Mapping[str, str] = field(default_factory=dict)
    site: SitePolicy = field(default_factory=SitePolicy)
    data: DataPolicy | None = None
    customers: CustomerPolicy = field(default_factory=CustomerPolicy)
    pool: PoolPolicy | None = None
    payment: PaymentPolicy = field(default_factory=PaymentPolicy)
    unhealthy: UnhealthyPolicy = UnhealthyPolicy.UNAVAILABLE

    def lacks_user(self, job: Job) -> bool:
        """Returns whether the job must wait for a Unix user of its customer before it is submitted."""
        return self.pool is not None and bool(self.pool.users) and not job.user and needs_user(job)

    def directory(self, job: Job) -> str:
        """Returns a new directory for each submission: an earlier one may hold files of another job."""
        return f"{site_root(self.work_root, job.user)}/{job.name}.{token_hex(4)}"

    def located(self, job: Job, snapshot: Snapshot) -> Job:
        """Returns the job with its directory from SLURM's record if the ledger that knew it was lost.

        Without it the results could be neither fetched nor deleted. Only a directory that provd names is
        accepted, for the job's owner can change what the record says.
        """
        if job.directory or not job.slurm_id:
            return job
        for seen in snapshot.of(job.name):
            ours = is_job_directory(self.work_root, job.user, job.name, seen.directory)
            if seen.slurm_id == job.slurm_id and ours:
                return replace(job, directory=seen.directory)
        return job

    def partition(self, queue: str) -> str:
        """Returns the SLURM partition of a queue. Only the configuration may name several partitions."""
        partition = self.partitions.get(queue, queue)
        if queue not in self.partitions and not names.matches(names.SLURM_NAME, queue):
            raise Refused(f"the site has no queue {queue!r}")
        return partition

    def batch(self, job: Job, directory: str, image: str = "", *, inputs: bool = False) -> Batch:
        """Returns the contents of the batch script. The job must have a program.

        `image`: the digest of its image in the cache, if it runs contained in one. `inputs`: it has some.
        """
        assert job.program is not None
        spec = job.spec
        working_directory = job.program.working_directory or spec.workload.working_directory
        places = {"image": job.program.image, "directory": directory}
        started = Launch(job.program.wrapper, tuple(fill(part, places) for part in job.program.launcher))
        if job.program.contained:
            below = relative(working_directory)
            place = image_directory(self.work_root, image) if image else ""
            facts = LaunchFacts(directory, place, below, inputs=inputs, wrapper=job.program.wrapper)
            started = launch(job.program.contained, facts)
        return Batch(
            name=job.name,
            partition=self.partition(spec.queue),
            account=self.account,
            qos=self.qos,
            nodes=spec.resources.nodes,
            cpus_per_node=spec.resources.cpus_per_node,
            memory_gb_per_node=spec.resources.memory_gb_per_node,
            gpus_per_node=spec.resources.gpus_per_node,
            gpu_type=self.site.gpu_types.get(spec.resources.gpu_type, spec.resources.gpu_type),
            wall_seconds=job.wall_seconds,
            directory=directory,
            working_directory=working_directory,
            environment=(*spec.workload.environment, *job.program.environment),
            argv=job.program.argv,
            launcher=started.launcher,
            prologue=(*self.prologue, *job.program.prologue),
            epilogue=job.program.epilogue,
            wrapper=started.wrapper,
            tasks_per_node=job.program.tasks_per_node,
            exclusive=job.program.exclusive,
            contained=job.program.contained is not None,
            dedicated=bool(job.user),
            kill_after=kill_after(spec.max_runtime_seconds, job.wall_seconds),
        )
