"""The heartbeat loop: reports a cluster's nodes and state, so that the chain counts what can be sold.

A transaction costs a fee, so a node is reported when it changed, and before the chain considers it stale.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial

import structlog

from provider_daemon.chain import messages, node_metadata
from provider_daemon.ledger import meta
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.pause import Pause
from provider_daemon.ledger.rows import Message
from provider_daemon.loops.cluster import ServedCluster
from provider_daemon.loops.cluster_updates import DRAINING, Update, shown_on_chain, update, wanted_state
from provider_daemon.loops.command_results import store_results
from provider_daemon.loops.node_conditions import NodeConditions
from provider_daemon.loops.node_drains import NodeDrains
from provider_daemon.loops.node_ids import current_id
from provider_daemon.nodes.ids import first_id
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.planning.heartbeats import is_due, patience
from provider_daemon.ports import Agents, Chain, Clock, Cluster, Node, Scheduler

log = structlog.get_logger("provd.heartbeat")

KEEP_SECONDS = 3600  # how long confirmed heartbeats stay in the ledger


class Heartbeat:
    """Sends the heartbeats of one cluster."""

    def __init__(
        self,
        ledger: Ledger,
        scheduler: Scheduler,
        chain: Chain,
        served: ServedCluster,
        clock: Clock,
        agents: Agents | None = None,
        ongoing: OngoingProblems | None = None,
    ) -> None:
        self._ledger = ledger
        self._scheduler = scheduler
        self._chain = chain
        self._served = served
        self._clock = clock
        self._agents = agents
        ongoing = ongoing or OngoingProblems()
        self._conditions = NodeConditions(ledger, agents, clock, ongoing)
        self._drains = NodeDrains(ledger, scheduler, clock, ongoing)
        self._ticked_at: float | None = None

    def reconfigure(self, served: ServedCluster) -> None:
        """Replaces the settings of the same cluster and key. A running tick uses them from here on."""
        self._served = served

    async def tick(self) -> None:
        if self._agents is not None:
            store_results(self._ledger, self._agents, self._served.cluster_id, self._clock.now())
        counted = self._counted_on_chain()
        cluster = await self._chain.cluster(self._served.cluster_id)
        if cluster is not None:
            self._drain_cluster(cluster)
        nodes = self._conditions.assess(self._served, await self._scheduler.nodes())
        if cluster is None:
            log.error(
                "cluster_not_registered",
                cluster=self._served.cluster_id,
                next="no heartbeats are sent; register the cluster on chain, or correct clusters.id",
            )
            return
        sequence = self._sequence()
        wanted = self._due(cluster, counted, nodes, sequence, await self._chain.node_timeout())
        if changed := update(cluster, len(nodes), self._pause(cluster)):
            wanted.append(self._cluster(cluster, changed, len(nodes)))
        # A node whose record cannot be read is left out. It still counts here: jobs that fit the cluster with
        # it must not become too large.
        self._store(wanted, max(len(nodes), cluster.total_nodes))
        await self._drains.apply(self._served, nodes)

    def _counted_on_chain(self) -> frozenset[str]:
        """Returns the nodes that are active by their last heartbeat in a block.

        Call it before the chain is asked: its answer lacks what enters a block later.
        """
        signer = self._served.signer.address
        last = self._ledger.last_heartbeats(signer, self._clock.now() - KEEP_SECONDS)
        sent = self._ledger.open_tx(signer)
        not_yet = {each.subject for each in self._ledger.messages_of_tx(sent.id)} if sent else set()
        return frozenset(
            subject
            for subject, message in last.items()
            if subject not in not_yet and node_metadata.heartbeat_facts(message.body).active
        )

    def _due(
        self,
        cluster: Cluster,
        counted: frozenset[str],
        nodes: Sequence[Node],
        sequence: int,
        timeout: int,
    ) -> list[Message]:
        """Returns the heartbeats that are due; all of them at the first tick, and if the chain lost some.

        `counted`: the nodes that the chain must have as active. The time between the last two ticks stands
        for the time until the next one.
        """
        now, period = self._clock.now(), math.inf
        if self._ticked_at is not None:
            period = now - self._ticked_at
        self._ticked_at = now
        last = self._ledger.last_heartbeats(self._served.signer.address, now - KEEP_SECONDS)
        beats = [(node, self._node(node, sequence, last)) for node in nodes]
        if cluster.state == "offline" or cluster.available_nodes < sum(
            beat.subject in counted for _, beat in beats
        ):
            return [beat for _, beat in beats]
        waiting = self._waiting()
        any_sold = any(node.sellable for node in nodes)
        return [
            beat
            for node, beat in beats
            if beat.subject in waiting  # what waits to be sent is always the newest
            or (before := last.get(beat.subject)) is None
            or node_metadata.heartbeat_facts(before.body) != node_metadata.heartbeat_facts(beat.body)
            or is_due(
                now - before.created_at,
                period,
                # without any heartbeat the chain would consider the whole cluster offline
                patience(timeout, usable=node.sellable or not any_sold),
            )
        ]

    def _store(self, wanted: Sequence[Message], count: int) -> None:
        """Stores the messages.

        Those that replace a waiting one keep its turn and come first: on a site whose heartbeats do not fit
        into the blocks between two polls, the last nodes would never be reported.
        """
        now, signer = self._clock.now(), self._served.signer.address
        turns = {subject: turn for turn, subject in enumerate(self._waiting())}
        with self._ledger.write():
            self._ledger.set(meta.node_count(self._served.cluster_id), count)
            for message in sorted(wanted, key=lambda message: turns.get(message.subject, len(turns))):
                self._ledger.replace_message(signer, message, now)
            self._ledger.prune_messages(now - KEEP_SECONDS)

    def _waiting(self) -> dict[str, Message]:
        """Returns the heartbeats that are in no transaction yet, by node, in the order of their turns."""
        waiting = self._ledger.waiting_messages(self._served.signer.address)
        return {message.subject: message for message in waiting if message.kind == "node"}

    def _sequence(self) -> int:
        """Returns this tick's sequence.

        It must always grow, even in a new ledger, so it follows the clock.
        """
        key = meta.heartbeat_sequence(self._served.cluster_id)
        number = max(self._ledger.get(key) + 1, int(self._clock.now()))
        with self._ledger.write():
            self._ledger.set(key, number)
        return number

    def _node(self, node: Node, sequence: int, last: Mapping[str, Message]) -> Message:
        first = first_id(self._served.name, node.host)
        subject, found = current_id(self._ledger, first), self._conditions.agent(first)
        body = node_metadata.update_node_metadata(
            node,
            provider=self._served.signer.address,
            node_id=subject,
            cluster_id=self._served.cluster_id,
            region=self._served.region,
            datacenter=self._served.datacenter,
            sequence=sequence,
            agent=found and node_metadata.AgentReport(*found, partial(current_id, self._ledger)),
        )
        if not self._conditions.known and subject in last:
            body = node_metadata.with_identity(body, last[subject].body)
        return Message("node", subject, body.SerializeToString(deterministic=True))

    def _pause(self, cluster: Cluster) -> Pause | None:
        """Returns the operator's pause. One that is over is forgotten when the chain shows its end."""
        key = meta.pause(cluster.cluster_id)
        pause = self._ledger.get(key)
        if pause is None or not shown_on_chain(cluster.state, pause):
            return pause
        with self._ledger.write():
            self._ledger.set(key, None)
        return None

    def _drain_cluster(self, cluster: Cluster) -> None:
        """Stores the update of a paused cluster at once: SLURM may not answer."""
        if wanted_state(cluster.state, self._ledger.get(meta.pause(cluster.cluster_id))) == DRAINING:
            message = self._cluster(cluster, Update(DRAINING), cluster.total_nodes)
            with self._ledger.write():
                self._ledger.replace_message(self._served.signer.address, message, self._clock.now())

    def _cluster(self, cluster: Cluster, changed: Update, nodes: int) -> Message:
        log.warning(
            "cluster_update",
            cluster=cluster.cluster_id,
            state=cluster.state,
            new_state=changed.state or cluster.state,
            total_nodes=cluster.total_nodes,
            nodes=nodes,
            next="provd sends an update of the cluster with new_state and with total_nodes as in SLURM",
        )
        body = messages.update_cluster(
            provider=self._served.signer.address,
            cluster_id=cluster.cluster_id,
            state=changed.state,
            total_nodes=changed.total_nodes,
        )
        return Message("cluster", cluster.cluster_id, body.SerializeToString(deterministic=True))
