"""`provd` as it is typed: it explains itself at once, and its exit codes can be relied on."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from provider_daemon.cli.app import app
from provider_daemon.config import default_toml

HEAVY = {"asyncssh", "grpc", "aiohttp", "pydantic", "google.protobuf", "cryptography", "structlog", "prometheus_client", "asyncio", "rich"}


def provd(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "importtime", "-m", "provider_daemon", *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def said(result: subprocess.CompletedProcess[str]) -> list[str]:
    """Standard error without the interpreter's own table."""
    return [line for line in result.stderr.splitlines() if not line.startswith("import time:")]


def parameters(command: Any, *words: str) -> Iterator[tuple[str, Any]]:
    yield from ((" ".join([*words, parameter.name]), parameter) for parameter in command.params)
    for name, inner in getattr(command, "commands", {}).items():
        yield from parameters(inner, *words, name)


def test_help_imports_no_library_but_typer() -> None:
    """`provd --help` answers before anything that a command needs is imported."""
    result = provd("--help")
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines() if line.startswith("import time:")}
    assert result.returncode == 0
    assert "typer" in imported
    assert imported & HEAVY == set()


def test_list_of_commands_is_whole_sentences() -> None:
    """Each command is described on its one line without being cut off."""
    commands = provd("--help").stdout.partition("Commands:")[2]
    assert len(commands.split("\n")) > 9
    assert "..." not in commands


@pytest.mark.parametrize(("name", "parameter"), [pytest.param(*each, id=each[0]) for each in parameters(get_command(app))])
def test_every_option_and_argument_has_help(name: str, parameter: Any) -> None:
    """What can be typed is explained where it can be typed."""
    assert getattr(parameter, "help", None), f"{name} has no help"


def test_exit_codes_of_validate(tmp_path: Path) -> None:
    """0 and a line on standard output for a good file, 2 and a line for each mistake on standard error for a broken one."""
    path = tmp_path / "provd.toml"
    path.write_text(default_toml())
    good = provd("config", "validate", "-c", path)
    assert (good.returncode, said(good)) == (0, [])
    assert "no mistakes found" in good.stdout
    path.write_text(default_toml().replace('host = "login.example.org"', "port = 0").replace('"info"', '"loud"'))
    broken = provd("config", "validate", "-c", path)
    assert (broken.returncode, broken.stdout) == (2, "")
    assert [line.split(": ")[1] for line in said(broken)] == ["clusters[0].ssh.host", "clusters[0].ssh.port", "log.level"]


def test_missing_ledger_is_one_line(tmp_path: Path) -> None:
    """What cannot be done ends with exit code 1 and one line, without a traceback."""
    path = tmp_path / "provd.toml"
    path.write_text(default_toml().replace("/var/lib/provd", str(tmp_path)))
    result = provd("jobs", "-c", path)
    assert result.returncode == 1
    assert said(result) == [f"provd: no ledger at {tmp_path}/ledger.sqlite: has the daemon run yet?"]
