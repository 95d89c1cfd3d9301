"""The commands that `provd demo --keep` prints."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from provider_daemon.cli.demo import exploration
from provider_daemon.config.model import default_toml
from provider_daemon.demo.environment import Environment


def kept(tmp_path: Path, real: bool) -> Environment:
    config = tmp_path / "provd.toml"
    config.write_text(default_toml())
    parts: Any = SimpleNamespace(
        directory=tmp_path,
        config=config,
        url="http://127.0.0.1:8443",
        site=SimpleNamespace(real=real),
        market=SimpleNamespace(port=9090, devnet=SimpleNamespace(pid=104)),
        daemon=SimpleNamespace(pid=101),
        mover=SimpleNamespace(pid=102),
        gateway=SimpleNamespace(pid=103),
        agents=SimpleNamespace(pids=[105, 106]),
    )
    return cast(Environment, parts)


def test_every_process_is_stopped(tmp_path: Path) -> None:
    """The command that stops everything names each process that the demo leaves running."""
    (stop,) = [line for line in exploration(kept(tmp_path, True)).splitlines() if "kill " in line]
    assert set(stop.partition(";")[0].split()[1:]) == {"101", "102", "103", "104", "105", "106"}


def test_customers_can_submit(tmp_path: Path) -> None:
    """The text names a customer's key, and the address of the customers' page."""
    text = exploration(kept(tmp_path, False))
    assert f"PROVD_FROM={tmp_path}/customer-1.armor" in text
    assert "http://127.0.0.1:8443/" in text
    assert "kill" not in text
