"""A part of the daemon that dies: seen, told, and left to the watchdog of systemd."""

import asyncio
import os
from pathlib import Path

import pytest
import structlog

from provider_daemon.daemon.app import WATCHDOG_SECONDS, Daemon
from provider_daemon.metrics.activity import IDLE_SECONDS
from provider_daemon.metrics.server import troubled
from tests.unit.daemons import NO_FILE, PATIENCE, config, free_port, hang


async def test_dead_loop_stops_the_watchdog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop whose task is gone while the others go on: not ready, no sign of life to systemd, one line that
    names it."""
    told: list[str] = []
    monkeypatch.setattr("provider_daemon.systemd.notify", told.append)
    monkeypatch.setattr("provider_daemon.daemon.app.WATCHDOG_SECONDS", 0.05)
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
        assert ("intake", "the loop has ended") in troubled(daemon.loop_set.loops, daemon.clock.now())
        before = told.count("WATCHDOG=1")
        await asyncio.sleep(0.3)
        assert told.count("WATCHDOG=1") == before
        assert "intake: the loop has ended" in told[-1]
        daemon.stop.set()
        await running
    told_of = [(line["loop"], line["why"]) for line in lines if line["event"] == "loop_dead"]
    assert told_of == [("intake", "the loop has ended")]


async def test_signs_of_life_come_as_often_as_systemd_wants_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    """A tick that waits for what never comes, outside any call: the same, and /readyz's words say how long it
    has been silent."""
    monkeypatch.setattr("provider_daemon.daemon.app.WATCHDOG_SECONDS", 0.05)
    monkeypatch.setattr("provider_daemon.metrics.activity.IDLE_SECONDS", 0.2)
    daemon = Daemon(config(tmp_path, free_port(), {"alpha": "main"}), NO_FILE)
    (loop,) = (loop for loop in daemon.loop_set.loops if loop.name == "intake")
    loop.tick = hang
    with structlog.testing.capture_logs() as lines:
        running = asyncio.create_task(daemon.run())
        async with asyncio.timeout(PATIENCE):
            while not any(line["event"] == "loop_dead" and line["loop"] == "intake" for line in lines):
                await asyncio.sleep(0.01)
    why = dict(troubled(daemon.loop_set.loops, daemon.clock.now()))["intake"]
    assert why.startswith("no progress in a tick that began ")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_death_is_seen_within_half_a_minute() -> None:
    """Of a tick that hangs, too: what it takes to be sure, and a period of the watchdog."""
    assert IDLE_SECONDS + WATCHDOG_SECONDS <= 30
