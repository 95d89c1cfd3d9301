"""Transactions about offerings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from provider_daemon.cli.options import with_options
from provider_daemon.cli.tx.options import sends

Price = str | None


@dataclass(frozen=True)
class OfferingOptions:
    """What an offering says."""

    name: Annotated[str | None, typer.Option(metavar="NAME", help="A name for people.")] = None
    queue: Annotated[
        list[str] | None, typer.Option("--queue", metavar="NAME", help="A queue that jobs may name; repeatable. Its limits: with --file.")
    ] = None
    max_runtime: Annotated[int | None, typer.Option(metavar="SECONDS", help="The longest job, in seconds, at least 60.")] = None
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="What customers read about it.")] = None
    custom: Annotated[bool | None, typer.Option("--custom/--no-custom", help="Whether customers bring their own workloads.")] = None
    identity_threshold: Annotated[int | None, typer.Option(metavar="SCORE", help="The identity score that a customer needs, 0 to 100.")] = (
        None
    )
    cpu_price: Annotated[Price, typer.Option(metavar="AMOUNT", help="Price of a core-hour.")] = None
    memory_price: Annotated[Price, typer.Option(metavar="AMOUNT", help="Price of a GB-hour of memory.")] = None
    gpu_price: Annotated[Price, typer.Option(metavar="AMOUNT", help="Price of a GPU-hour.")] = None
    node_price: Annotated[Price, typer.Option(metavar="AMOUNT", help="Price of a node-hour.")] = None
    storage_price: Annotated[Price, typer.Option(metavar="AMOUNT", help="Price of a GB of storage.")] = None
    network_price: Annotated[Price, typer.Option(metavar="AMOUNT", help="Price of a GB of network traffic.")] = None
    minimum_charge: Annotated[Price, typer.Option(metavar="AMOUNT", help="The least that a job costs.")] = None
    currency: Annotated[str, typer.Option(metavar="DENOM", help="What all prices are in.")] = "uvirt"

    def fields(self) -> dict[str, Any]:
        prices = {
            "pricing.cpu_core_hour_price": self.cpu_price,
            "pricing.memory_gb_hour_price": self.memory_price,
            "pricing.gpu_hour_price": self.gpu_price,
            "pricing.base_node_hour_price": self.node_price,
            "pricing.storage_gb_price": self.storage_price,
            "pricing.network_gb_price": self.network_price,
            "pricing.minimum_charge": self.minimum_charge,
        }
        return {
            "name": self.name,
            "description": self.description,
            "queue_options": [{"partition_name": queue, "display_name": queue, "price_multiplier": "1.0"} for queue in self.queue or []],
            "max_runtime_seconds": self.max_runtime,
            "supports_custom_workloads": self.custom,
            "required_identity_threshold": self.identity_threshold,
            **prices,
            "pricing.currency": self.currency if any(prices.values()) else None,
        }


def _offers(function: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Adds an offering's options, and what they say."""
    return with_options(function, OfferingOptions, lambda fields, options: {**fields, **options.fields()})


@sends("MsgCreateOffering")
@_offers
def create_offering(
    cluster: Annotated[str | None, typer.Option(metavar="CLUSTER", help="The cluster's id, such as HPC-1.")] = None,
) -> dict[str, Any]:
    """Offer a cluster's queues at a price. It is active at once; the cluster must be active too before a job is taken."""
    return {"cluster_id": cluster}


@sends("MsgUpdateOffering")
@_offers
def update_offering(
    offering: Annotated[str, typer.Argument(metavar="OFFERING", help="The offering's id, such as OFF-1.")],
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="Whether it takes new jobs; as it is if not given.")] = None,
) -> dict[str, Any]:
    """Change an offering. What is left out stays as it is, but prices: the chain replaces them together."""
    return {"offering_id": offering, "active": active}
