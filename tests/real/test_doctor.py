"""provd doctor beside the running daemon on a real site, intact and then with one fault after the other."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from provider_daemon.demo.environment import PASSPHRASE_FILE, Environment
from provider_daemon.demo.sites import RealSite
from provider_daemon.lab.site.site import Site

pytestmark = pytest.mark.real

# What this site of one machine cannot have (cgroups), what needs another release, inputs of this machine, and
# an audit, which takes a minute.
KNOWN = {"slurm-containment", "slurm-site-audit", "slurm-vulnerabilities", "data-allowed-hosts"}
SHARED = {
    f"users-{what}" for what in ("exist", "directories", "associations", "coordinator", "logins", "homes")
}
WITHOUT_AGENTS = {
    "data-agents",
    "data-collector",
    *(f"data-collector-{what}" for what in ("certificate", "path", "ready")),
}
WITHOUT_SYSTEMD = set() if Path("/run/systemd/system").is_dir() else {"host-systemd", "host-watchdog"}


async def doctor(config: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "provider_daemon",
        "doctor",
        "-o",
        "json",
        "-c",
        str(config),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    assert err == b"", err.decode()
    return process.returncode, json.loads(out)


def named(document: dict[str, Any], outcome: str) -> set[str]:
    return {row["name"] for row in document["checks"] if row["outcome"] == outcome}


async def test_sound_and_broken(stage: Environment) -> None:
    """On an intact site all checks succeed, in under 10 s.

    Each real fault fails its check, and the checks that depend on it are skipped.
    """
    code, sound = await doctor(stage.config)
    rows = {row["name"]: row for row in sound["checks"] if row["outcome"] not in ("ok", "skipped")}
    skipped = WITHOUT_SYSTEMD | WITHOUT_AGENTS | SHARED
    assert (code, named(sound, "fail"), named(sound, "skipped")) == (0, set(), skipped), rows
    assert named(sound, "warn") <= KNOWN, rows
    assert len(sound["checks"]) >= 25
    assert sound["seconds"] < 10
    assert isinstance(stage.site, RealSite)
    site = Site.existing(stage.directory / "slurm")
    for name, breaking in breakages(stage, site).items():
        with breaking():
            code, broken = await doctor(stage.config)
        assert (code, named(broken, "fail")) == (1, {name})
        assert named(broken, "warn") <= KNOWN
        assert {row["because"] for row in broken["checks"] if row["outcome"] == "skipped"} <= {name, ""}
        assert broken["seconds"] < 10
    assert (await doctor(stage.config))[0] == 0
    await asyncio.to_thread(stage.daemon.stop)
    code, alone = await doctor(stage.config)
    assert (code, named(alone, "fail"), named(alone, "warn") - KNOWN) == (0, set(), {"ledger-lock"})


def breakages(stage: Environment, site: Site) -> dict[str, Callable[[], Any]]:
    """Returns check -> a context that breaks what the check needs, and repairs it."""
    ssh, conf = site.layout.root / "ssh", site.layout.slurm_conf
    another_key = (ssh / "id_ed25519.pub").read_text()
    place = (ssh / "known_hosts").read_text().split()[0]
    return {
        "slurm-partitions-up": lambda: told(site, "scontrol update partition=gpu state={}", "down", "up"),
        "slurm-min-job-age": lambda: reconfigured(site, conf, "MinJobAge=2\n"),
        "slurm-account": lambda: text(
            stage.config, stage.config.read_text().replace('account = "provd"', 'account = "nobodys"')
        ),
        "slurm-qos": lambda: text(
            stage.config,
            stage.config.read_text().replace('account = "provd"', 'account = "provd"\nqos = "none"'),
        ),
        "slurm-launchers": lambda: text(
            stage.config, stage.config.read_text().replace('["/bin/sh", ', '["/bin/none", ')
        ),
        "slurm-work-root": lambda: mode(site.work_root, 0o555),
        "slurm-database": lambda: stopped(site, "slurmdbd"),
        "ssh-login": lambda: stopped(site, "sshd"),
        "ssh-key-file": lambda: mode(ssh / "id_ed25519", 0o644),
        "ssh-host-key": lambda: text(ssh / "known_hosts", f"{place} {another_key}"),
        "host-secret-files": lambda: mode(stage.directory / PASSPHRASE_FILE, 0o644),
        "host-config-file": lambda: mode(stage.config, 0o666),
        "chain-endpoints": lambda: text(
            stage.config, stage.config.read_text().replace(f"127.0.0.1:{stage.market.port}", "127.0.0.1:1")
        ),
    }


@contextmanager
def told(site: Site, command: str, broken: str, sound: str) -> Iterator[None]:
    site.run(*command.format(broken).split())
    try:
        yield
    finally:
        site.run(*command.format(sound).split())


@contextmanager
def mode(path: Path, bits: int) -> Iterator[None]:
    before = path.stat().st_mode & 0o7777
    os.chmod(path, bits)
    try:
        yield
    finally:
        os.chmod(path, before)


@contextmanager
def text(path: Path, broken: str) -> Iterator[None]:
    before = path.read_text()
    assert broken != before
    path.write_text(broken)
    try:
        yield
    finally:
        path.write_text(before)


@contextmanager
def reconfigured(site: Site, conf: Path, line: str) -> Iterator[None]:
    """Appends a line to slurm.conf, in which a later line takes effect."""
    with text(conf, conf.read_text() + line):
        site.run("scontrol", "reconfigure")
        yield
    site.run("scontrol", "reconfigure")


@contextmanager
def stopped(site: Site, daemon: str) -> Iterator[None]:
    site.stop(daemon)
    try:
        yield
    finally:
        site.start(daemon)
