"""`provd config`: what a site starts from, checks and reads back."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from provider_daemon.cli.config import app
from provider_daemon.config import default_toml
from provider_daemon.errors import ConfigError


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "provd.toml"
    path.write_text(run("print-default").output)
    return path


def test_the_default_is_valid(config: Path) -> None:
    """What print-default writes is what validate takes."""
    assert config.read_text() == default_toml()
    result = run("validate", "-c", config)
    assert result.exit_code == 0
    assert "no mistakes found" in result.output


def test_mistakes_are_named_all_at_once(config: Path) -> None:
    """Two mistakes in two tables come as two problems, each with its line."""
    config.write_text(config.read_text().replace('level = "info"', 'level = "loud"').replace('key = "main"', 'key = "other"'))
    result = run("validate", "-c", config)
    assert isinstance(result.exception, ConfigError)
    assert [problem.split(": ")[1] for problem in result.exception.problems] == ["clusters[0].key", "log.level"]


def test_show_prints_defaults_and_no_secret(config: Path) -> None:
    """The configuration in effect is one JSON document; keys appear by their place only."""
    shown = json.loads(run("show", "-c", config).output)
    assert shown["clusters"][0]["limits"]["max_gpus_per_node"] == 0
    assert shown["keys"] == {"main": {"kind": "credential", "name": "provd-key", "path": "", "passphrase_file": ""}}
