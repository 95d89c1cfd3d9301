"""The configuration read again while provd runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from prometheus_client import CollectorRegistry
from structlog.typing import EventDict

from provider_daemon.config.model import load
from provider_daemon.daemon.app import Daemon
from provider_daemon.job.admission import Image
from provider_daemon.loops.outbox import Outbox
from provider_daemon.metrics.collector import DaemonCollector
from provider_daemon.status import health
from tests.unit.daemons import config_text


@dataclass
class Running:
    """A daemon that was made from the file, with what it tells systemd."""

    file: Path
    daemon: Daemon
    told: list[str]

    async def reload(self, text: str) -> list[EventDict]:
        """What it logs about the new text of the file."""
        self.file.write_text(text)
        with structlog.testing.capture_logs() as lines:
            await self.daemon.reload.now()
        return [line for line in lines if line["event"] != "audit_head"]

    def periods(self) -> dict[str, float]:
        return {loop.name.partition(":")[0]: loop.period for loop in self.daemon.loop_set.loops}


@asynccontextmanager
async def running(file: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    told: list[str] = []
    monkeypatch.setattr("provider_daemon.systemd.notify", told.append)
    daemon = Daemon(load(file), file)
    try:
        yield Running(file, daemon, told)
    finally:
        daemon.stop.set()
        await daemon.run()


@pytest.fixture
async def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    file = tmp_path / "provd.toml"
    file.write_text(config_text(tmp_path, 1, {"alpha": "main"}))
    async with running(file, monkeypatch) as daemon:
        yield daemon


async def test_what_can_change_is_in_effect(ours: Running) -> None:
    """The loops work with the new values from now on, and one line names the keys."""
    text = ours.file.read_text().replace("poll_seconds = 0.2", "poll_seconds = 7\nmax_gas = 9000000")
    text += (
        '\nheartbeat_seconds = 33\nprologue = ["module purge"]\n[clusters.limits]\nmax_jobs = '
        '5\n[[clusters.images]]\npattern = "*"\nnative = true\n'
    )
    (line,) = await ours.reload(text)
    assert (line["event"], line["log_level"]) == ("config_reloaded", "info")
    assert set(line["changed"]) == {
        "chain.poll_seconds",
        "chain.max_gas",
        *(f"clusters.HPC-1.{key}" for key in ("heartbeat_seconds", "prologue", "limits.max_jobs", "images")),
    }
    assert (ours.periods()["outbox"], ours.periods()["intake"], ours.periods()["heartbeat"]) == (7, 7, 33)
    site = ours.daemon.loop_set._sites["HPC-1"]
    for known in (
        site.advance._served,
        site.heartbeat._served,
        ours.daemon.loop_set._served_clusters["HPC-1"],
    ):
        assert (known.max_jobs, known.prologue, known.site.images) == (5, ("module purge",), (Image("*"),))
    (outbox,) = ours.daemon.loop_set._senders.values()
    assert isinstance(outbox, Outbox)
    assert outbox._settings.max_gas == 9_000_000


async def test_endpoints_change(ours: Running) -> None:
    """Those that stay keep what is known of them, those that go are asked no more."""
    endpoints = ours.daemon._grpc.endpoints
    await endpoints.use(["127.0.0.1:1"], 1)
    (first,) = endpoints.all
    await ours.reload(ours.file.read_text().replace('["127.0.0.1:1"]', '["127.0.0.1:2", "127.0.0.1:1"]'))
    assert [endpoint.url for endpoint in endpoints.all] == ["127.0.0.1:2", "127.0.0.1:1"]
    assert endpoints.all[1] is first
    await ours.reload(ours.file.read_text().replace(', "127.0.0.1:1"]', "]"))
    assert [endpoint.url for endpoint in endpoints.all] == ["127.0.0.1:2"]


async def test_what_cannot_change_is_named(ours: Running) -> None:
    """One line with every such key and why, and the rest changes all the same."""
    text = (
        ours.file.read_text()
        .replace('name = "alpha"', 'name = "omega"\nqos = "high"')
        .replace("ledger.sqlite", "other.sqlite")
    )
    done, kept = await ours.reload(text)
    assert done["changed"] == ["clusters.HPC-1.qos"]
    assert (kept["event"], kept["log_level"]) == ("config_not_reloaded", "error")
    assert list(kept["why"]) == ["ledger.path", "clusters.HPC-1.name"]
    assert "restart provd" in kept["next"]
    shown = health.daemon(ours.daemon.parts()).config_problems
    assert [each.partition(": ")[0] for each in shown] == ["ledger.path", "clusters.HPC-1.name"]
    assert ours.daemon.reload.running.clusters[0].name == "alpha"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("[ledger]", "[ledger", "provd.toml:"),
        ("poll_seconds = 0.2", "poll_seconds = 900", "chain.poll_seconds"),
        (
            'region = "eu"',
            'region = "eu"\ntemplates = { allowed = ["nowhere"] }',
            "nowhere: unknown template",
        ),
    ],
)
async def test_a_broken_file_changes_nothing(ours: Running, old: str, new: str, why: str) -> None:
    """Neither the mistake nor what was right beside it; every mistake is named, and systemd knows that it is
    over."""
    before, periods = ours.daemon.reload.running, ours.periods()
    (line,) = await ours.reload(
        ours.file.read_text().replace(old, new).replace("[metrics]", '[log]\nlevel = "debug"\n[metrics]')
    )
    assert (line["event"], line["log_level"]) == ("config_not_reloaded", "error")
    assert why in " ".join(line["why"])
    assert health.daemon(ours.daemon.parts()).config_problems == tuple(line["why"])
    assert ours.daemon.reload.running is before
    assert ours.periods() == periods
    assert ours.told[-1] == "READY=1"


async def test_a_file_that_is_gone_changes_nothing(ours: Running) -> None:
    """The daemon needs it only to start, or to be told something new."""
    ours.file.unlink()
    with structlog.testing.capture_logs() as lines:
        await ours.daemon.reload.now()
    assert [line["event"] for line in lines] == ["config_not_reloaded"]


async def test_systemd_is_told(ours: Running) -> None:
    """RELOADING=1 with the moment it began, as Type=notify-reload wants it, then READY=1."""
    await ours.reload(ours.file.read_text())
    began, ended = ours.told
    assert began.split("=")[:2] == ["RELOADING", "1\nMONOTONIC_USEC"]
    assert int(began.rpartition("=")[2]) > 0
    assert ended == "READY=1"


async def test_a_fault_of_ours_ends_nothing(ours: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told with its trace, and the next reload works."""
    with monkeypatch.context() as broken:
        broken.setattr(ours.daemon.loop_set, "adopt", None)
        (line,) = await ours.reload(ours.file.read_text())
    assert (line["event"], line["log_level"], ours.told[-1]) == ("config_not_reloaded", "error", "READY=1")
    assert "TypeError" in health.daemon(ours.daemon.parts()).config_problems[0]
    (line,) = await ours.reload(ours.file.read_text())
    assert line["event"] == "config_reloaded"
    assert health.daemon(ours.daemon.parts()).config_problems == ()


def standing(ours: Running) -> tuple[float | None, float | None]:
    """What /metrics says of the last reload: whether the file is in effect, and since when."""
    registry = CollectorRegistry()
    registry.register(DaemonCollector(ours.daemon.parts()))
    return tuple(
        registry.get_sample_value(f"provd_config_last_reload_success{end}")
        for end in ("ful", "_timestamp_seconds")
    )  # type: ignore[return-value]


async def test_metrics_say_whether_the_file_is_in_effect(ours: Running) -> None:
    """The start counts; a broken file and one that needs a restart make it 0 and leave the time; the old file
    makes it 1 again."""
    good = ours.file.read_text()
    ours.daemon.reload.taken_at = 5.0
    assert standing(ours) == (1, 5.0)
    for bad in (good.replace("[ledger]", "[ledger"), good.replace('name = "alpha"', 'name = "omega"')):
        await ours.reload(bad)
        assert standing(ours) == (0, 5.0)
    await ours.reload(good)
    whole, taken_at = standing(ours)
    assert whole == 1
    assert taken_at is not None
    assert taken_at > 5.0


async def test_metrics_after_a_fault_of_ours(ours: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of the file may be in effect: it is not as a whole."""
    monkeypatch.setattr(ours.daemon.loop_set, "adopt", None)
    await ours.reload(ours.file.read_text())
    assert standing(ours)[0] == 0
