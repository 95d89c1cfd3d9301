"""The file with the provider's recipient keys."""

import os
from pathlib import Path

import pytest

from provider_daemon.encryption import identity, identity_file
from provider_daemon.errors import ConfigError
from tests.unit.encryption.vectors import RECIPIENT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "recipient.key"
    identity_file.create(made, RECIPIENT)
    return made


def test_a_new_file(path: Path) -> None:
    """Only its owner can read it, and it is never written over."""
    assert path.stat().st_mode & 0o777 == 0o600
    assert identity_file.read(path).current == RECIPIENT
    with pytest.raises(ConfigError, match="File exists"):
        identity_file.create(path, identity.generate())
    assert identity_file.read(path).current == RECIPIENT


def test_another_current_key(path: Path) -> None:
    """It comes first, the old one stays, and so do the file's modes; nothing else is left behind."""
    new = identity.generate()
    assert identity_file.put_first(path, new).identities == (new, RECIPIENT)
    assert identity_file.read(path).identities == (new, RECIPIENT)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_draft_of_an_earlier_attempt(path: Path) -> None:
    """A kill before the file was replaced leaves a draft, which does not get in the way."""
    path.with_name(f"{path.name}.new").write_text("half")
    identity_file.put_first(path, identity.generate())
    assert len(identity_file.read(path).identities) == 2


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_file_that_others_can_read(path: Path, mode: int) -> None:
    """It is not used."""
    os.chmod(path, mode)
    with pytest.raises(ConfigError, match="readable by other users"):
        identity_file.read(path)


def test_damage_is_not_quoted(path: Path) -> None:
    """The error names the file, not its content."""
    path.write_text(RECIPIENT.secret_text[:-3] + "QQQ\n")
    with pytest.raises(ConfigError, match=str(path)) as refused:
        identity_file.read(path)
    assert RECIPIENT.secret_text[20:40] not in str(refused.value)
    with pytest.raises(ConfigError, match="No such file"):
        identity_file.read(path.with_name("none"))
