"""Creates from the configuration what the loops need: transports, schedulers and served clusters."""

from collections.abc import Callable
from functools import partial

from provider_daemon.chain.keys import Signer
from provider_daemon.config.customers import CustomersConfig
from provider_daemon.config.model import ChainConfig, ClusterConfig, Config, ImageConfig
from provider_daemon.config.pool_users import pool_users
from provider_daemon.job.admission import Image, Limits, Program, SitePolicy
from provider_daemon.job.containment import Containment, Launcher
from provider_daemon.job.customer_limits import CustomerLimits, CustomerPolicy
from provider_daemon.job.data import DataPolicy
from provider_daemon.job.payment import PaymentMode, PaymentPolicy
from provider_daemon.job.report_cost import ReportGasLimits
from provider_daemon.job.spec import Spec
from provider_daemon.loops.cluster import PoolPolicy, ServedCluster
from provider_daemon.loops.outbox import OutboxSettings
from provider_daemon.nodes.condition import UnhealthyPolicy
from provider_daemon.ports import Clock
from provider_daemon.slurm.connect import logins
from provider_daemon.slurm.scheduler import SlurmScheduler
from provider_daemon.template.program import program_of
from provider_daemon.template.trusted import trusted

HOUR = 3600.0


def outbox_settings(chain: ChainConfig) -> OutboxSettings:
    return OutboxSettings(
        fee_denom=chain.fee_denom,
        max_gas=chain.max_gas,
        max_fee=chain.max_fee,
        max_gas_price=chain.max_gas_price,
        max_fee_per_hour=chain.max_fee_per_hour,
        max_fee_per_day=chain.max_fee_per_day,
        timeout_blocks=chain.timeout_blocks,
    )


def scheduler(cluster: ClusterConfig, clock: Clock) -> SlurmScheduler:
    return SlurmScheduler(logins(cluster, clock), clock, cluster.name, account=queried_account(cluster))


def queried_account(cluster: ClusterConfig) -> str:
    """Returns the account whose jobs are queried; "" where all jobs are the main login's own."""
    return cluster.account if cluster.pool else ""


def data_policy(config: Config) -> DataPolicy | None:
    """Returns None if no data mover is configured."""
    if config.data is None:
        return None
    return DataPolicy(config.data.results_seconds, config.gateway.url if config.gateway else "")


def customer_policy(customers: CustomersConfig) -> CustomerPolicy:
    everybody = customers.limits.model_dump()
    return CustomerPolicy(
        limits=CustomerLimits(**everybody),
        exceptions={
            address: CustomerLimits(**everybody | own.model_dump(exclude_none=True))
            for address, own in customers.exceptions.items()
        },
        allowed=customers.allowed,
        blocked=customers.blocked,
    )


def served_cluster(
    cluster: ClusterConfig,
    signer: Signer,
    max_gas: int,
    data: DataPolicy | None = None,
    customers: CustomersConfig | None = None,
) -> ServedCluster:
    """`max_gas` is per transaction. Reads the templates; raises TemplateError if one is unusable."""
    limits = cluster.limits
    return ServedCluster(
        cluster_id=cluster.id,
        name=cluster.name,
        signer=signer,
        work_root=cluster.work_root,
        account=cluster.account,
        qos=cluster.qos,
        region=cluster.region,
        datacenter=cluster.datacenter,
        margin_seconds=cluster.report_margin_seconds,
        max_jobs=limits.max_jobs,
        prologue=tuple(cluster.prologue),
        partitions=cluster.partitions,
        data=data,
        customers=customer_policy(customers or CustomersConfig()),
        pool=_pool(cluster),
        payment=PaymentPolicy(PaymentMode(cluster.payment.mode), str(cluster.payment.share)),
        unhealthy=UnhealthyPolicy(cluster.nodes.unhealthy),
        site=SitePolicy(
            images=tuple(map(_image, cluster.images)),
            limits=Limits(
                limits.max_nodes,
                limits.max_cpus_per_node,
                limits.max_memory_gb_per_node,
                limits.max_gpus_per_node,
                limits.max_runtime_seconds,
                ReportGasLimits(limits.max_report_gas, max_gas),
            ),
            gpu_types=cluster.gpu_types,
            templates=_templates(cluster),
        ),
    )


def _image(image: ImageConfig) -> Image:
    if not image.launcher:
        return Image(image.pattern, tuple(image.run))
    contained = Containment(
        Launcher(image.launcher), image.native, image.network, image.max_processes, image.max_file_gb
    )
    return Image(image.pattern, contained=contained)


def _pool(cluster: ClusterConfig) -> PoolPolicy | None:
    """With `accounts = "shared"` a pool only serves the jobs that were submitted to it before."""
    if cluster.pool is None:
        return None
    users = pool_users(cluster.pool.users) if cluster.accounts == "pool" else ()
    return PoolPolicy(users, cluster.pool.quarantine_hours * HOUR, cluster.data.results_days * 24 * HOUR)


def _templates(cluster: ClusterConfig) -> dict[str, Callable[[Spec], Program]]:
    """Maps workload ids to functions that build a job's program."""
    wanted = cluster.templates
    found = trusted(wanted.allowed, wanted.directory, wanted.trusted_signers)
    return {template_id: partial(program_of, template) for template_id, template in found.items()}
