"""The process: from its configuration, over TLS, until it stops; and what the documents say of it."""

import asyncio
import re
import socket
import ssl
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from provider_daemon.collector import app, server, service
from provider_daemon.collector.commits import Commits
from provider_daemon.collector.measures import FAMILIES
from provider_daemon.collector.server import CollectorServer, checked
from provider_daemon.config.collector import CollectorConfig
from provider_daemon.config.model import Config, default_toml, parse
from provider_daemon.errors import ConfigError, Transient
from provider_daemon.ledger import nodes
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.listener.serve import serve
from provider_daemon.metrics import gate
from provider_daemon.metrics.server import serve as serve_metrics
from provider_daemon.node_protocol import answer
from provider_daemon.node_protocol.rejection import STATUS, Rejection
from provider_daemon.node_protocol.request import REGISTER_PATH
from tests.unit.collector.agents import URL, SigningAgent, issue, permission
from tests.unit.docs import page, table
from tests.unit.gateway.test_app import certificate


def configured(tmp_path: Path, **section: Any) -> Config:
    config = parse(default_toml(), "provd.toml")
    collector = CollectorConfig.model_validate(
        {
            "url": URL,
            "listen": "127.0.0.1:0",
            "metrics_listen": "127.0.0.1:0",
            "path": str(tmp_path / "collector" / "agents.sqlite"),
            **section,
        }
    )
    ledger = config.ledger.model_copy(update={"path": str(tmp_path / "ledger.sqlite")})
    return config.model_copy(update={"collector": collector, "ledger": ledger})


async def test_a_process_from_its_configuration(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent registers over TLS; /readyz names a ledger that is gone; a stop closes the database."""
    ports: list[int] = []

    async def noting(serve: Any, *args: Any) -> Any:
        runner = await serve(*args)
        ports.append(runner.addresses[0][1])
        return runner

    monkeypatch.setattr(server, "serve", partial(noting, serve))
    monkeypatch.setattr(server, "serve_metrics", partial(noting, serve_metrics))
    monkeypatch.setattr(server, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(server, "REFRESH_SECONDS", 0.05)
    told: list[str] = []
    monkeypatch.setattr("provider_daemon.systemd.notify", told.append)
    files = certificate(tmp_path, "collector")
    process = CollectorServer(configured(tmp_path, certificate=str(files[0]), key=str(files[1])))
    running = asyncio.create_task(process.run())
    agent, now = SigningAgent("c1"), process.clock.now()
    text = issue("c1", now)
    with ledger.write():
        nodes.allow(ledger, permission(text))
    async with asyncio.timeout(20), aiohttp.ClientSession() as http:
        while "READY=1" not in told or process.problems:
            await asyncio.sleep(0.01)
        https, metrics = ports
        insecure = ssl.create_default_context()
        insecure.check_hostname, insecure.verify_mode = False, ssl.CERT_NONE
        url = f"https://127.0.0.1:{https}"
        async with http.post(url + REGISTER_PATH, data=agent.registration(text, now), ssl=insecure) as found:
            assert found.status == 200
        beat = agent.heartbeat(now)
        async with http.post(url + agent.heartbeat_path, data=beat, ssl=insecure) as found:
            assert answer.read(await found.read()).sequence_ack == 1
            assert found.headers["Connection"] == "close"
        async with http.get(f"http://127.0.0.1:{metrics}/readyz") as found:
            assert found.status == 200
        (tmp_path / "ledger.sqlite").rename(tmp_path / "elsewhere")
        while "ledger" not in process.problems:
            await asyncio.sleep(0.01)
        async with http.get(f"http://127.0.0.1:{metrics}/readyz") as found:
            assert (found.status, (await found.text())[:7]) == (503, "ledger:")
        async with http.get(f"http://127.0.0.1:{metrics}/metrics") as found:
            body = await found.text()
            assert 'provd_collector_agents{state="active"} 1.0' in body
            assert re.search(r"^provd_collector_commit_duration_seconds_count [1-9]", body, re.MULTILINE)
        process.stop.set()
        await running
    assert "STOPPING=1" in told
    CollectorServer(configured(tmp_path))._commits.close()  # the lock of the database is free


def test_no_collector_section(tmp_path: Path) -> None:
    """The command says which key it needs."""
    with pytest.raises(ConfigError, match=r"collector\.url"):
        checked(configured(tmp_path).model_copy(update={"collector": None}))


def test_the_metrics_are_documented() -> None:
    """Every family with its type and labels."""
    said = {(row[0], row[1], row[2]) for row in table(page("agent.md"), "metric")}
    assert said == {(each.name, each.kind.value, ", ".join(each.labels)) for each in FAMILIES}


def test_the_refusals_are_documented() -> None:
    """Every code with its status."""
    said = {row[0]: int(row[1]) for row in table(page("agent.md"), "code")}
    assert said == {reason.value: int(STATUS[reason]) for reason in Rejection}


def test_the_limits_are_documented() -> None:
    """With the numbers of the code."""
    said = {row[0]: row[1] for row in table(page("agent.md"), "limit of the collector")}
    assert said == {
        "body of a request": f"{app.BODY_BYTES // 1024} KiB within {app.BODY_SECONDS:g} s",
        "head of a request": f"{gate.REQUEST_SECONDS:g} s",
        "connections": f"{server.CONNECTIONS}; then a new one closes the one that has waited longest",
        "requests of one node that are accepted": f"{service.REQUESTS_PER_MINUTE} a minute",
        "failed registrations of one address": f"{service.FAILED_REGISTRATIONS_PER_MINUTE} a minute",
    }


async def test_an_address_in_use(tmp_path: Path, ledger: Ledger) -> None:
    """The start fails with the key of the configuration, and leaves the database to the next one."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for key in ("listen", "metrics_listen"):
            with pytest.raises(Transient, match=f"collector.{key} {address}: "):
                await CollectorServer(configured(tmp_path, **{key: address})).run()


def test_a_second_collector(tmp_path: Path) -> None:
    """Two would each accept a sequence once."""
    path = tmp_path / "agents.sqlite"
    first = Commits(path, lambda _: None)
    with pytest.raises(ConfigError, match="another provd collector uses it"):
        Commits(path, lambda _: None)
    first.close()
