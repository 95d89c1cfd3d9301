"""The configured part of a cluster's catalogue."""

from provider_daemon.catalogue.document import Catalogue, ImageTerms, LimitTerms, PaymentTerms, TemplateTerms
from provider_daemon.config.model import ClusterConfig, Config, ImageConfig
from provider_daemon.template.trusted import trusted


def catalogue_base(config: Config, cluster: ClusterConfig, provider: str) -> Catalogue | None:
    """Returns None without a gateway, which serves the catalogue. Raises TemplateError.

    `provider`: the address that signs it.
    """
    if config.gateway is None:
        return None
    given, limits, wanted = cluster.catalogue, cluster.limits, cluster.templates
    templates = trusted(wanted.allowed, wanted.directory, wanted.trusted_signers)
    return Catalogue(
        chain_id=config.chain.id,
        cluster_id=cluster.id,
        provider=provider,
        gateway=config.gateway.url,
        contact=given.contact,
        terms=given.terms,
        payment=PaymentTerms(cluster.payment.mode, str(cluster.payment.share)),
        software=tuple(given.software),
        gpu_types=tuple(sorted(cluster.gpu_types)),
        limits=LimitTerms(
            limits.max_nodes,
            limits.max_cpus_per_node,
            limits.max_memory_gb_per_node,
            limits.max_gpus_per_node,
            limits.max_runtime_seconds,
        ),
        images=tuple(map(_image, cluster.images)),
        templates=tuple(
            TemplateTerms(template_id, each.name, each.version)
            for template_id, each in sorted(templates.items())
        ),
    )


def _image(image: ImageConfig) -> ImageTerms:
    """A program that nothing contains has the node's network."""
    return ImageTerms(image.pattern, image.launcher, image.network or not image.launcher)
