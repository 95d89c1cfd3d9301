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
    """The fields of an offering."""

    name: Annotated[str | None, typer.Option(metavar="NAME", help="Display name.")] = None
    queue: Annotated[
        list[str] | None,
        typer.Option(
            "--queue",
            metavar="NAME",
            help="Name of a queue that jobs can use; repeatable. Use --file to set its limits.",
        ),
    ] = None
    max_runtime: Annotated[
        int | None, typer.Option(metavar="SECONDS", help="Maximum run time of a job in seconds, at least 60.")
    ] = None
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="Description for customers.")] = None
    custom: Annotated[
        bool | None,
        typer.Option("--custom/--no-custom", help="Whether customers may run their own programs."),
    ] = None
    identity_threshold: Annotated[
        int | None, typer.Option(metavar="SCORE", help="Minimum identity score of a customer, 0 to 100.")
    ] = None
    cpu_price: Annotated[Price, typer.Option(metavar="AMOUNT", help="Price per core-hour.")] = None
    memory_price: Annotated[Price, typer.Option(metavar="AMOUNT", help="Price per GB-hour of memory.")] = None
    gpu_price: Annotated[Price, typer.Option(metavar="AMOUNT", help="Price per GPU-hour.")] = None
    node_price: Annotated[Price, typer.Option(metavar="AMOUNT", help="Price per node-hour.")] = None
    storage_price: Annotated[Price, typer.Option(metavar="AMOUNT", help="Price per GB of storage.")] = None
    network_price: Annotated[
        Price, typer.Option(metavar="AMOUNT", help="Price per GB of network traffic.")
    ] = None
    minimum_charge: Annotated[Price, typer.Option(metavar="AMOUNT", help="Minimum price of a job.")] = None
    currency: Annotated[str, typer.Option(metavar="DENOM", help="Denom of all prices.")] = "uvirt"

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
            "queue_options": [
                {"partition_name": queue, "display_name": queue, "price_multiplier": "1.0"}
                for queue in self.queue or []
            ],
            "max_runtime_seconds": self.max_runtime,
            "supports_custom_workloads": self.custom,
            "required_identity_threshold": self.identity_threshold,
            **prices,
            "pricing.currency": self.currency if any(prices.values()) else None,
        }


def _offers(function: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Decorator: adds an offering's options, and their values to the fields."""
    return with_options(function, OfferingOptions, lambda fields, options: {**fields, **options.fields()})


@sends("MsgCreateOffering")
@_offers
def create_offering(
    cluster: Annotated[str | None, typer.Option(metavar="CLUSTER", help="Cluster id, such as HPC-1.")] = None,
) -> dict[str, Any]:
    """Offer a cluster's queues at a price. The offering is active immediately; jobs also need an active
    cluster."""
    return {"cluster_id": cluster}


@sends("MsgUpdateOffering")
@_offers
def update_offering(
    offering: Annotated[str, typer.Argument(metavar="OFFERING", help="Offering id, such as OFF-1.")],
    active: Annotated[
        bool | None,
        typer.Option("--active/--inactive", help="Whether it accepts new jobs; unchanged if omitted."),
    ] = None,
) -> dict[str, Any]:
    """Update an offering. Omitted fields keep their values, except prices: if you set one, set them all."""
    return {"offering_id": offering, "active": active}
