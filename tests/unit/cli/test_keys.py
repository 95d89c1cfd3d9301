"""`provd keys`: the armored file, the address on standard output, the mnemonic once and never in the file."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from provider_daemon.chain import hd, keys
from provider_daemon.chain.sign import LocalSigner
from provider_daemon.cli.keys import app
from provider_daemon.config.model import default_toml
from provider_daemon.errors import ConfigError
from tests.unit.audit_log.recorded import records
from tests.unit.chain.vectors import ADDRESS, FIXTURES, MNEMONIC, PASSPHRASE, SECRET


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


def test_nothing_to_ask(tmp_path: Path) -> None:
    """Where standard input has ended, as in a unit or a cron job, one line says what to give instead."""
    assert (
        str(run("add", tmp_path / "key.armor").exception)
        == "passphrase: no terminal to prompt on; use --passphrase-file"
    )


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
    """A passphrase file that others can read is refused before anything is written, and no mnemonic is
    shown."""
    passphrase.chmod(0o644)
    result = run("add", tmp_path / "key.armor", "--passphrase-file", passphrase)
    assert "chmod 600" in problem(result)
    assert "mnemonic" not in result.output
    assert not (tmp_path / "key.armor").exists()


# --- the keyring ---


def ring(tmp_path: Path, passphrase: Path) -> list[str | Path]:
    return ["--keyring-dir", tmp_path / "ring", "--passphrase-file", passphrase]


@pytest.fixture
def source_passphrase(tmp_path: Path) -> Path:
    """Of the files that Go's libraries made."""
    path = tmp_path / "source"
    keys.write_private(str(path), PASSPHRASE)
    return path


@pytest.mark.parametrize("source", ["mnemonic", "lines", "hex", "armor", "keyring"])
def test_import_into_the_keyring(
    tmp_path: Path, passphrase: Path, source_passphrase: Path, source: str
) -> None:
    """Each kind of source gives the same key; the entry is one that the SDK's `file` keyring and the daemon's
    kind `keyring` read."""
    texts = {
        "mnemonic": MNEMONIC,
        "lines": "\n".join(MNEMONIC.split()) + "\n",
        "hex": SECRET.hex(),
        "armor": (FIXTURES / "go.armor").read_text(),
        "keyring": (FIXTURES / "go.info").read_text(),
    }
    made = run(
        "import",
        "alice",
        *ring(tmp_path, passphrase),
        "--source-passphrase-file",
        source_passphrase,
        stdin=texts[source],
    )
    assert made.stdout == f"{ADDRESS}\n"
    folder = tmp_path / "ring/keyring-file"
    assert (
        keys.load("keyring", name="alice", path=str(folder), passphrase_file=str(passphrase)).address
        == ADDRESS
    )
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    for name in ("alice", ADDRESS):
        assert run("show", name, *ring(tmp_path, passphrase)).stdout == f"{ADDRESS}\n"


def test_import_from_a_file(tmp_path: Path, passphrase: Path, source_passphrase: Path) -> None:
    """An entry of an SDK keyring by its path; one that others can read is refused."""
    entry = tmp_path / "main.info"
    entry.write_bytes((FIXTURES / "go.info").read_bytes())
    words = [
        "import",
        "bob",
        *ring(tmp_path, passphrase),
        "--source",
        entry,
        "--source-passphrase-file",
        source_passphrase,
    ]
    entry.chmod(0o644)
    assert "readable by other users" in problem(run(*words))
    entry.chmod(0o600)
    assert run(*words).stdout == f"{ADDRESS}\n"


def test_list_export_delete(tmp_path: Path, passphrase: Path) -> None:
    """Two keys; one goes out in armor, comes back under another name, and is deleted."""
    options = ring(tmp_path, passphrase)
    assert run("list", *options).stdout == ""
    run("import", "bob", *options, stdin=SECRET.hex())
    other = run("add", "alice", *options).stdout.strip()
    assert run("list", *options).stdout == f"{'alice':<16} {other}\n{'bob':<16} {ADDRESS}\n"
    armored = run("export", "bob", *options, "--export-passphrase-file", passphrase).stdout
    assert armored.startswith("-----BEGIN TENDERMINT PRIVATE KEY-----")
    assert SECRET.hex() not in armored
    back = run("import", "carol", *options, "--source-passphrase-file", passphrase, stdin=armored)
    assert back.stdout == f"{ADDRESS}\n"
    assert run("delete", "bob", *options, stdin="n\n").exit_code == 1
    assert run("delete", "bob", *options, "-y").stdout == f"deleted {ADDRESS}\n"
    listed = json.loads(run("list", *options, "-o", "json").stdout)
    assert [(entry["name"], entry["type"]) for entry in listed] == [("alice", "local"), ("carol", "local")]


def test_what_another_passphrase_holds(tmp_path: Path, passphrase: Path) -> None:
    """An entry that the passphrase does not open is listed as such, and cannot be deleted with it."""
    options = ring(tmp_path, passphrase)
    run("add", "alice", *options)
    wrong = tmp_path / "wrong"
    keys.write_private(str(wrong), "something else")
    others = ring(tmp_path, wrong)
    assert run("list", *others).stdout == f"{'alice':<16} wrong passphrase\n"
    assert "wrong passphrase" in problem(run("delete", "alice", *others, "-y"))
    assert run("list", *options).stdout.startswith("alice ")


@pytest.mark.parametrize("name", ["..", "a b", "", "-x"])
def test_bad_names(tmp_path: Path, passphrase: Path, name: str) -> None:
    """No name leads out of the keyring."""
    assert "invalid key name" in problem(
        run("import", *ring(tmp_path, passphrase), "--", name, stdin=MNEMONIC)
    )


def test_an_empty_passphrase_file_is_told(tmp_path: Path) -> None:
    line = problem(run("add", "alice", "--keyring-dir", tmp_path, "--passphrase-file", tmp_path / "missing"))
    assert "No such file" in line


def test_beside_a_daemon(tmp_path: Path, passphrase: Path) -> None:
    """Its audit log records which keys were made, exported and deleted; a failed export is not recorded."""
    config, path, wrong = tmp_path / "provd.toml", tmp_path / "key.armor", tmp_path / "wrong"
    config.write_text(default_toml().replace("/var/lib/provd", str(tmp_path)))
    wrong.touch(0o600)
    wrong.write_text("another passphrase\n")
    common = ("-c", config, "--passphrase-file", passphrase)
    imported = run("import", path, *common, stdin=SECRET.hex())
    exported = run("export", path, *common, "--export-passphrase-file", passphrase)
    failed = run("export", path, "-c", config, "--passphrase-file", wrong)
    deleted = run("delete", path, "--yes", *common)
    assert [each.exit_code for each in (imported, exported, failed, deleted)] == [0, 0, 1, 0]
    made = run("add", path, *common).stdout.strip()
    assert [(action, thing) for _, action, _, thing in records(tmp_path / "audit")] == [
        ("key_imported", ADDRESS), ("key_exported", ADDRESS), ("key_deleted", ADDRESS), ("key_created", made),
    ]  # fmt: skip


def test_beside_the_daemon_of_others(tmp_path: Path, passphrase: Path) -> None:
    """A user who may not write the daemon's log, or read its configuration, is no operator."""
    config, path = tmp_path / "provd.toml", tmp_path / "key.armor"
    config.write_text(default_toml().replace("/var/lib/provd", str(tmp_path / "absent")))
    for each in (config, tmp_path / "missing.toml", tmp_path):
        assert run("add", path, "-c", each, "--passphrase-file", passphrase).exit_code == 0
        path.unlink()
    assert not (tmp_path / "absent").exists()
