"""Whether a provider would accept a job, as far as its catalogue and the chain's records tell. Pure.

The checks are the ones of the provider's own intake, so that a customer reads the same reason before anything
is signed as otherwise after the fee was paid.
"""

from provider_daemon.catalogue.document import Catalogue, ImageTerms
from provider_daemon.catalogue.terms import terms
from provider_daemon.job.admission import Image, Inadmissible, Limits, Program, SitePolicy, admit
from provider_daemon.job.containment import Containment, Launcher
from provider_daemon.job.maintenance import Window, WindowSource, in_the_way, refusal
from provider_daemon.job.payment import ChainSettlement, PaymentMode, PaymentPolicy, check_payment
from provider_daemon.job.spec import ChainJob, Spec
from provider_daemon.money.estimate import worst_bill
from provider_daemon.ports import Cluster, Offering

ANY_IMAGE = (Image("*"),)


def check(
    job: ChainJob,
    offering: Offering,
    cluster: Cluster,
    catalogue: Catalogue | None,
    now: float,
    maintenance: tuple[int, int] | None = None,
) -> None:
    """Raises Inadmissible with the reason for a job that would be refused.

    Without a catalogue only the chain's records count. `maintenance`: start and end of the next window that
    the chain names.
    """
    spec = job.spec
    if not offering.active:
        raise Inadmissible(f"offering {offering.offering_id} is not active")
    if cluster.state != "active":
        raise Inadmissible(f"cluster {cluster.cluster_id} is {cluster.state}")
    admit(spec, terms(offering), _site(catalogue, cluster))
    if catalogue is not None:
        _check_gpus(spec, catalogue)
        _check_price(job, offering, catalogue)
    windows = _windows(catalogue, maintenance)
    if window := in_the_way(windows, spec.resources.nodes, spec.max_runtime_seconds, now):
        raise Inadmissible(refusal(window, spec.max_runtime_seconds, now))


def _site(catalogue: Catalogue | None, cluster: Cluster) -> SitePolicy:
    if catalogue is None:
        return SitePolicy(images=ANY_IMAGE, nodes=cluster.total_nodes)
    most = catalogue.limits
    return SitePolicy(
        images=tuple(map(_image, catalogue.images)),
        limits=Limits(
            most.max_nodes,
            most.max_cpus_per_node,
            most.max_memory_gb_per_node,
            most.max_gpus_per_node,
            most.max_runtime_seconds,
        ),
        nodes=cluster.total_nodes,
        templates={each.template_id: _runs for each in catalogue.templates},
    )


def _runs(spec: Spec) -> Program:
    """The provider makes a template's program; what it needs of the site is not in the catalogue."""
    return Program("", (), (spec.workload.preconfigured_id,))


def _image(image: ImageTerms) -> Image:
    known = {each.value for each in Launcher}
    return Image(
        image.pattern, contained=Containment(Launcher(image.launcher)) if image.launcher in known else None
    )


def _check_gpus(spec: Spec, catalogue: Catalogue) -> None:
    asked = spec.resources
    known = {word.lower() for word in catalogue.gpu_types}
    if asked.gpus_per_node and not known:
        raise Inadmissible(f"{asked.gpus_per_node} GPUs per node requested, the cluster has none")
    if asked.gpus_per_node and asked.gpu_type and asked.gpu_type.lower() not in known:
        raise Inadmissible(
            f"GPU type {asked.gpu_type!r} requested, the cluster has {', '.join(catalogue.gpu_types)}"
        )


def _check_price(job: ChainJob, offering: Offering, catalogue: Catalogue) -> None:
    """A price that is agreed to becomes the escrow where the chain holds one."""
    if catalogue.payment.mode == PaymentMode.NONE:
        return
    spec, pricing = job.spec, offering.pricing
    rules = offering.rules(spec.queue)
    estimate = worst_bill(spec.resources, spec.max_runtime_seconds, spec.data, rules).total
    policy = PaymentPolicy(PaymentMode.AGREED_PRICE, catalogue.payment.share)
    check_payment(policy, ChainSettlement.UNKNOWN, job, pricing.denom, estimate)


def _windows(catalogue: Catalogue | None, named: tuple[int, int] | None) -> list[Window]:
    if catalogue is None:
        return [Window(WindowSource.OPERATOR, *named)] if named else []
    return [
        Window(WindowSource.OPERATOR, each.starts_at, each.ends_at, each.nodes_left, each.reason)
        for each in catalogue.maintenance
    ]
