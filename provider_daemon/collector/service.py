"""What becomes of one request of a node agent, from its bytes to the answer."""

from dataclasses import replace

import structlog

from provider_daemon.audit_log.recorder import Recorder
from provider_daemon.audit_log.records import Action
from provider_daemon.collector import answering, checks
from provider_daemon.collector.agents import KnownAgents
from provider_daemon.collector.directory import AGAIN_SECONDS, Directory
from provider_daemon.config.collector import CollectorConfig
from provider_daemon.errors import Transient
from provider_daemon.listener.buckets import TokenBuckets
from provider_daemon.node_protocol import token as tokens
from provider_daemon.node_protocol.answer import Answer
from provider_daemon.node_protocol.rejection import Rejected, Rejection
from provider_daemon.node_protocol.request import Request
from provider_daemon.node_protocol.signature import OLDEST_SECONDS
from provider_daemon.node_store.rows import KnownAgent
from provider_daemon.nodes.allowed import AllowedNode
from provider_daemon.nodes.command import SignedCommand
from provider_daemon.nodes.report import Heartbeat, Registration
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Clock

log = structlog.get_logger("provd.collector")

REQUESTS_PER_MINUTE = 20  # that are accepted of one node
FAILED_REGISTRATIONS_PER_MINUTE = 60  # of one address


class CollectorService:
    """A request that is refused raises Rejected with the reason, and changes nothing."""

    def __init__(
        self,
        section: CollectorConfig,
        agents: KnownAgents,
        directory: Directory,
        recorder: Recorder,
        ongoing: OngoingProblems,
        clock: Clock,
    ) -> None:
        self._section, self._agents, self._directory = section, agents, directory
        self._recorder, self._ongoing, self._clock = recorder, ongoing, clock
        self._by_node = TokenBuckets(REQUESTS_PER_MINUTE)
        self._failures = TokenBuckets(FAILED_REGISTRATIONS_PER_MINUTE)

    async def heartbeat(self, node_id: str, request: Request, beat: Heartbeat) -> Answer:
        """`node_id`: as in the path. `beat`: what `read_heartbeat` found."""
        if beat.node_id != node_id:
            raise Rejected(Rejection.INVALID_REQUEST, "node_id: not that of the path")
        node = await self._allowed(beat.node_id, beat.cluster_id)
        now = self._clock.now()
        known = self._agents.known.get(node_id)
        signed_at = checks.heartbeat(request, beat, node, known, now)
        assert known is not None  # or the check refused it
        self._limit(node_id, now)
        commands = self._commands(node, beat)
        seconds = answering.interval(beat, self._section.heartbeat_seconds, commands)
        agent = replace(
            known, seen_at=now, interval=seconds, sequence=beat.sequence_number, signed_at=signed_at
        )
        await self._heard(agent, beat)
        ring = () if node.agent_key else self._directory.ring(node.cluster_id)
        return Answer(
            True,
            beat.sequence_number,
            int(now),
            seconds,
            commands,
            answering.neighbours(ring, node_id, self._section.latency_port),
        )

    async def register(self, request: Request, wanted: Registration, address: str) -> Answer:
        """`wanted`: what `read_registration` found. `address`: of the client; its failures are limited."""
        now = self._clock.now()
        if self._failures.wait(address, now):
            raise Rejected(Rejection.RATE_LIMITED, "too many failed registrations from this address")
        try:
            return await self._register(request, wanted)
        except Rejected as refusal:
            if refusal.reason is not Rejection.UNAVAILABLE:
                self._failures.spend(address, now)
            raise

    async def _register(self, request: Request, wanted: Registration) -> Answer:
        digest = tokens.digest(request.token) if request.token else ""
        node = await self._allowed(wanted.node_id, wanted.cluster_id, digest)
        now = self._clock.now()
        known = self._agents.known.get(wanted.node_id)
        digest = checks.registration(request, wanted, node, known, self._agents.nonces, now)
        self._limit(node.node_id, now)
        if known is not None and not request.auth and known.registered_at >= node.issued_at:
            # Nobody signed this: what the first registration named stays.
            return Answer(True, known.sequence, int(now), known.interval)
        agent = self._registered(wanted, node, known, digest, now)
        nonce = request.auth.nonce if request.auth else ""
        try:
            await self._agents.register(agent, wanted, nonce, now + OLDEST_SECONDS + 60)
        except Transient as error:
            raise Rejected(Rejection.UNAVAILABLE, str(error)) from None
        self._record(Action.AGENT_REGISTERED, node.node_id, f"key {agent.public_key}")
        log.info("agent_registered", node=node.node_id, key=agent.public_key, version=wanted.agent_version)
        return Answer(True, agent.sequence, int(now), self._section.heartbeat_seconds)

    def _registered(
        self, wanted: Registration, node: AllowedNode, known: KnownAgent | None, digest: str, now: float
    ) -> KnownAgent:
        """The same key continues its sequence, so that its older requests stay refused."""
        usual = self._section.heartbeat_seconds
        if known is not None and known.public_key == wanted.agent_pubkey:
            return replace(known, cluster_id=node.cluster_id, token_sha256=digest, registered_at=now)
        return KnownAgent(node.node_id, node.cluster_id, wanted.agent_pubkey, digest, now, now, usual)

    def sequence(self, node_id: str) -> int:
        """Returns the last accepted sequence of a node, 0 without one."""
        known = self._agents.known.get(node_id)
        return known.sequence if known else 0

    def rejected(self, node_id: str, refusal: Rejected) -> None:
        """Logs a refusal, seldom for one node. All nodes that nobody allowed count as one."""
        directory = self._directory.now
        subject = node_id if directory and node_id in directory.allowed else ""
        words = refusal.reason.value
        if self._ongoing.start("agent_rejected", subject, self._clock.now(), words):
            log.warning(
                "agent_rejected",
                node=node_id[:128],
                reason=words,
                why=str(refusal),
                next="the request changed nothing; the node falls silent if its agent stays refused",
            )

    async def _allowed(self, node_id: str, cluster_id: str, token_sha256: str = "") -> AllowedNode:
        """Reads the ledger again for a node, cluster or token that was not in it at the last reading."""
        directory = self._directory.now
        node = directory.allowed.get(node_id) if directory else None
        if node is None or node.revoked_at or (token_sha256 and node.token_sha256 != token_sha256):
            await self._directory.refresh(AGAIN_SECONDS)
        if self._directory.now is None:
            raise Rejected(Rejection.UNAVAILABLE, "the ledger cannot be read yet")
        node = checks.allowed_node(self._directory.now, node_id, cluster_id)
        if node.agent_key and not self._section.published_agents:
            raise Rejected(Rejection.UNSUPPORTED_SCHEME, "collector.published_agents is false")
        return node

    async def _heard(self, agent: KnownAgent, beat: Heartbeat) -> None:
        node_id = agent.node_id
        unknown = self._agents.unknown_answers(node_id, beat)
        try:
            answers = await self._agents.heard(agent, beat)
        except Transient as error:
            raise Rejected(Rejection.UNAVAILABLE, str(error)) from None
        for each in answers:
            self._record(Action.COMMAND_ANSWERED, node_id, f"{each.command_id}: {each.result}")
            log.info("command_answered", node=node_id, command=each.command_id, result=each.result)
        if unknown and self._ongoing.start("answer_ignored", node_id, agent.seen_at):
            following = "nothing: no command of this id was given to the node"
            log.warning("answer_ignored", node=node_id, command=unknown[0][:64], next=following)
        if self._ongoing.clear("agent_rejected", node_id):
            log.info("agent_accepted", node=node_id)

    def _commands(self, node: AllowedNode, beat: Heartbeat) -> tuple[SignedCommand, ...]:
        """The published agent cannot verify our commands, and gets none."""
        if node.agent_key or self._directory.now is None:
            return ()
        now_answered = {each.command_id for each in beat.acknowledgements}
        return answering.commands_for(self._directory.now, node.node_id, self._agents.answered, now_answered)

    def _limit(self, node_id: str, now: float) -> None:
        if self._by_node.wait(node_id, now):
            raise Rejected(Rejection.RATE_LIMITED, f"more than {REQUESTS_PER_MINUTE} requests in a minute")
        self._by_node.spend(node_id, now)

    def _record(self, action: Action, node_id: str, detail: str) -> None:
        self._recorder.record([self._recorder.deed(action, thing=node_id, detail=detail)], self._clock.now())
