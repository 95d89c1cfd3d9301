"""`provd keys`: the armored file, the address on standard output, the mnemonic once and never in the file."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from provider_daemon.chain import hd, keys
from provider_daemon.chain.sign import LocalSigner
from provider_daemon.cli.keys import app
from provider_daemon.errors import ConfigError
from tests.unit.chain.vectors import ADDRESS, MNEMONIC, PASSPHRASE, SECRET


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.touch(0o600)
    path.write_text(PASSPHRASE + "\n")
    return path


def run(*arguments: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def problem(result: Result) -> str:
    """The one line that `provd` prints; asserts that it quotes no secret."""
    assert isinstance(result.exception, ConfigError)
    (line,) = result.exception.problems
    assert not any(secret in line + result.output for secret in (SECRET.hex()[:12], "abandon", PASSPHRASE))
    return line


@pytest.mark.parametrize("text", [MNEMONIC + "\n", SECRET.hex() + "\n"], ids=["mnemonic", "hex"])
def test_import_and_show(tmp_path: Path, passphrase: Path, text: str) -> None:
    """What is imported is the key that `provd run` loads and `show` names."""
    path = tmp_path / "key.armor"
    assert run("import", path, "--passphrase-file", passphrase, stdin=text).stdout == f"{ADDRESS}\n"
    assert run("show", path, "--passphrase-file", passphrase).stdout == f"{ADDRESS}\n"
    assert keys.load("armor", path=str(path), passphrase_file=str(passphrase)).address == ADDRESS
    assert path.stat().st_mode & 0o777 == 0o600


def test_add(tmp_path: Path, passphrase: Path) -> None:
    """The address goes to standard output; the mnemonic, once, to standard error, and it is the key's."""
    path = tmp_path / "key.armor"
    result = run("add", path, "--passphrase-file", passphrase)
    words = result.stderr.removeprefix("mnemonic (shown once): ")
    assert len(words.split()) == 24
    assert result.stdout == f"{LocalSigner(hd.secret_of(words)).address}\n"
    assert words.split()[0] not in path.read_text()


def test_prompt(tmp_path: Path) -> None:
    """Without a passphrase file the passphrase is asked for, twice when a key is made, and never echoed."""
    path = tmp_path / "key.armor"
    made = run("add", path, stdin=f"{PASSPHRASE}\n{PASSPHRASE}\n")
    shown = run("show", path, stdin=f"{PASSPHRASE}\n")
    assert made.stdout.splitlines()[-1] == shown.stdout.splitlines()[-1]
    assert PASSPHRASE not in made.output + shown.output


def test_never_over_an_old_key(tmp_path: Path, passphrase: Path) -> None:
    """A second key under the same name is refused and the first one stays."""
    path = tmp_path / "key.armor"
    run("add", path, "--passphrase-file", passphrase)
    before = path.read_text()
    result = run("import", path, "--passphrase-file", passphrase, stdin=MNEMONIC)
    assert "File exists" in problem(result)
    assert path.read_text() == before


@pytest.mark.parametrize(
    "text",
    ["", SECRET.hex()[:-1], MNEMONIC.replace("about", "abandon"), f"{MNEMONIC} {SECRET.hex()}"],
    ids=["empty", "short", "checksum", "both"],
)
def test_bad_input(tmp_path: Path, passphrase: Path, text: str) -> None:
    """What is no key is refused without being quoted, and no file is left."""
    problem(run("import", tmp_path / "key.armor", "--passphrase-file", passphrase, stdin=text))
    assert not (tmp_path / "key.armor").exists()


def test_passphrase_file_of_others(tmp_path: Path, passphrase: Path) -> None:
    """A passphrase file that others can read is refused before anything is written, and no mnemonic is shown."""
    passphrase.chmod(0o644)
    result = run("add", tmp_path / "key.armor", "--passphrase-file", passphrase)
    assert "chmod 600" in problem(result)
    assert "mnemonic" not in result.output
    assert not (tmp_path / "key.armor").exists()
