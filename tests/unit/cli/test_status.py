"""`provd status` and `provd jobs`: the page's contents on a terminal, with and without the daemon."""

import contextlib
import json
import os
import pty
import sys
import termios
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from provider_daemon.cli import status
from provider_daemon.cli.app import app
from provider_daemon.config.model import default_toml
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.status import client
from provider_daemon.status.overview import DaemonStatus
from tests.unit.metrics.parts import fill
from tests.unit.status.test_sections import DAEMON

WELL = DaemonStatus("9.9", DAEMON.parts[:1], (), (), ())


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Held open with the daemon's lock, as a running provd does."""
    opened = Ledger.open(tmp_path / "ledger.sqlite")
    fill(opened)
    yield opened
    opened.close()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[DaemonStatus | None]:
    """What the daemon says, the last one for ever."""
    said: list[DaemonStatus | None] = [None]
    monkeypatch.setattr(client, "ask", lambda _, __: said[-1])
    return said


def run(directory: Path, *arguments: str) -> Result:
    config = directory / "provd.toml"
    config.write_text(default_toml().replace("/var/lib/provd/", f"{directory}/"))
    return CliRunner().invoke(app, [*arguments, "-c", str(config)])


@pytest.mark.usefixtures("ledger")
def test_while_the_daemon_is_down(tmp_path: Path, answers: list[DaemonStatus | None]) -> None:
    """The ledger's part, that the daemon does not answer, and an exit code for scripts."""
    result = run(tmp_path, "status")
    assert result.exit_code == 3
    assert result.output.startswith(
        "provd does not answer at 127.0.0.1:9464, showing the ledger only; 2 parked on HPC-1"
    )
    assert "  JOB-5  parked (unknown_state): NEW" in result.output
    assert "\nParts\n" not in result.output
    assert result.output.replace("\n", "").isprintable()


@pytest.mark.usefixtures("ledger")
def test_beside_the_daemon(tmp_path: Path, answers: list[DaemonStatus | None]) -> None:
    """Its parts too; exit 0 only when it is ready."""
    answers.append(DAEMON)
    result = run(tmp_path, "status")
    assert (result.exit_code, "  advance:alpha  no endpoint answers" in result.output) == (3, True)
    answers.append(WELL)
    assert run(tmp_path, "status").exit_code == 0


@pytest.mark.usefixtures("ledger")
def test_as_json(tmp_path: Path, answers: list[DaemonStatus | None]) -> None:
    """The overview, field by field."""
    answers.append(WELL)
    document = json.loads(run(tmp_path, "status", "-o", "json").output)
    assert document["total"] == 6
    assert document["daemon"]["parts"] == [asdict(WELL.parts[0])]
    assert [job["job_id"] for job in document["parked"]] == ["JOB-5", "JOB-4"]


@pytest.mark.usefixtures("ledger")
def test_jobs_are_chosen(tmp_path: Path) -> None:
    """By what they are, or by an id; the newest last."""

    def ids(*options: str) -> list[str]:
        return [line.split()[0] for line in run(tmp_path, "jobs", *options).output.splitlines()[1:]]

    assert ids("--show", "parked") == ["JOB-4", "JOB-5"]
    assert ids("--show", "open", "--count", "2") == ["JOB-4", "JOB-5"]
    assert ids("--match", "3") == ["JOB-3"]
    assert run(tmp_path, "jobs", "--show", "secrets").exit_code == 2
    assert [
        job["job_id"] for job in json.loads(run(tmp_path, "jobs", "-o", "json", "--count", "1").output)
    ] == ["JOB-6"]


@pytest.mark.usefixtures("ledger")
def test_top_without_a_terminal(tmp_path: Path, answers: list[DaemonStatus | None]) -> None:
    """One picture, without codes that move the cursor, and an end."""
    result = run(tmp_path, "top")
    assert result.exit_code == 0
    assert result.output.count("provd does not answer") == 1
    assert "JOB-4  parked   queued   pending   -" in result.output
    assert "\x1b" not in result.output


@pytest.mark.parametrize("key", ["xq", "\x03"], ids=["q", "ctrl-c"])
def test_top_on_a_terminal(ledger: Ledger, tmp_path: Path, key: str) -> None:
    """It updates until q or Ctrl-C, ignores other keys, and leaves the terminal as it was."""
    config = tmp_path / "provd.toml"
    config.write_text(default_toml().replace("/var/lib/provd/", f"{tmp_path}/").replace("9464", "1"))
    pid, terminal = pty.fork()
    if pid == 0:
        words = ["-m", "provider_daemon", "top", "-c", str(config), "--seconds", "0.5"]
        os.execve(sys.executable, [sys.executable, *words], {**os.environ, "TERM": "xterm"})
    before, seen = termios.tcgetattr(terminal), b""
    while seen.count(b"provd does not answer") < 2:
        seen += os.read(terminal, 65536)
    os.write(terminal, key.encode())
    with contextlib.suppress(OSError):  # the end of a terminal is an error to its reader
        while os.read(terminal, 65536):
            pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert termios.tcgetattr(terminal) == before
    os.close(terminal)


def test_top_shows_no_markup_of_a_customer(ledger: Ledger, answers: list[DaemonStatus | None]) -> None:
    """A square bracket is a square bracket, an escape no escape."""
    with ledger.write():
        ledger.quarantine("JOB-10", "[bold red]stolen[/] \x1b[2J", 2.0)
    console = Console(width=200, force_terminal=False)
    with console.capture() as captured:
        console.print(status.screen(ledger, "127.0.0.1:9464"))
    assert "[bold red]stolen[/] \\x1b[2J" in captured.get()
    assert "\x1b" not in captured.get()
