"""The heartbeat loop: reports a cluster's nodes and state, so that the chain counts what can be sold."""

from collections.abc import Sequence

import structlog

from provider_daemon.chain import messages
from provider_daemon.ledger import meta
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message
from provider_daemon.loops.cluster import ServedCluster
from provider_daemon.loops.node_ids import node_id
from provider_daemon.ports import Chain, Clock, Cluster, Node, Scheduler

log = structlog.get_logger("provd.heartbeat")

KEEP_SECONDS = 3600  # how long confirmed heartbeats stay in the ledger


class Heartbeat:
    """Sends the heartbeats of one cluster.

    Every tick reports every node: the chain marks a node stale 120 s after its last heartbeat.
    """

    def __init__(
        self, ledger: Ledger, scheduler: Scheduler, chain: Chain, served: ServedCluster, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._scheduler = scheduler
        self._chain = chain
        self._served = served
        self._clock = clock

    def reconfigure(self, served: ServedCluster) -> None:
        """Replaces the settings of the same cluster and key. A running tick uses them from here on."""
        self._served = served

    async def tick(self) -> None:
        nodes = await self._scheduler.nodes()
        cluster = await self._chain.cluster(self._served.cluster_id)
        if cluster is None:
            log.error(
                "cluster_not_registered",
                cluster=self._served.cluster_id,
                next="no heartbeats are sent; register the cluster on chain, or correct clusters.id",
            )
            return
        sequence = self._sequence()
        wanted = [self._node(node, sequence) for node in nodes]
        if (update := self._cluster(cluster, nodes)) is not None:
            wanted.append(update)
        # A node whose record cannot be read is left out. It still counts here: jobs that fit the cluster with
        # it must not become too large.
        self._store(wanted, max(len(nodes), cluster.total_nodes))

    def _store(self, wanted: Sequence[Message], count: int) -> None:
        """Stores the messages. Nodes whose last heartbeat still waits come first, or they would starve."""
        now, signer = self._clock.now(), self._served.signer.address
        behind = {
            message.subject for message in self._ledger.waiting_messages(signer) if message.kind == "node"
        }
        with self._ledger.write():
            self._ledger.set(meta.node_count(self._served.cluster_id), count)
            for message in sorted(wanted, key=lambda message: message.subject not in behind):
                self._ledger.replace_message(signer, message, now)
            self._ledger.prune_messages(now - KEEP_SECONDS)

    def _sequence(self) -> int:
        """Returns this tick's sequence.

        It must always grow, even in a new ledger, so it follows the clock.
        """
        key = meta.heartbeat_sequence(self._served.cluster_id)
        number = max(self._ledger.get(key) + 1, int(self._clock.now()))
        with self._ledger.write():
            self._ledger.set(key, number)
        return number

    def _node(self, node: Node, sequence: int) -> Message:
        subject = node_id(self._ledger, self._served.name, node.host)
        body = messages.update_node_metadata(
            node,
            provider=self._served.signer.address,
            node_id=subject,
            cluster_id=self._served.cluster_id,
            region=self._served.region,
            datacenter=self._served.datacenter,
            sequence=sequence,
        )
        return Message("node", subject, body.SerializeToString(deterministic=True))

    def _cluster(self, cluster: Cluster, nodes: Sequence[Node]) -> Message | None:
        """Returns an update that reactivates an offline cluster or raises total_nodes.

        With a total_nodes below the number of nodes, the chain would refuse every later update.
        """
        offline = cluster.state == "offline"
        # the record may count nodes that somebody else reports
        count = max(len(nodes), cluster.available_nodes if offline else 0)
        grown = count > cluster.total_nodes
        if not offline and not grown:
            return None
        following = (
            "provd sends an update: the cluster becomes active, and total_nodes grows to the nodes that "
            "SLURM has"
        )
        log.warning(
            "cluster_update",
            cluster=cluster.cluster_id,
            state=cluster.state,
            total_nodes=cluster.total_nodes,
            nodes=len(nodes),
            next=following,
        )
        body = messages.update_cluster(
            provider=self._served.signer.address,
            cluster_id=cluster.cluster_id,
            active=offline,
            total_nodes=count if grown else 0,
        )
        return Message("cluster", cluster.cluster_id, body.SerializeToString(deterministic=True))
