"""Gathers the facts about the daemon's host."""

import os
import subprocess
import sys
from pathlib import Path

from provider_daemon.config.model import Config
from provider_daemon.config.secret_files import secret_files
from provider_daemon.doctor.facts import Host
from provider_daemon.doctor.finding import Unknown

UNIT = "provd.service"
PROPERTIES = "LoadState,ActiveState,UnitFileState,WatchdogUSec"


def gather(config: Config, config_file: Path) -> Host:
    secrets = [path for key in config.keys.values() for path in secret_files(key)]
    if config.data and config.data.recipient_key_file:
        secrets.append(config.data.recipient_key_file)
    return Host(
        python=sys.version_info[:3],
        config_modes={str(config_file): config_file.stat().st_mode},
        secret_modes={path: mode(path) for path in secrets},
        unit=_unit(),
        listens=_listens(config),
    )


def _listens(config: Config) -> dict[str, str]:
    found = {"metrics.listen": config.metrics.listen}
    if config.gateway:
        found["gateway.metrics_listen"] = config.gateway.metrics_listen
    if config.data:
        found["data.metrics_listen"] = config.data.metrics_listen
    if config.collector:
        found["collector.metrics_listen"] = config.collector.metrics_listen
    return found


def mode(path: str) -> int | Unknown:
    try:
        return os.stat(path).st_mode
    except OSError as error:
        return Unknown(str(error.strerror))


def _unit() -> dict[str, str] | Unknown:
    if not Path("/run/systemd/system").is_dir():
        return Unknown("this host does not run systemd")
    try:
        done = subprocess.run(
            ["systemctl", "show", UNIT, f"--property={PROPERTIES}"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Unknown(f"systemctl failed: {type(error).__name__}")
    return dict(line.partition("=")[::2] for line in done.stdout.splitlines())
