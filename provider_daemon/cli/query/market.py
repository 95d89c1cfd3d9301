"""Queries about clusters, offerings, nodes and parameters."""

from typing import Annotated, Any

import typer

from provider_daemon.cli.query.options import PageOptions, asks

ClusterId = Annotated[str, typer.Argument(metavar="CLUSTER", help="Cluster id, such as HPC-1.")]
Provider = Annotated[str, typer.Argument(metavar="ADDRESS", help="Address of the provider.")]


@asks("Cluster")
def cluster(cluster: ClusterId) -> dict[str, Any]:
    """Show a cluster."""
    return {"cluster_id": cluster}


@asks("Clusters", PageOptions)
def clusters(
    state: Annotated[
        str | None,
        typer.Option(
            metavar="STATE",
            help="Only clusters in this state: active, pending, draining, offline or deregistered.",
        ),
    ] = None,
    region: Annotated[str | None, typer.Option(metavar="NAME", help="Only clusters in this region.")] = None,
) -> dict[str, Any]:
    """List clusters, optionally by state or region."""
    return {"state": state, "region": region}


@asks("ClustersByProvider", PageOptions)
def clusters_by_provider(provider: Provider) -> dict[str, Any]:
    """List a provider's clusters."""
    return {"provider_address": provider}


@asks("Offering")
def offering(
    offering: Annotated[str, typer.Argument(metavar="OFFERING", help="Offering id, such as OFF-1.")],
) -> dict[str, Any]:
    """Show an offering."""
    return {"offering_id": offering}


@asks("Offerings", PageOptions)
def offerings(
    active_only: Annotated[bool, typer.Option("--active-only", help="Only active offerings.")] = False,
) -> dict[str, Any]:
    """List offerings of all clusters."""
    return {"active_only": active_only}


@asks("OfferingsByCluster", PageOptions)
def offerings_by_cluster(cluster: ClusterId) -> dict[str, Any]:
    """List a cluster's offerings."""
    return {"cluster_id": cluster}


@asks("NodeMetadata")
def node_metadata(
    node_id: Annotated[str, typer.Argument(metavar="NODE", help="Node id, such as alpha.n1.")],
) -> dict[str, Any]:
    """Show a compute node."""
    return {"node_id": node_id}


@asks("NodesByCluster", PageOptions)
def nodes_by_cluster(cluster: ClusterId) -> dict[str, Any]:
    """List a cluster's compute nodes."""
    return {"cluster_id": cluster}


@asks("Params")
def params() -> dict[str, Any]:
    """Show the module's current parameters."""
    return {}
