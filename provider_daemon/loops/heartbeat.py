"""SLURM -> chain: the nodes' heartbeats, and the cluster's own state, so that the chain counts what can
really be sold."""

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
    """For one cluster. Every node is reported each time: the chain takes a node without a heartbeat for 120 s
    as stale."""

    def __init__(
        self, ledger: Ledger, scheduler: Scheduler, chain: Chain, served: ServedCluster, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._scheduler = scheduler
        self._chain = chain
        self._served = served
        self._clock = clock

    def reconfigure(self, served: ServedCluster) -> None:
        """Of the same cluster and key; a tick under way goes on with it."""
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
        # A node whose record cannot be read is left out, and must not make jobs too large that fit the
        # cluster with it.
        self._store(wanted, max(len(nodes), cluster.total_nodes))

    def _store(self, wanted: Sequence[Message], count: int) -> None:
        """What could not be sent since the last time goes first: behind a backlog the same nodes would
        otherwise wait for ever."""
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
        """Of this time's heartbeats: a node's must grow for ever, after a lost ledger too, so it is the time
        of day, which outruns them."""
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
        """An offline cluster is made active again; total_nodes is raised to what is there, or every later
        update would be refused."""
        offline = cluster.state == "offline"
        # it may count nodes that somebody else reports
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
