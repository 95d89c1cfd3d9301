"""The most that a job can cost: all that it requests, until its time limit (docs/billing.md, 'Estimates')."""

from collections.abc import Iterable
from dataclasses import replace

from provider_daemon.job.references import DataReference
from provider_daemon.job.spec import Resources
from provider_daemon.job.usage import SECONDS_PER_HOUR, Usage
from provider_daemon.money.bill import Bill, bill
from provider_daemon.money.quantities import Asked, node_hours_seen, use_of
from provider_daemon.money.rules import Rules


def most_use(asked: Resources, max_runtime_seconds: int, inputs: Iterable[DataReference]) -> Usage:
    """Returns the usage of all requested resources for the whole run time.

    Storage counts for each started hour, inputs with their declared sizes, once over the network. A size
    below 0, which the chain accepts, does not make the job cheaper.
    """
    held = Asked.per_node(asked.nodes, asked.cpus_per_node, asked.memory_gb_per_node, asked.gpus_per_node)
    hours = -(-max_runtime_seconds // SECONDS_PER_HOUR)
    return replace(
        use_of(held, max_runtime_seconds),
        storage_gb_hours=max(0, asked.storage_gb) * hours,
        network_bytes_in=sum(max(0, reference.size_bytes) for reference in inputs),
    )


def worst_bill(
    asked: Resources, max_runtime_seconds: int, inputs: Iterable[DataReference], rules: Rules
) -> Bill:
    """Returns the bill of `most_use`; node-hours with their decimals, as the chain bills a cancelled job."""
    use = most_use(asked, max_runtime_seconds, inputs)
    node_hours = node_hours_seen(use, rules.granularity_seconds)
    return bill(use, asked.gpu_type, node_hours=node_hours, rules=rules)
