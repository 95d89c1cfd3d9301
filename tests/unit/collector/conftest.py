"""A collector on a loopback port, with its ledger and its database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from provider_daemon.audit_log.files import AuditFiles
from provider_daemon.audit_log.recorder import Recorder
from provider_daemon.audit_log.records import Process
from provider_daemon.collector.agents import KnownAgents
from provider_daemon.collector.app import BODY_BYTES, CollectorParts, build_app
from provider_daemon.collector.commits import Commits
from provider_daemon.collector.directory import Directory
from provider_daemon.collector.measures import CollectorMeasures
from provider_daemon.collector.service import CollectorService
from provider_daemon.config.collector import CollectorConfig
from provider_daemon.ledger import nodes
from provider_daemon.ledger.guest import LedgerGuest
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.listener.serve import Listener, serve
from provider_daemon.metrics.gate import Gate, GateLimits
from provider_daemon.node_protocol import answer
from provider_daemon.node_protocol.answer import Answer
from provider_daemon.node_protocol.request import REGISTER_PATH
from provider_daemon.node_store.store import NodeStore
from provider_daemon.nodes.allowed import AllowedNode, NodeDirectory
from provider_daemon.nodes.facts import AgentFacts
from provider_daemon.ongoing import OngoingProblems
from tests.fakes.chain import FakeClock
from tests.unit.collector.agents import CLUSTER, URL, SigningAgent, issue, permission


@dataclass
class Running:
    """A collector that serves, and what a test changes behind its back."""

    ledger: Ledger
    store: NodeStore
    clock: FakeClock
    commits: Commits
    agents: KnownAgents
    directory: Directory
    measures: CollectorMeasures
    audit: Path
    http: aiohttp.ClientSession
    runner: web.AppRunner

    @property
    def port(self) -> int:
        return int(self.runner.addresses[0][1])

    async def post(self, path: str, body: Any, **more: Any) -> tuple[int, Answer]:
        async with self.http.post(f"http://127.0.0.1:{self.port}{path}", data=body, **more) as found:
            return found.status, answer.read(await found.read())

    async def beat(self, agent: SigningAgent, **changes: Any) -> tuple[int, Answer]:
        return await self.post(agent.heartbeat_path, agent.heartbeat(self.clock.time, **changes))

    async def register(self, agent: SigningAgent, text: str, **changes: Any) -> tuple[int, Answer]:
        return await self.post(REGISTER_PATH, agent.registration(text, self.clock.time, **changes))

    async def reason(self, found: Any) -> tuple[int, str]:
        """Returns status and code of a refusal."""
        status, refused = await found
        assert not refused.accepted
        return status, refused.errors[0].code

    async def registered(self, host: str = "c1") -> SigningAgent:
        agent, text = SigningAgent(host), self.token(host)
        await self.refresh()
        assert (await self.register(agent, text))[0] == 200
        return agent

    def token(self, host: str = "c1", **changes: Any) -> str:
        """Issues a token as the daemon does."""
        text = issue(host, self.clock.time, **changes)
        self.allow(permission(text))
        return text

    def allow(self, node: AllowedNode) -> None:
        with self.ledger.write():
            nodes.allow(self.ledger, node)

    def facts(self, host: str = "c1") -> AgentFacts:
        return self.store.facts(CLUSTER)[f"alpha.{host}"]

    async def refresh(self) -> None:
        await self.directory.refresh()
        self.directory.set_registered(self.agents.known)


@asynccontextmanager
async def serving(tmp_path: Path, ledger: Ledger, clock: FakeClock, **section: Any) -> AsyncIterator[Running]:
    path = tmp_path / "collector" / "agents.sqlite"
    measures, ongoing = CollectorMeasures(), OngoingProblems()
    commits = Commits(path, measures.committed)
    agents = KnownAgents(commits)
    await agents.load()

    async def offer(found: NodeDirectory) -> None:
        await agents.offer(found, clock.time)

    directory = Directory(LedgerGuest(tmp_path / "ledger.sqlite"), clock, offer)
    config = CollectorConfig.model_validate({"url": URL, **section})
    recorder = Recorder(AuditFiles(tmp_path / "audit", Process.COLLECTOR, 365), Process.COLLECTOR)
    service = CollectorService(config, agents, directory, recorder, ongoing, clock)
    gate = Gate("here", clock, ongoing, measures.connections, GateLimits(64, port="collector"))
    app = build_app(CollectorParts(service, measures, clock, proxied=True))
    committing = asyncio.create_task(commits.run())
    runner = await serve(app, Listener("collector.listen", "127.0.0.1:0", 64, BODY_BYTES), gate, None)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        yield Running(
            ledger,
            NodeStore(path),
            clock,
            commits,
            agents,
            directory,
            measures,
            tmp_path / "audit",
            http,
            runner,
        )
    await runner.cleanup()
    committing.cancel()
    commits.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(tmp_path: Path, ledger: Ledger, clock: FakeClock) -> AsyncIterator[Running]:
    async with serving(tmp_path, ledger, clock) as started:
        yield started
