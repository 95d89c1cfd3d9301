"""`provd` as it is typed: it explains itself at once, and its exit codes can be relied on."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from provider_daemon.cli.app import app
from provider_daemon.cli.sections import SECTIONS
from provider_daemon.config.model import default_toml

HEAVY = {
    "asyncssh",
    "grpc",
    "aiohttp",
    "pydantic",
    "google.protobuf",
    "cryptography",
    "structlog",
    "prometheus_client",
    "asyncio",
    "rich",
}


def provd(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-X",
        "importtime",
        "-m",
        "provider_daemon",
        *(str(argument) for argument in arguments),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def said(result: subprocess.CompletedProcess[str]) -> list[str]:
    """Standard error without the interpreter's own table."""
    return [line for line in result.stderr.splitlines() if not line.startswith("import time:")]


def parameters(command: Any, *words: str) -> Iterator[tuple[str, Any]]:
    yield from ((" ".join([*words, parameter.name]), parameter) for parameter in command.params)
    for name, inner in getattr(command, "commands", {}).items():
        yield from parameters(inner, *words, name)


def groups(command: Any, *words: str) -> Iterator[list[str]]:
    if hasattr(command, "commands"):
        yield list(words)
        for name, inner in command.commands.items():
            yield from groups(inner, *words, name)


def test_help_imports_no_library_but_typer() -> None:
    """`provd --help` answers before anything that a command needs is imported."""
    result = provd("--help")
    imported = {
        line.rpartition("|")[2].strip()
        for line in result.stderr.splitlines()
        if line.startswith("import time:")
    }
    assert result.returncode == 0
    assert "typer" in imported
    assert imported & HEAVY == set()


def test_every_command_stands_in_one_section() -> None:
    """`provd` lists its commands by what they are for."""
    named = [name for names in SECTIONS.values() for name in names]
    assert sorted(named) == sorted(get_command(app).commands)  # type: ignore[attr-defined]
    listed = re.findall(r"^  ([a-z]+) +[A-Z]", provd("--help").stdout, re.MULTILINE)
    assert listed == named


@pytest.mark.parametrize(
    "words", [pytest.param(words, id=" ".join(words)) for words in groups(get_command(app))]
)
def test_list_of_commands_is_whole_sentences(words: list[str]) -> None:
    """On a terminal of 80 columns each command is described on its one line without being cut off."""
    shown = CliRunner().invoke(app, [*words, "--help"], terminal_width=80).stdout
    assert "..." not in shown.replace("[ARGS]...", "")
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize(
    ("name", "parameter"), [pytest.param(*each, id=each[0]) for each in parameters(get_command(app))]
)
def test_every_option_and_argument_has_help(name: str, parameter: Any) -> None:
    """What can be typed is explained where it can be typed; a value is named by what it is, FILE or SECONDS,
    not by a type of Python's."""
    assert getattr(parameter, "help", None), f"{name} has no help"
    assert getattr(parameter, "is_flag", False) or re.fullmatch(
        r"[A-Z=:|]+|[a-z|]+(\|N)?", parameter.metavar or ""
    ), name


def test_exit_codes_of_validate(tmp_path: Path) -> None:
    """0 and a line on standard output for a good file, 2 and a line for each mistake on standard error for a
    broken one."""
    path = tmp_path / "provd.toml"
    path.write_text(default_toml())
    good = provd("config", "validate", "-c", path)
    assert (good.returncode, said(good)) == (0, [])
    assert "valid, 1 cluster(s)" in good.stdout
    path.write_text(
        default_toml()
        .replace('host = "login.example.org"\nport = 22', "port = 0")
        .replace('"info"', '"loud"')
    )
    broken = provd("config", "validate", "-c", path)
    assert (broken.returncode, broken.stdout) == (2, "")
    assert [line.split(": ")[1] for line in said(broken)] == [
        "clusters[0].ssh.host",
        "clusters[0].ssh.port",
        "log.level",
    ]


def test_missing_ledger_is_one_line(tmp_path: Path) -> None:
    """What cannot be done ends with exit code 1 and one line, without a traceback."""
    path = tmp_path / "provd.toml"
    path.write_text(default_toml().replace("/var/lib/provd", str(tmp_path)))
    result = provd("jobs", "-c", path)
    assert result.returncode == 1
    assert said(result) == [
        (f"provd: no ledger at {tmp_path}/ledger.sqlite: the daemon has not run yet, or ledger.path is wrong")
    ]


def test_grpc_has_no_words_of_its_own(tmp_path: Path) -> None:
    """Its C core would write to standard error, beside the one line and between the daemon's JSON."""
    result = provd("devnet", "start", "--listen", "no address", "--home", tmp_path)
    assert result.returncode == 2
    assert said(result) == [
        "cannot listen on no address: the port is in use, or the address is not one of this machine"
    ]
