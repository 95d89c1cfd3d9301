"""The daemon as a process and as a whole: it starts whatever is down, says what is wrong, and stops cleanly."""

import asyncio
import hashlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog

from provider_daemon.chain import messages
from provider_daemon.config import Config, parse
from provider_daemon.daemon import DRAIN_SECONDS, FINISH_SECONDS, WATCHDOG_SECONDS, Daemon
from provider_daemon.devnet.context import Rules
from provider_daemon.devnet.server import Devnet
from provider_daemon.errors import LedgerError
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message, OpenTx
from provider_daemon.metrics.activity import IDLE_SECONDS
from provider_daemon.metrics.server import CLOSING_SECONDS, troubled
from tests.fakes.chain import ALICE, CHAIN_ID, FUNDS, PROVIDER, FakeClock, TestChain, report

KEYS = {"main": "provider", "other": "alice"}  # key of the configuration -> whose it is
DOWN = "#!/bin/sh\necho 'slurm_load error: Unable to contact slurm controller (connect failure)' >&2\nexit 1\n"
NO_FILE = Path("/nonexistent/provd.toml")  # of a daemon that is not asked to read it again
PATIENCE = 30  # seconds that a test waits for what must come


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def config_text(directory: Path, chain_port: int, clusters: dict[str, str], listen: str = "127.0.0.1:0") -> str:
    """`clusters`: name -> key; their ids are HPC-1, HPC-2, ..."""
    for name, whose in KEYS.items():
        (directory / name).touch(0o600)
        (directory / name).write_text(hashlib.sha256(whose.encode()).hexdigest())
    keys = "\n".join(f'[keys.{key}]\nkind = "plaintext-hex"\npath = "{directory / key}"' for key in KEYS)
    tables = "\n".join(
        f'[[clusters]]\nid = "HPC-{number}"\nname = "{name}"\nkey = "{key}"\ntransport = "local"\nregion = "eu"\nwork_root = "/scratch"'
        for number, (name, key) in enumerate(clusters.items(), 1)
    )
    chain = f'[chain]\nid = "{CHAIN_ID}"\nendpoints = ["127.0.0.1:{chain_port}"]\npoll_seconds = 0.2'
    ledger = f'[ledger]\npath = "{directory}/ledger.sqlite"\n[metrics]\nlisten = "{listen}"'
    return "\n".join([chain, ledger, keys, tables])


def config(directory: Path, chain_port: int, clusters: dict[str, str]) -> Config:
    return parse(config_text(directory, chain_port, clusters), "provd.toml")


# --- as a process ---


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
        file.write_text(config_text(self.directory, self.chain_port, {"alpha": "main"}, f"127.0.0.1:{self.port}"))
        environment = {**os.environ, "PATH": f"{self.directory}/bin:{os.environ['PATH']}", "NOTIFY_SOCKET": f"{self.directory}/notify"}
        command = (sys.executable, "-m", "provider_daemon", "run", "-c", str(file))
        self.process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.PIPE)
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
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.port}{path}") as answer:
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
    devnet = Devnet(rules=Rules(chain_id=CHAIN_ID), block_seconds=0.2, funds=FUNDS)
    yield await devnet.start()
    await devnet.stop()


async def test_starts_and_says_what_is_down(tmp_path: Path, chain_port: int) -> None:
    """With SLURM down it serves all the same: alive, not ready, with the one loop that fails and why."""
    async with running(tmp_path, chain_port) as daemon:
        await daemon.said("provd_started")
        warning = await daemon.said("tick_failed", loop="heartbeat:alpha")
        assert warning["level"] == "warning"
        assert "Unable to contact slurm controller" in warning["why"]
        assert warning["next"].startswith("tries again every")
        assert (await daemon.get("/healthz"))[0] == 200
        status, text = await daemon.get("/readyz")
        assert status == 503
        assert any(line.startswith("heartbeat:alpha: ") and "slurm controller" in line for line in text.splitlines())
        assert 'provd_loop_failing{loop="heartbeat:alpha"} 1.0' in (await daemon.get("/metrics"))[1]
        assert await daemon.end() == 0


async def test_starts_without_a_chain(tmp_path: Path) -> None:
    """With no chain either, each loop that needs it says so in one line, and the daemon stops as cleanly on Ctrl-C."""
    async with running(tmp_path, free_port()) as daemon:
        assert (await daemon.said("tick_failed", loop="intake"))["level"] == "warning"
        assert (await daemon.get("/healthz"))[0] == 200
        assert await daemon.end(signal.SIGINT) == 0
    assert not [line for line in daemon.lines if line["event"] == "tick_broken"]


async def test_tells_systemd(tmp_path: Path, chain_port: int) -> None:
    """READY once it serves, WATCHDOG while its loops live and STATUS with what /readyz says, STOPPING when it drains."""
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
    """SIGHUP ends nothing: a broken file is told with its line, a good one is taken, and the daemon goes on."""
    async with running(tmp_path, chain_port) as daemon:
        await daemon.said("provd_started")
        file = tmp_path / "provd.toml"
        text = file.read_text()
        file.write_text(text + '\n[log]\nlevel = "loud"\n')
        daemon.process.send_signal(signal.SIGHUP)
        told = await daemon.said("config_not_reloaded")
        assert told["why"][0].startswith(f"provd.toml:{len(text.splitlines()) + 2}: log.level: ")
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
        assert text.decode().startswith("provd: another provd holds the ledger")
        assert text.count(b"\n") == 1
        assert (await first.get("/healthz"))[0] == 200
        assert await first.end() == 0


# --- as a whole, in this process ---


@asynccontextmanager
async def built(settings: Config) -> AsyncIterator[Daemon]:
    """A daemon that ends as soon as it runs."""
    daemon = Daemon(settings, NO_FILE)
    try:
        yield daemon
    finally:
        daemon.stop.set()
        await daemon.run()


async def test_clusters_of_one_key_share_an_outbox(tmp_path: Path) -> None:
    """A key has one sequence, so one loop signs with it, however many clusters it serves; another key has its own."""
    async with built(config(tmp_path, 1, {"alpha": "main", "beta": "main", "gamma": "other"})) as daemon:
        names = [loop.name for loop in daemon._crew.loops]
    assert sorted(name for name in names if name.startswith("outbox:")) == sorted(f"outbox:{key.address}" for key in (PROVIDER, ALICE))
    assert [name for name in names if name.startswith("advance:")] == ["advance:alpha", "advance:beta", "advance:gamma"]
    assert names.count("intake") == 1


async def test_unused_key_has_no_outbox(tmp_path: Path) -> None:
    """A key that no cluster names signs nothing."""
    async with built(config(tmp_path, 1, {"alpha": "main"})) as daemon:
        assert [loop.name for loop in daemon._crew.outboxes] == [f"outbox:{PROVIDER.address}"]


async def test_ledger_is_free_again_after_the_end(tmp_path: Path) -> None:
    """A daemon that ended lets the next one in, and no other before."""
    settings = config(tmp_path, 1, {"alpha": "main"})
    async with built(settings):
        with pytest.raises(LedgerError, match="another provd"):
            Daemon(settings, NO_FILE)
    async with built(settings):
        pass


async def test_open_transaction_is_asked_after_on_the_way_out(tmp_path: Path) -> None:
    """What the chain took before the end is known to be taken when the daemon is gone."""
    chain = await TestChain(clock=FakeClock(time.time())).start()
    try:
        await chain.open_shop()
        signed = await chain.signed(PROVIDER, report("queued"))
        sequence = (await chain.client.account(PROVIDER.address)).sequence
        settings = config(tmp_path, chain.devnet.port, {"alpha": "main"})
        with closing(Ledger.open(tmp_path / "ledger.sqlite")) as ledger, ledger.write():
            body = messages.pack(report("queued")).SerializeToString()
            ledger.add_message(PROVIDER.address, Message("report", "JOB-1", body, "queued"), 1.0)
            waiting = ledger.waiting_messages(PROVIDER.address)
            height = chain.devnet.blocks.height + 10
            ledger.add_tx(
                OpenTx(0, PROVIDER.address, signed.tx_hash, signed.tx_bytes, sequence, height, 50_000, time.time()),
                waiting,
            )
        assert (await chain.client.broadcast(signed.tx_bytes)).ok
        chain.block()
        async with built(settings):
            pass
        with closing(Ledger.open(tmp_path / "ledger.sqlite")) as ledger:
            assert ledger.open_tx(PROVIDER.address) is None
            assert ledger.last_txs(1)[0]["height"] > 0
    finally:
        await chain.stop()


async def hang() -> None:
    await asyncio.Event().wait()


async def test_a_tick_that_hangs_does_not_hold_up_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site that hangs (its file system, its slurmctld) is cut off, as by a kill; systemd need not kill the daemon."""
    told: list[str] = []
    monkeypatch.setattr("provider_daemon.systemd.notify", told.append)
    monkeypatch.setattr("provider_daemon.daemon.FINISH_SECONDS", 0.1)
    daemon = Daemon(config(tmp_path, free_port(), {"alpha": "main"}), NO_FILE)
    (loop,) = (loop for loop in daemon._crew.loops if loop.name == "advance:alpha")
    loop.tick = hang
    with structlog.testing.capture_logs() as lines:
        running = asyncio.create_task(daemon.run())
        async with asyncio.timeout(PATIENCE):
            while not loop.tick_since:
                await asyncio.sleep(0.01)
            daemon.stop.set()
            await running
    assert "advance:alpha" in [line["loop"] for line in lines if line["event"] == "tick_cut_off"]
    assert lines[-1]["event"] == "provd_stopped"
    assert told.count("STOPPING=1") == 1


async def test_each_key_is_drained_and_none_for_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One key's chain call that hangs takes no time from another key's open transaction, nor more than the drain has."""
    monkeypatch.setattr("provider_daemon.daemon.DRAIN_SECONDS", 0.2)
    daemon = Daemon(config(tmp_path, free_port(), {"alpha": "main", "beta": "other"}), NO_FILE)
    asked: list[str] = []
    for loop in daemon._crew.outboxes:
        address = loop.name.removeprefix("outbox:")
        with daemon._ledger.write():
            daemon._ledger.add_tx(OpenTx(0, address, f"HASH {address}", b"", 1, 9, 5, 1.0), [])

        async def ask(address: str = address) -> None:
            asked.append(address)
            await hang()

        loop.tick = ask
    daemon.stop.set()
    async with asyncio.timeout(PATIENCE):
        await daemon.run()
    assert sorted(asked) == sorted((PROVIDER.address, ALICE.address))


def test_it_ends_before_systemd_loses_patience() -> None:
    """The unit's TimeoutStopSec leaves room for closing the connections."""
    unit = (Path(__file__).parents[2] / "deploy/systemd/provd.service").read_text()
    (seconds,) = (int(line.partition("=")[2]) for line in unit.splitlines() if line.startswith("TimeoutStopSec="))
    assert seconds >= FINISH_SECONDS + DRAIN_SECONDS + CLOSING_SECONDS + 10


# --- a part that dies ---


async def test_dead_loop_stops_the_watchdog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop whose task is gone while the others go on: not ready, no sign of life to systemd, one line that names it."""
    told: list[str] = []
    monkeypatch.setattr("provider_daemon.systemd.notify", told.append)
    monkeypatch.setattr("provider_daemon.daemon.WATCHDOG_SECONDS", 0.05)
    daemon = Daemon(config(tmp_path, free_port(), {"alpha": "main"}), NO_FILE)
    running = asyncio.create_task(daemon.run())
    async with asyncio.timeout(PATIENCE):
        while told.count("WATCHDOG=1") < 2:
            await asyncio.sleep(0.01)
        with structlog.testing.capture_logs() as lines:
            (victim,) = (task for task in asyncio.all_tasks() if task.get_name() == "intake")
            victim.cancel()
            while not any(line["event"] == "loop_dead" for line in lines):
                await asyncio.sleep(0.01)
        assert not running.done()
        assert ("intake", "it has ended") in troubled(daemon._crew.loops, daemon._clock.now())
        before = told.count("WATCHDOG=1")
        await asyncio.sleep(0.3)
        assert told.count("WATCHDOG=1") == before
        assert "intake: it has ended" in told[-1]
        daemon.stop.set()
        await running
    told_of = [(line["loop"], line["why"]) for line in lines if line["event"] == "loop_dead"]
    assert told_of == [("intake", "it has ended")]


async def test_signs_of_life_come_as_often_as_systemd_wants_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shorter WatchdogSec in a drop-in needs nothing else."""
    told: list[str] = []
    monkeypatch.setattr("provider_daemon.systemd.notify", told.append)
    monkeypatch.setenv("WATCHDOG_USEC", "90000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    daemon = Daemon(config(tmp_path, free_port(), {"alpha": "main"}), NO_FILE)
    running = asyncio.create_task(daemon.run())
    async with asyncio.timeout(WATCHDOG_SECONDS / 2):
        while told.count("WATCHDOG=1") < 5:
            await asyncio.sleep(0.01)
        daemon.stop.set()
        await running


async def test_hanging_loop_stops_the_watchdog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tick that waits for what never comes, outside any call: the same, and /readyz's words say how long it has been silent."""
    monkeypatch.setattr("provider_daemon.daemon.WATCHDOG_SECONDS", 0.05)
    monkeypatch.setattr("provider_daemon.metrics.activity.IDLE_SECONDS", 0.2)
    daemon = Daemon(config(tmp_path, free_port(), {"alpha": "main"}), NO_FILE)
    (loop,) = (loop for loop in daemon._crew.loops if loop.name == "intake")
    loop.tick = hang
    with structlog.testing.capture_logs() as lines:
        running = asyncio.create_task(daemon.run())
        async with asyncio.timeout(PATIENCE):
            while not any(line["event"] == "loop_dead" and line["loop"] == "intake" for line in lines):
                await asyncio.sleep(0.01)
    why = dict(troubled(daemon._crew.loops, daemon._clock.now()))["intake"]
    assert why.startswith("no sign of life in a tick of ")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_death_is_seen_within_half_a_minute() -> None:
    """Of a tick that hangs, too: what it takes to be sure, and a period of the watchdog."""
    assert IDLE_SECONDS + WATCHDOG_SECONDS <= 30
