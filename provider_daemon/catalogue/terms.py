"""What admission needs of an offering's record. Pure."""

from provider_daemon.job.admission import PreconfiguredWorkload, QueueOption, Terms
from provider_daemon.ports import Offering


def terms(offering: Offering) -> Terms:
    """Returns the offering's terms as admission needs them."""
    return Terms(
        queues=tuple(
            QueueOption(queue.partition, queue.max_nodes, queue.max_runtime) for queue in offering.queues
        ),
        preconfigured=tuple(
            PreconfiguredWorkload(item.workload_id, item.image, tuple(item.command.split()))
            for item in offering.preconfigured
        ),
        supports_custom_workloads=offering.supports_custom_workloads,
    )
