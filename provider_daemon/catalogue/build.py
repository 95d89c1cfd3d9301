"""Completes a cluster's catalogue with what changes while the daemon runs. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase

from provider_daemon.catalogue.document import Catalogue, MaintenanceTerms, OfferingTerms, QueueTerms
from provider_daemon.catalogue.rates import minimum_charge, rates
from provider_daemon.job.maintenance import Window
from provider_daemon.ports import Node, Offering


def completed(
    base: Catalogue, offerings: Iterable[Offering], windows: Iterable[Window], nodes: Iterable[Node]
) -> Catalogue:
    """Adds the active offerings, the maintenance windows and the GPU types of the site's nodes."""
    found = {node.gpu_type for node in nodes if node.gpus and node.gpu_type}
    return replace(
        base,
        gpu_types=tuple(sorted({*base.gpu_types, *found})),
        offerings=tuple(_terms(base, each) for each in offerings if each.active),
        maintenance=tuple(
            MaintenanceTerms(window.starts_at, window.ends_at, window.nodes_left, window.reason)
            for window in windows
        ),
    )


def _terms(base: Catalogue, offering: Offering) -> OfferingTerms:
    templates = {template.template_id for template in base.templates}
    return OfferingTerms(
        offering_id=offering.offering_id,
        currency=offering.pricing.denom,
        minimum_charge=minimum_charge(offering.pricing),
        custom_programs=offering.supports_custom_workloads,
        identity_threshold=offering.identity_threshold,
        workloads=tuple(
            item.workload_id
            for item in offering.preconfigured
            if item.workload_id in templates or _runs(base, item.image)
        ),
        queues=tuple(
            QueueTerms(
                queue.partition,
                queue.max_nodes,
                _lower(queue.max_runtime, offering.max_runtime),
                rates(offering.pricing, queue.price_multiplier),
            )
            for queue in offering.queues
        ),
    )


def _runs(base: Catalogue, image: str) -> bool:
    return any(fnmatchcase(image, each.pattern) for each in base.images)


def _lower(one: int, other: int) -> int:
    """Returns the lower of two limits, of which 0 is none."""
    return min(filter(None, (one, other)), default=0)
