"""Transactions about clusters."""

from typing import Annotated, Any

import typer

from provider_daemon.cli.tx.options import sends

ClusterId = Annotated[str, typer.Argument(metavar="CLUSTER", help="Cluster id, such as HPC-1.")]
Name = Annotated[str | None, typer.Option(metavar="NAME", help="Display name.")]
Description = Annotated[str | None, typer.Option(metavar="TEXT", help="Description for customers.")]
TotalNodes = Annotated[
    int | None, typer.Option(metavar="N", help="Number of nodes of the cluster, at least 1.")
]
Partitions = Annotated[
    list[str] | None,
    typer.Option(
        "--partition", metavar="NAME", help="Name of a partition; repeatable. Use --file to set its limits."
    ),
]


@sends("MsgRegisterCluster")
def register_cluster(
    name: Name = None,
    region: Annotated[
        str | None, typer.Option(metavar="NAME", help="Region of the cluster, such as us-west-2.")
    ] = None,
    total_nodes: TotalNodes = None,
    description: Description = None,
    partition: Partitions = None,
    slurm_version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="SLURM version, such as 22.05.8.")
    ] = None,
) -> dict[str, Any]:
    """Register a cluster. It is pending until you set it to active with update-cluster."""
    return {
        "name": name,
        "region": region,
        "total_nodes": total_nodes,
        "description": description,
        "partitions": _partitions(partition),
        "slurm_version": slurm_version,
    }


@sends("MsgUpdateCluster")
def update_cluster(
    cluster: ClusterId,
    state: Annotated[
        str | None,
        typer.Option(metavar="STATE", help="New state: active, draining, offline, pending or deregistered."),
    ] = None,
    name: Name = None,
    description: Description = None,
    gateway: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Address of your gateway, written into the description as gateway=URL; '' removes it.",
        ),
    ] = None,
    site_audit: Annotated[
        str | None,
        typer.Option(
            metavar="RESULT",
            help="Result of the newest audit, as `provd site audit` prints it, for customers; '' removes it.",
        ),
    ] = None,
    total_nodes: TotalNodes = None,
    available_nodes: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Number of nodes that accept jobs; the chain counts active nodes itself."
        ),
    ] = None,
    partition: Partitions = None,
) -> dict[str, Any]:
    """Update a cluster. Omitted fields keep their values."""
    return {
        "cluster_id": cluster,
        "state": state,
        "name": name,
        "description": description,
        "gateway": gateway,
        "site_audit": site_audit,
        "total_nodes": total_nodes,
        "available_nodes": available_nodes,
        "partitions": _partitions(partition),
    }


@sends("MsgDeregisterCluster")
def deregister_cluster(cluster: ClusterId) -> dict[str, Any]:
    """Deregister a cluster. Setting it to active with update-cluster reverts this."""
    return {"cluster_id": cluster}


def _partitions(names: list[str] | None) -> list[dict[str, str]] | None:
    return [{"name": name} for name in names] if names else None
