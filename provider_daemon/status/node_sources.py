"""Reads what `provd node list` and `provd node show` print: the ledger, and the collector's database."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from provider_daemon.config.model import ClusterConfig, Config
from provider_daemon.errors import Refused, Transient
from provider_daemon.ledger import nodes
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.node_store.store import NodeStore
from provider_daemon.nodes.facts import AgentFacts
from provider_daemon.status.node_status import NodeSources
from provider_daemon.status.reported_nodes import reported


def read(config: Config, ledger: Ledger, wanted: str, now: float) -> list[NodeSources]:
    """Returns the sources of the cluster with that id or name, of all clusters for "".

    Raises Refused if there is no such cluster, and LedgerError.
    """
    clusters = [each for each in config.clusters if wanted in ("", each.id, each.name)]
    if not clusters:
        known = ", ".join(f"{each.id} ({each.name})" for each in config.clusters)
        raise Refused(f"no cluster {wanted!r} in the configuration; the clusters are {known}")
    return [_of_cluster(config, ledger, each, now) for each in clusters]


def _of_cluster(config: Config, ledger: Ledger, cluster: ClusterConfig, now: float) -> NodeSources:
    agents, unreadable = _agents(config, cluster.id)
    return NodeSources(
        cluster.id,
        cluster.name,
        reported(ledger, cluster.id, cluster.name, now),
        nodes.allowed(ledger, cluster.id),
        agents,
        unreadable,
        nodes.holds(ledger, cluster.id),
        Counter(each.node_id for each in nodes.open_commands(ledger) if each.cluster_id == cluster.id),
    )


def _agents(config: Config, cluster_id: str) -> tuple[Mapping[str, AgentFacts], str]:
    """Returns the agents, and why they cannot be read, "" if they can."""
    if config.collector is None:
        return {}, ""
    try:
        return NodeStore(Path(config.collector.path)).facts(cluster_id), ""
    except Transient as error:
        return {}, str(error)
