"""The agent as a process: what it loads, how it starts and ends, and how it writes its log."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from provider_daemon import __version__
from provider_daemon.agent import app
from provider_daemon.agent.journal import Journal
from provider_daemon.errors import ConfigError
from tests.unit.agent.far_end import HOST, collector, token
from tests.unit.agent.place import Place
from tests.unit.sources.far_end import authority

HEAVY = ("aiohttp", "asyncio", "grpc", "importlib.metadata", "pydantic", "structlog", "typer")
MOST_BYTES = 40_000_000


def test_nothing_heavy_is_imported() -> None:
    """Each of them would cost the node's jobs more memory than the agent may use."""
    code = "import sys, provider_daemon.agent.app; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(HEAVY) & set(ran.stdout.split())


def test_the_process_registers_reports_and_ends(tmp_path: Path) -> None:
    """`provd agent` becomes a small process, which tells systemd what it does, and ends at SIGTERM."""
    files = authority(tmp_path, "127.0.0.1")
    place, now = Place(tmp_path), int(time.time())
    with collector(files.chain) as far, _notified(tmp_path / "notify") as receiver:
        place.write_token(token(far.url, issued_at=now - 10, expires_at=now + 600))
        command = _command(place, f'ca_file = "{files.ca}"\n')
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            states = [receiver.recv(1000).decode() for _ in range(2)]
            resident = 1024 * int(_status(process.pid, "VmRSS"))
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=20)
        while states[-1] != "STOPPING=1":
            states.append(receiver.recv(1000).decode())
    assert not far.errors
    assert (process.returncode, far.heartbeats[0].agent_version) == (0, __version__)
    assert states[0] == "READY=1"
    assert states[1].startswith("STATUS=last heartbeat accepted")
    assert [json.loads(line)["event"] for line in log.splitlines()] == [
        "agent_started",
        "node_registered",
        "first_heartbeat_accepted",
    ]
    assert resident < MOST_BYTES


def test_a_second_agent_does_not_start(tmp_path: Path) -> None:
    """It would use the same numbers."""
    place = Place(tmp_path)
    held = app.lock(place.state)
    with pytest.raises(ConfigError, match="another agent uses it"):
        app.lock(place.state)
    os.close(held)
    os.close(app.lock(place.state))


def test_problems_are_plain_lines_before_anything_starts(tmp_path: Path) -> None:
    """Exit status 2, each with the file and the key."""
    place = Place(tmp_path)
    ran = subprocess.run(
        _command(place, "rack = 7\nrow = 7\n"), capture_output=True, text=True, check=False, timeout=20
    )
    assert ran.returncode == 2
    file = tmp_path / "agent.toml"
    assert ran.stderr.splitlines() == [
        f"{file}: {key}: must be a text of one line" for key in ("rack", "row")
    ]


def test_no_value_forges_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """One line each, escaped and of limited length."""
    Journal().error("event", why='x\n{"event": "other"}\x1b[2K\u2028', long="y" * 5000)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isascii()
    assert (json.loads(line)["event"], len(json.loads(line)["long"])) == ("event", 1000)


def test_the_journal_gets_priorities(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that `journalctl -p err` shows errors."""
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    Journal().error("event")
    assert capsys.readouterr().err.startswith("<3>{")


def _command(place: Place, more: str) -> list[str]:
    file = place.directory / "agent.toml"
    file.write_text(
        f'state_directory = "{place.state}"\ntoken_file = "{place.token}"\nhostname = "{HOST}"\n{more}'
    )
    return [str(Path(sys.executable).with_name("provd")), "agent", "--config", str(file)]


def _notified(path: Path) -> socket.socket:
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(str(path))
    receiver.settimeout(20)
    return receiver


def _status(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))
