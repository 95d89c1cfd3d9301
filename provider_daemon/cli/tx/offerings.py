"""Transactions about offerings."""

from typing import Annotated, Any

import typer

from provider_daemon.cli.tx.options import sends

Name = Annotated[str | None, typer.Option(metavar="NAME", help="A name for people.")]
Description = Annotated[str | None, typer.Option(metavar="TEXT", help="What customers read about it.")]
Queues = Annotated[
    list[str] | None, typer.Option("--queue", metavar="NAME", help="A queue that jobs may name; repeatable. Its limits: with --file.")
]
MaxRuntime = Annotated[int | None, typer.Option(metavar="SECONDS", help="The longest job, in seconds, at least 60.")]
Identity = Annotated[int | None, typer.Option(metavar="SCORE", help="The identity score that a customer needs, 0 to 100.")]
Custom = Annotated[bool | None, typer.Option("--custom/--no-custom", help="Whether customers bring their own workloads.")]
CpuPrice = Annotated[str | None, typer.Option(metavar="AMOUNT", help="Price of a core-hour.")]
MemoryPrice = Annotated[str | None, typer.Option(metavar="AMOUNT", help="Price of a GB-hour of memory.")]
GpuPrice = Annotated[str | None, typer.Option(metavar="AMOUNT", help="Price of a GPU-hour.")]
NodePrice = Annotated[str | None, typer.Option(metavar="AMOUNT", help="Price of a node-hour.")]
StoragePrice = Annotated[str | None, typer.Option(metavar="AMOUNT", help="Price of a GB of storage.")]
NetworkPrice = Annotated[str | None, typer.Option(metavar="AMOUNT", help="Price of a GB of network traffic.")]
MinimumCharge = Annotated[str | None, typer.Option(metavar="AMOUNT", help="The least that a job costs.")]
Currency = Annotated[str, typer.Option(metavar="DENOM", help="What all prices are in.")]


@sends("MsgCreateOffering")
def create_offering(
    cluster: Annotated[str | None, typer.Option(metavar="CLUSTER", help="The cluster's id, such as HPC-1.")] = None,
    name: Name = None,
    queue: Queues = None,
    max_runtime: MaxRuntime = None,
    description: Description = None,
    custom: Custom = None,
    identity_threshold: Identity = None,
    cpu_price: CpuPrice = None,
    memory_price: MemoryPrice = None,
    gpu_price: GpuPrice = None,
    node_price: NodePrice = None,
    storage_price: StoragePrice = None,
    network_price: NetworkPrice = None,
    minimum_charge: MinimumCharge = None,
    currency: Currency = "uvirt",
) -> dict[str, Any]:
    """Offer a cluster's queues at a price. It is active at once; the cluster must be active too before a job is taken."""
    prices = (cpu_price, memory_price, gpu_price, node_price, storage_price, network_price, minimum_charge)
    return {
        "cluster_id": cluster,
        **_offering(name, queue, max_runtime, description, custom, identity_threshold),
        **_pricing(currency, prices),
    }


@sends("MsgUpdateOffering")
def update_offering(
    offering: Annotated[str, typer.Argument(metavar="OFFERING", help="The offering's id, such as OFF-1.")],
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="Whether it takes new jobs; as it is if not given.")] = None,
    name: Name = None,
    queue: Queues = None,
    max_runtime: MaxRuntime = None,
    description: Description = None,
    custom: Custom = None,
    identity_threshold: Identity = None,
    cpu_price: CpuPrice = None,
    memory_price: MemoryPrice = None,
    gpu_price: GpuPrice = None,
    node_price: NodePrice = None,
    storage_price: StoragePrice = None,
    network_price: NetworkPrice = None,
    minimum_charge: MinimumCharge = None,
    currency: Currency = "uvirt",
) -> dict[str, Any]:
    """Change an offering. What is left out stays as it is, but prices: the chain replaces them together."""
    prices = (cpu_price, memory_price, gpu_price, node_price, storage_price, network_price, minimum_charge)
    return {
        "offering_id": offering,
        "active": active,
        **_offering(name, queue, max_runtime, description, custom, identity_threshold),
        **_pricing(currency, prices),
    }


def _offering(
    name: str | None, queues: list[str] | None, runtime: int | None, description: str | None, custom: bool | None, threshold: int | None
) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "queue_options": [{"partition_name": queue, "display_name": queue, "price_multiplier": "1.0"} for queue in queues or []],
        "max_runtime_seconds": runtime,
        "supports_custom_workloads": custom,
        "required_identity_threshold": threshold,
    }


def _pricing(currency: str, prices: tuple[str | None, ...]) -> dict[str, str | None]:
    cpu, memory, gpu, node, storage, network, minimum = prices
    return {
        "pricing.cpu_core_hour_price": cpu,
        "pricing.memory_gb_hour_price": memory,
        "pricing.gpu_hour_price": gpu,
        "pricing.base_node_hour_price": node,
        "pricing.storage_gb_price": storage,
        "pricing.network_gb_price": network,
        "pricing.minimum_charge": minimum,
        "pricing.currency": currency if any(prices) else None,
    }
