"""Which compute nodes an operation is about."""

from typing import Annotated

from pydantic import Field, StringConstraints

from provider_daemon.config.model import ClusterConfig
from provider_daemon.control.clusters import chosen
from provider_daemon.control.operation import Body, Context
from provider_daemon.errors import Refused
from provider_daemon.status.reported_nodes import reported

MAX_HOSTS = 200  # of one request: the daemon's loops wait meanwhile
SHOWN = 10

Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$")]


class OneNode(Body):
    """`cluster`: its id or name; "" if the daemon serves one alone. `host`: the node's name in SLURM."""

    cluster: str = ""
    host: Host


class Nodes(Body):
    """`cluster`: its id or name; "" if the daemon serves one alone. `hosts`: the nodes' names in SLURM."""

    cluster: str = ""
    hosts: tuple[Host, ...] = Field(min_length=1, max_length=MAX_HOSTS)


def the_cluster(wanted: str, context: Context) -> ClusterConfig:
    """Raises Refused if the daemon serves no such cluster, or several and none is named."""
    found = chosen(wanted, context)
    if len(found) > 1:
        raise Refused(f"several clusters are served: name one of {', '.join(each for each, _ in found)}")
    return next(each for each in context.config.clusters if each.id == found[0][0])


def check_known(hosts: tuple[str, ...], cluster: ClusterConfig, context: Context) -> None:
    """Raises Refused for a host that SLURM does not have. Before the first heartbeat no host is known."""
    known = reported(context.ledger, cluster.id, cluster.name, context.now)
    unknown = [host for host in hosts if host not in known]
    if known and unknown:
        shown = ", ".join([*known][:SHOWN]) + (", ..." if len(known) > SHOWN else "")
        raise Refused(f"{', '.join(unknown[:SHOWN])}: not a node of {cluster.id}; SLURM has {shown}")
