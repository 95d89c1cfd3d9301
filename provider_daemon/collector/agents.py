"""The registered agents: what the collector checks requests against, and what it stores of them.

A request is accepted in two steps. The new state of the agent is in memory at once, so that of two requests
with one sequence or one token the second is refused; the answer waits until it is on disk. If it cannot be
written, memory returns to the state before, and the agent tries again.
"""

from collections.abc import Mapping, Sequence

import structlog

from provider_daemon.collector.answering import command_id
from provider_daemon.collector.commits import Commits
from provider_daemon.errors import Transient
from provider_daemon.node_store.rows import Answered, Change, HeardFrom, KnownAgent, Offered, Registered
from provider_daemon.node_store.writer import NodeStoreWriter
from provider_daemon.nodes.allowed import NodeDirectory
from provider_daemon.nodes.report import Acknowledgement, Heartbeat, Registration

log = structlog.get_logger("provd.collector")


class KnownAgents:
    """The registered agents by node id, and the commands that were offered to them."""

    def __init__(self, commits: Commits) -> None:
        self._commits = commits
        self._known: dict[str, KnownAgent] = {}
        self._commands: dict[str, str] = {}  # command id -> node id, of all that were offered
        self._unreadable: frozenset[str] = frozenset()  # nodes with a command that cannot be read
        self.nonces: dict[str, float] = {}  # of registrations, with the time at which they expire
        self.answered: set[str] = set()  # ids of commands

    async def load(self) -> None:
        """Reads what the last collector stored. Raises Transient."""

        def read(writer: NodeStoreWriter) -> None:
            self._known = {each.node_id: each for each in writer.agents()}
            self.nonces = writer.nonces()
            self._commands, self.answered = writer.commands()

        await self._commits.call(read)

    @property
    def known(self) -> Mapping[str, KnownAgent]:
        return self._known

    async def offer(self, directory: NodeDirectory, now: float) -> None:
        """Stores which commands nodes may answer from now on. Raises Transient."""
        found = [
            (command_id(each), node_id)
            for node_id, commands in directory.commands.items()
            for each in commands
            if node_id in directory.allowed
        ]
        new = [
            Offered(each, node_id, directory.allowed[node_id].cluster_id, now)
            for each, node_id in found
            if each and each not in self._commands
        ]
        unreadable = frozenset(node_id for each, node_id in found if not each)
        if unreadable - self._unreadable:
            following = "it is not given to the node; the others are"
            log.error("node_command_unreadable", nodes=sorted(unreadable), next=following)
        self._unreadable = unreadable
        if new:
            await self._commits.write(new)
            self._commands |= {each.command_id: each.node_id for each in new}

    async def register(
        self, agent: KnownAgent, registration: Registration, nonce: str, nonce_expires_at: float
    ) -> None:
        """Raises Transient if the registration cannot be stored."""
        if nonce:
            self.nonces[nonce] = nonce_expires_at
        try:
            await self._store(agent, [Registered(agent, registration, nonce, nonce_expires_at)])
        except Transient:
            self.nonces.pop(nonce, None)
            raise

    async def heard(self, agent: KnownAgent, beat: Heartbeat) -> tuple[Acknowledgement, ...]:
        """Returns the acknowledgements of commands that this node was given and had not answered.

        Raises Transient if the heartbeat cannot be stored.
        """
        answers = tuple(
            each
            for each in beat.acknowledgements
            if self._commands.get(each.command_id) == agent.node_id and each.command_id not in self.answered
        )
        answered = [Answered(agent.node_id, each, agent.seen_at) for each in answers]
        await self._store(agent, [HeardFrom(agent, beat), *answered])
        self.answered |= {each.command_id for each in answers}
        return answers

    def unknown_answers(self, node_id: str, beat: Heartbeat) -> list[str]:
        """Returns the ids in acknowledgements that are not of this node's commands."""
        ids = (each.command_id for each in beat.acknowledgements)
        return [each for each in ids if self._commands.get(each) != node_id]

    async def prune(self, now: float) -> None:
        """Forgets expired nonces and old commands. Raises Transient."""
        self.nonces = {nonce: expires for nonce, expires in self.nonces.items() if expires >= now}
        await self._commits.call(lambda writer: writer.prune(now))

    async def _store(self, agent: KnownAgent, changes: Sequence[Change]) -> None:
        before = self._known.get(agent.node_id)
        self._known[agent.node_id] = agent
        try:
            await self._commits.write(changes)
        except Transient:
            if self._known.get(agent.node_id) is agent:
                self._restore(agent.node_id, before)
            raise

    def _restore(self, node_id: str, before: KnownAgent | None) -> None:
        if before is None:
            del self._known[node_id]
        else:
            self._known[node_id] = before
