"""The daemon as a process: it starts whatever is down, says what is wrong, reads its configuration again, and
stops cleanly."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from provider_daemon.devnet.context import ChainRules
from provider_daemon.devnet.server import Devnet
from tests.fakes.chain import CHAIN_ID, FUNDS
from tests.unit.daemons import DOWN, PATIENCE, config_text, free_port


@dataclass
class Process:
    """`python -m provider_daemon run` on a site whose SLURM does not answer."""

    directory: Path
    chain_port: int
    port: int = field(default_factory=free_port)
    lines: list[dict[str, Any]] = field(default_factory=list)

    async def start(self) -> "Process":
        (self.directory / "bin").mkdir(exist_ok=True)
        for program in ("sacct", "sbatch", "scancel", "scontrol", "sinfo", "squeue"):
            (self.directory / "bin" / program).write_text(DOWN)
            (self.directory / "bin" / program).chmod(0o755)
        file = self.directory / "provd.toml"
        file.write_text(
            config_text(self.directory, self.chain_port, {"alpha": "main"}, f"127.0.0.1:{self.port}")
        )
        environment = {
            **os.environ,
            "PATH": f"{self.directory}/bin:{os.environ['PATH']}",
            "NOTIFY_SOCKET": f"{self.directory}/notify",
        }
        command = (sys.executable, "-m", "provider_daemon", "run", "-c", str(file))
        self.process = await asyncio.create_subprocess_exec(
            *command, env=environment, stderr=asyncio.subprocess.PIPE
        )
        return self

    async def said(self, event: str, **values: str) -> dict[str, Any]:
        """The next line with that event and those values; what comes before it is kept in `lines`."""
        assert self.process.stderr
        async with asyncio.timeout(PATIENCE):
            while text := await self.process.stderr.readline():
                line = json.loads(text)
                self.lines.append(line)
                if line["event"] == event and values.items() <= line.items():
                    return dict(line)
        raise AssertionError(f"it ended without {event}: {self.lines}")

    async def get(self, path: str) -> tuple[int, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.port}{path}") as answer,
        ):
            return answer.status, await answer.text()

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Its exit code."""
        self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            await self.said("provd_stopped")
            await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode


@asynccontextmanager
async def running(directory: Path, chain_port: int) -> AsyncIterator[Process]:
    started = await Process(directory, chain_port).start()
    try:
        yield started
    finally:
        if started.process.returncode is None:
            started.process.kill()
            await started.process.communicate()


@pytest.fixture
async def chain_port() -> AsyncIterator[int]:
    """Of a chain that makes blocks by itself."""
    devnet = Devnet(rules=ChainRules(chain_id=CHAIN_ID), block_seconds=0.2, funds=FUNDS)
    yield await devnet.start()
    await devnet.stop()


async def test_starts_and_says_what_is_down(tmp_path: Path, chain_port: int) -> None:
    """With SLURM down it serves all the same: alive, not ready, with the one loop that fails and why."""
    async with running(tmp_path, chain_port) as daemon:
        await daemon.said("provd_started")
        warning = await daemon.said("tick_failed", loop="heartbeat:alpha")
        assert warning["level"] == "warning"
        assert "Unable to contact slurm controller" in warning["why"]
        assert warning["next"].startswith("the loop retries every")
        assert (await daemon.get("/healthz"))[0] == 200
        status, text = await daemon.get("/readyz")
        assert status == 503
        assert any(
            line.startswith("heartbeat:alpha: ") and "slurm controller" in line for line in text.splitlines()
        )
        assert 'provd_loop_failing{loop="heartbeat:alpha"} 1.0' in (await daemon.get("/metrics"))[1]
        assert await daemon.end() == 0


async def test_starts_without_a_chain(tmp_path: Path) -> None:
    """With no chain either, each loop that needs it says so in one line, and the daemon stops as cleanly on
    Ctrl-C."""
    async with running(tmp_path, free_port()) as daemon:
        assert (await daemon.said("tick_failed", loop="intake"))["level"] == "warning"
        assert (await daemon.get("/healthz"))[0] == 200
        assert await daemon.end(signal.SIGINT) == 0
    assert not [line for line in daemon.lines if line["event"] == "tick_crashed"]


async def test_tells_systemd(tmp_path: Path, chain_port: int) -> None:
    """READY once it serves, WATCHDOG while its loops live and STATUS with what /readyz says, STOPPING when it
    drains."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        async with running(tmp_path, chain_port) as daemon, asyncio.timeout(PATIENCE):
            loop = asyncio.get_running_loop()
            said = [await loop.sock_recv(systemd, 1000) for _ in range(3)]
            assert said[:2] == [b"READY=1", b"WATCHDOG=1"]
            assert said[2].startswith(b"STATUS=not ready: ")
            assert await daemon.end() == 0
            assert await loop.sock_recv(systemd, 1000) == b"STOPPING=1"


async def test_hangup_reads_the_configuration_again(tmp_path: Path, chain_port: int) -> None:
    """SIGHUP ends nothing: a broken file is told with its line, a good one is taken, and the daemon goes
    on."""
    async with running(tmp_path, chain_port) as daemon:
        await daemon.said("provd_started")
        file = tmp_path / "provd.toml"
        text = file.read_text()
        file.write_text(text + '\n[log]\nlevel = "loud"\n')
        daemon.process.send_signal(signal.SIGHUP)
        told = await daemon.said("config_not_reloaded")
        assert told["why"][0].startswith(f"{file}:{len(text.splitlines()) + 2}: log.level: ")
        file.write_text(text.replace("poll_seconds = 0.2", "poll_seconds = 0.3"))
        daemon.process.send_signal(signal.SIGHUP)
        assert (await daemon.said("config_reloaded"))["changed"] == ["chain.poll_seconds"]
        assert (await daemon.get("/healthz"))[0] == 200
        assert await daemon.end() == 0


async def test_second_daemon_is_refused(tmp_path: Path, chain_port: int) -> None:
    """A second daemon on the ledger ends at once with one line; the first one goes on."""
    async with running(tmp_path, chain_port) as first:
        await first.said("provd_started")
        second = await Process(tmp_path, chain_port).start()
        async with asyncio.timeout(PATIENCE):
            _, text = await second.process.communicate()
        assert second.process.returncode == 1
        assert text.decode().startswith("provd: another provd process uses the ledger")
        assert text.count(b"\n") == 1
        assert (await first.get("/healthz"))[0] == 200
        assert await first.end() == 0
