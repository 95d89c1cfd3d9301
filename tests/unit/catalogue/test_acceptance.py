"""Jobs that a provider would refuse are refused before they are signed, for the same reason."""

from dataclasses import replace

import pytest

from provider_daemon.catalogue.acceptance import check
from provider_daemon.catalogue.document import Catalogue, PaymentTerms
from provider_daemon.job.admission import Inadmissible
from provider_daemon.job.pricing import Pricing
from provider_daemon.job.spec import ChainJob, Resources, Spec, Workload
from provider_daemon.job.state import State
from provider_daemon.ports import Cluster, Offering, Preconfigured, Queue
from tests.unit.catalogue.examples import CATALOGUE
from tests.unit.job.jobs import JOB

OFFERING = Offering(
    "OFF-1",
    "HPC-1",
    (Queue("standard", 2, 3600), Queue("gpu", 0, 0)),
    (Preconfigured("mpi", "", ""), Preconfigured("other", "ghcr.io/other:1", "run")),
    supports_custom_workloads=True,
    active=True,
)
CLUSTER = Cluster("HPC-1", "ve1provider", "active", "eu", 3, 3)
SPEC = replace(
    JOB.spec,
    queue="standard",
    workload=Workload("alpine:3", "true"),
    resources=Resources(1, 4, 8),
    max_runtime_seconds=600,
)
NOW = 1_799_990_000.0  # before the example's maintenance


def job(spec: Spec, amount: int = 10**9, denom: str = "uvirt") -> ChainJob:
    return ChainJob(spec, State.PENDING, agreed_price=((denom, amount),))


def template(workload_id: str) -> Workload:
    return Workload(preconfigured_id=workload_id, is_preconfigured=True)


@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        replace(SPEC, workload=template("mpi"), resources=Resources(2)),
        replace(SPEC, queue="gpu", resources=Resources(1, 1, 1, 2, "A100")),
        replace(SPEC, queue="gpu", resources=Resources(1, 1, 1, 2)),
    ],
)
def test_a_job_that_fits_passes(spec: Spec) -> None:
    check(job(spec), OFFERING, CLUSTER, CATALOGUE, NOW)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (replace(SPEC, queue="nowhere"), "unknown queue 'nowhere': this offering has gpu, standard"),
        (replace(SPEC, resources=Resources(9)), "9 nodes requested, queue 'standard' allows 2"),
        (replace(SPEC, queue="gpu", resources=Resources(4)), "4 nodes requested, the cluster has 3"),
        (replace(SPEC, resources=Resources(1, 65)), "65 CPU cores per node requested, this site allows 64"),
        (replace(SPEC, workload=Workload("ghcr.io/x:1", "true")), "image 'ghcr.io/x:1' is not allowed on"),
        (replace(SPEC, workload=Workload("alpine:3")), "no command: set `command` to one program name"),
        (replace(SPEC, workload=template("none")), "unknown preconfigured workload 'none': this offering"),
        (replace(SPEC, workload=template("other")), "image 'ghcr.io/other:1' is not allowed on this site"),
        (
            replace(SPEC, queue="gpu", resources=Resources(1, 1, 1, 1, "h100")),
            "GPU type 'h100' requested, the cluster has a100, nvidia-a100",
        ),
        (
            replace(SPEC, queue="gpu", workload=Workload("docker.io/library/a", "b"), resources=Resources(2)),
            "2 nodes requested, but a program in a container starts on the first node",
        ),
        (replace(SPEC, queue="gpu", max_runtime_seconds=86_400), "maintenance from 2027-01-15 08:00 UTC"),
    ],
)
def test_a_refusal_is_foreseen(spec: Spec, reason: str) -> None:
    with pytest.raises(Inadmissible) as refused:
        check(job(spec), OFFERING, CLUSTER, CATALOGUE, NOW)
    assert str(refused.value).startswith(reason)


@pytest.mark.parametrize(
    ("offering", "cluster", "reason"),
    [
        (replace(OFFERING, active=False), CLUSTER, "offering OFF-1 is not active"),
        (OFFERING, replace(CLUSTER, state="draining"), "cluster HPC-1 is draining"),
    ],
)
def test_what_sells_nothing_now(offering: Offering, cluster: Cluster, reason: str) -> None:
    with pytest.raises(Inadmissible, match=reason):
        check(job(SPEC), offering, cluster, None, NOW)


def test_without_a_catalogue_the_records_of_the_chain_count() -> None:
    """Any image and GPU type may run; queues and nodes are checked."""
    check(
        job(replace(SPEC, queue="gpu", workload=Workload("x", "y"), resources=Resources(1, 1, 1, 1, "h100"))),
        OFFERING,
        CLUSTER,
        None,
        NOW,
    )
    with pytest.raises(Inadmissible, match="unknown queue"):
        check(job(replace(SPEC, queue="nowhere")), OFFERING, CLUSTER, None, NOW)


def test_no_gpus_at_all() -> None:
    bare: Catalogue = replace(CATALOGUE, gpu_types=())
    with pytest.raises(Inadmissible, match="1 GPUs per node requested, the cluster has none"):
        check(job(replace(SPEC, resources=Resources(1, 1, 1, 1))), OFFERING, CLUSTER, bare, NOW)


def test_without_a_catalogue_the_maintenance_that_the_chain_names_counts() -> None:
    with pytest.raises(Inadmissible, match="a job of 600 s would run into it; request at most 60 s"):
        check(job(SPEC), OFFERING, CLUSTER, None, NOW, (int(NOW) + 60, int(NOW) + 120))
    check(job(SPEC), OFFERING, CLUSTER, None, NOW, (int(NOW) + 600, int(NOW) + 700))


def test_too_low_a_price() -> None:
    """The offering's prices and the provider's share count, and no other denom does."""
    priced = replace(OFFERING, pricing=Pricing(cpu_core_hour="6000", memory_gb_hour="0", node_hour="0"))
    check(job(SPEC, 10_000), priced, CLUSTER, CATALOGUE, NOW)  # the minimum charge
    dear = replace(priced, pricing=replace(priced.pricing, cpu_core_hour="60000"))
    check(job(SPEC, 39_999), dear, CLUSTER, CATALOGUE, NOW)
    with pytest.raises(Inadmissible, match=r"1uvirt are missing: .* --max-price 39999uvirt"):
        check(job(SPEC, 39_998), dear, CLUSTER, CATALOGUE, NOW)
    with pytest.raises(Inadmissible, match="39999uvirt are missing"):
        check(job(SPEC, 10**9, "uve"), dear, CLUSTER, CATALOGUE, NOW)
    half = replace(CATALOGUE, payment=PaymentTerms("auto", "0.5"))
    check(job(SPEC, 20_000), dear, CLUSTER, half, NOW)
    check(job(SPEC, 0), dear, CLUSTER, replace(CATALOGUE, payment=PaymentTerms("none")), NOW)
    check(job(SPEC, 0), dear, CLUSTER, None, NOW)
