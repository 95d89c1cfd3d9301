"""A collector that is killed in the middle of its work."""

import asyncio
import json
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import aiohttp

from provider_daemon.config.model import default_toml
from provider_daemon.demo.processes import Process
from provider_daemon.ledger import nodes
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.node_protocol.request import REGISTER_PATH
from tests.fakes.chain import FakeClock
from tests.unit.collector.agents import SigningAgent, issue, permission
from tests.unit.collector.conftest import serving
from tests.unit.daemons import free_port

AGENTS = 8


class Killed:
    """A real collector, and what it has answered: agent -> the last accepted heartbeat."""

    def __init__(self, tmp_path: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        values = {
            "url": self.url,
            "listen": f"127.0.0.1:{port}",
            "path": str(tmp_path / "collector" / "agents.sqlite"),
            "metrics_listen": f"127.0.0.1:{free_port()}",
        }
        lines = "".join(f"{name} = {json.dumps(each)}\n" for name, each in values.items())
        text = default_toml().replace("/var/lib/provd/ledger.sqlite", str(tmp_path / "ledger.sqlite"))
        config = tmp_path / "provd.toml"
        config.write_text(f"{text}\n[collector]\n{lines}")
        self.process = Process("the collector", ["collector", "-c", str(config)], tmp_path / "log")
        self.answered: dict[str, bytes] = {}

    async def beat(self, http: aiohttp.ClientSession, agent: SigningAgent) -> None:
        """Sends heartbeats until the collector is gone."""
        with suppress(aiohttp.ClientError):
            while True:
                body = agent.heartbeat(time.time())
                async with http.post(self.url + agent.heartbeat_path, data=body) as found:
                    if found.status != 200:
                        return
                    self.answered[agent.host] = body


async def test_what_was_answered_survives_a_kill(tmp_path: Path, ledger: Ledger) -> None:
    """No answered sequence is lost: the next collector refuses recorded heartbeats, and accepts new ones."""
    killed, now = Killed(tmp_path), time.time()
    agents = {host: SigningAgent(host) for host in (f"c{number}" for number in range(AGENTS))}
    texts = {host: issue(host, now) for host in agents}
    with ledger.write():
        for text in texts.values():
            nodes.allow(ledger, permission(text))
    killed.process.start()
    with ExitStack() as stack:
        stack.callback(killed.process.stop)
        await asyncio.to_thread(killed.process.wait_for, "collector_started")
        async with aiohttp.ClientSession() as http, asyncio.timeout(60):
            for host, agent in agents.items():
                body = agent.registration(texts[host], time.time())
                async with http.post(killed.url + REGISTER_PATH, data=body) as found:
                    assert found.status == 200
            beating = [asyncio.create_task(killed.beat(http, agent)) for agent in agents.values()]
            while min(agent.sequence for agent in agents.values()) < 4:
                await asyncio.sleep(0.005)
            killed.process.kill()
            await asyncio.gather(*beating)
    assert len(killed.answered) == AGENTS
    async with serving(tmp_path, ledger, FakeClock(time=time.time())) as second:
        for host, agent in agents.items():
            replayed = second.post(agent.heartbeat_path, killed.answered[host])
            assert await second.reason(replayed) == (409, "stale_sequence")
            assert (await second.beat(agent))[0] == 200
