"""Transactions about compute nodes."""

from typing import Annotated, Any

import typer

from provider_daemon.cli.tx.options import sends


@sends("MsgUpdateNodeMetadata")
def update_node_metadata(
    node_id: Annotated[str, typer.Argument(metavar="NODE", help="The node's id, <cluster>.<host>: ids are global on the chain.")],
    cluster: Annotated[str | None, typer.Option(metavar="CLUSTER", help="The id of its cluster.")] = None,
    region: Annotated[str | None, typer.Option(metavar="NAME", help="Where it stands.")] = None,
    datacenter: Annotated[str | None, typer.Option(metavar="NAME", help="Where in the region.")] = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="Whether it takes jobs.")] = None,
    state: Annotated[
        str | None, typer.Option(metavar="STATE", help="active, stale, draining, drained, offline, pending or deregistered.")
    ] = None,
    cpus: Annotated[int | None, typer.Option(metavar="N", help="Cores that are free.")] = None,
    memory_gb: Annotated[int | None, typer.Option(metavar="GB", help="GB of memory that are free.")] = None,
    gpus: Annotated[int | None, typer.Option(metavar="N", help="GPUs that are free.")] = None,
    gpu_type: Annotated[str | None, typer.Option(metavar="TYPE", help="Such as nvidia-a100.")] = None,
    storage_gb: Annotated[int | None, typer.Option(metavar="GB", help="GB of storage that are free.")] = None,
    sequence: Annotated[int | None, typer.Option(metavar="N", help="Must grow from one to the next; 0 starts anew.")] = None,
) -> dict[str, Any]:
    """Send a node's heartbeat by hand. The chain replaces the whole record with it; a running daemon does this itself."""
    return {
        "node_id": node_id,
        "cluster_id": cluster,
        "region": region,
        "datacenter": datacenter,
        "active": active,
        "state": state,
        "resources.cpu_cores": cpus,
        "resources.memory_gb": memory_gb,
        "resources.gpus": gpus,
        "resources.gpu_type": gpu_type,
        "resources.storage_gb": storage_gb,
        "last_sequence_number": sequence,
    }
