"""Transactions about compute nodes."""

from typing import Annotated, Any

import typer

from provider_daemon.cli.tx.options import sends


@sends("MsgUpdateNodeMetadata")
def update_node_metadata(
    node_id: Annotated[
        str, typer.Argument(metavar="NODE", help="Node id, <cluster>.<host>; ids are global on chain.")
    ],
    cluster: Annotated[str | None, typer.Option(metavar="CLUSTER", help="Id of the node's cluster.")] = None,
    region: Annotated[str | None, typer.Option(metavar="NAME", help="Region of the node.")] = None,
    datacenter: Annotated[str | None, typer.Option(metavar="NAME", help="Data center of the node.")] = None,
    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Whether the node accepts jobs.")
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(
            metavar="STATE",
            help="Node state: active, stale, draining, drained, offline, pending or deregistered.",
        ),
    ] = None,
    cpus: Annotated[int | None, typer.Option(metavar="N", help="Free CPU cores.")] = None,
    memory_gb: Annotated[int | None, typer.Option(metavar="GB", help="Free memory, in GB.")] = None,
    gpus: Annotated[int | None, typer.Option(metavar="N", help="Free GPUs.")] = None,
    gpu_type: Annotated[
        str | None, typer.Option(metavar="TYPE", help="GPU type, such as nvidia-a100.")
    ] = None,
    storage_gb: Annotated[int | None, typer.Option(metavar="GB", help="Free storage, in GB.")] = None,
    sequence: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Sequence number of the heartbeat, higher than the last; 0 restarts the count."
        ),
    ] = None,
) -> dict[str, Any]:
    """Send a node's heartbeat by hand. It replaces the whole record on chain. A running daemon does this
    itself."""
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
