"""`provd` itself: answers at once, and every mistake ends in a line, never in a traceback."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from provider_daemon import __version__
from provider_daemon.cli import app as cli
from provider_daemon.errors import ConfigError, LedgerError, ProvdError

HEAVY = ("asyncssh", "grpc", "aiohttp", "pydantic", "structlog", "sqlite3", "cryptography", "rich")


def commands(group: Any, *words: str) -> Iterator[tuple[str, ...]]:
    """The words of every command, groups included."""
    yield words
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, *words, name)


ALL = list(commands(get_command(cli.app)))


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_has_help(words: tuple[str, ...]) -> None:
    """--help works everywhere, and its first lines say in a sentence what the command is for."""
    result = CliRunner().invoke(cli.app, [*words, "--help"])
    assert result.exit_code == 0
    lines = [line.strip() for line in result.output.splitlines() if line.strip()]
    assert lines[0].startswith("Usage:")
    assert len(lines[1].split()) >= 3


def test_help_imports_nothing_heavy() -> None:
    """Start-up stays short: what a command needs is imported when it runs."""
    code = f"import provider_daemon.cli.app, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


@pytest.mark.parametrize(
    ("shell", "begins"), [("bash", "complete "), ("zsh", "#compdef provd"), ("fish", "complete ")]
)
def test_completion_is_printed(shell: str, begins: str) -> None:
    """What a package installs for the shell names provd."""
    lines = completing(f"source_{shell}").splitlines()
    assert any(line.startswith(begins) and "provd" in line for line in lines)


def test_bash_completes_commands() -> None:
    """As the printed function asks it."""
    assert completing("complete_bash", COMP_WORDS="provd config va", COMP_CWORD="2").split() == ["validate"]


def completing(instruction: str, **asked: str) -> str:
    environment = {**os.environ, **asked, "_PROVD_COMPLETE": instruction}
    command = [
        sys.executable,
        "-c",
        "import sys; sys.argv[0] = 'provd'; from provider_daemon.cli.app import app; app()",
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


def test_version() -> None:
    """--version prints one line and needs no command."""
    result = CliRunner().invoke(cli.app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"provd {__version__}\n")


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (ConfigError(["provd.toml:3: chain.id: missing", "provd.toml:9: log.level: odd"]), 2, 2),
        (LedgerError("another provd holds the ledger"), 1, 1),
        (ProvdError("no"), 1, 1),
        (ProvdError("UNKNOWN: \x1b]0;mine\x07\x1b[2J said a node\nprovd: all is well\u2028"), 1, 1),
        (ConfigError(["--node: \x1b[2J\r\nx"]), 2, 1),
    ],
)
def test_mistakes_end_in_lines(
    error: ProvdError,
    code: int,
    lines: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A configuration's mistakes come one a line with exit code 2, everything else as one line with exit code
    1; nothing moves a cursor."""

    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    printed = capsys.readouterr()
    assert stopped.value.code == code
    assert printed.out == ""
    assert len(printed.err.splitlines()) == lines
    assert all(line.isprintable() for line in printed.err.splitlines())
