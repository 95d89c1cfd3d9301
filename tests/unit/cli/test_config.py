"""`provd config`: what a site starts from, checks and reads back."""

import json
import os
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from provider_daemon.cli.app import main
from provider_daemon.cli.config import app
from provider_daemon.config.model import default_toml, json_schema
from provider_daemon.errors import ConfigError
from tests.unit.config.test_model import BROKEN
from tests.unit.docs import DOCS


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
    assert "valid, 1 cluster(s)" in result.output


def test_mistakes_are_named_all_at_once(config: Path) -> None:
    """Two mistakes in two tables come as two problems, each with its line."""
    config.write_text(
        config.read_text()
        .replace('level = "info"', 'level = "loud"')
        .replace('key = "main"', 'key = "other"')
    )
    result = run("validate", "-c", config)
    assert isinstance(result.exception, ConfigError)
    assert [problem.split(": ")[1] for problem in result.exception.problems] == [
        "clusters[0].key",
        "log.level",
    ]


def test_the_file_is_named_as_it_was_given(config: Path) -> None:
    """An error can be found from where the command was typed."""
    config.write_text("odd = 1\n")
    result = run("validate", "-c", config)
    assert isinstance(result.exception, ConfigError)
    assert result.exception.problems[0].startswith(f"{config}:1: ")


def test_five_mistakes_are_five_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the shell sees it: a line each on standard error, with the line of the file, and exit code 2."""
    path = tmp_path / "provd.toml"
    path.write_text(BROKEN)
    monkeypatch.setattr(sys, "argv", ["provd", "config", "validate", "-c", str(path)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    assert [line.split(": ")[0] for line in said.err.splitlines()] == [
        f"{path}:{number}" for number in (4, 10, 25, 35, 38)
    ]


def test_show_prints_defaults_and_no_secret(config: Path) -> None:
    """The configuration in effect is one JSON document; keys appear by their place only."""
    shown = json.loads(run("show", "-c", config).output)
    assert shown["clusters"][0]["limits"]["max_gpus_per_node"] == 0
    assert shown["keys"] == {
        "main": {"kind": "credential", "name": "provd-key", "path": "", "passphrase_file": ""}
    }


def test_show_reads_no_key(config: Path, tmp_path: Path) -> None:
    """Neither a key nor its passphrase is opened, so neither can be shown: nobody needs the right to read
    them."""
    secret = tmp_path / "passphrase"
    os.mkfifo(secret)  # who opened it would wait for ever
    key = f'kind = "keyring"\nname = "main"\npath = "/nowhere"\npassphrase_file = "{secret}"'
    config.write_text(config.read_text().replace('kind = "credential"\nname = "provd-key"', key))
    for command in ("show", "validate"):
        result = run(command, "-c", config)
        assert result.exit_code == 0, result.output
    assert json.loads(run("show", "-c", config).output)["keys"]["main"]["passphrase_file"] == str(secret)


def test_the_published_schema_is_current() -> None:
    """docs/provd.schema.json is what `provd config schema` prints: provd config schema >
    docs/provd.schema.json"""
    assert (DOCS / "provd.schema.json").read_text() == run("schema").output == json_schema()


def test_the_schema_knows_every_table() -> None:
    """No key besides the known ones, in any table, and each key that has a limit says it."""
    schema = json.loads(json_schema())
    tables = [schema, *schema["$defs"].values()]
    assert all(table["additionalProperties"] is False for table in tables)
    assert schema["$defs"]["SshConfig"]["properties"]["port"] == {
        "default": 22,
        "maximum": 65535,
        "minimum": 1,
        "title": "Port",
        "type": "integer",
    }
    assert set(schema["required"]) == {"chain", "keys", "clusters"}
