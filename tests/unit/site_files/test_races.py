"""A name that is replaced exactly between two steps of the remote program, by every kind of file."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provider_daemon.site_files.remote import batch, beneath, writing
from provider_daemon.site_files.remote.beneath import Failure

ASKED = {"path": "a", "exclude": [], "offset": 0, "size": None, "sha256": None, "mode": 0o444}


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    made = tmp_path / "secret"
    made.write_bytes(b"secret")
    return made


REPLACEMENTS: dict[str, Callable[[Path, Path], object]] = {
    "fifo": lambda name, _: os.mkfifo(name),
    "symbolic link": lambda name, secret: name.symlink_to(secret),
    "hard link": lambda name, secret: os.link(secret, name),
    "directory": lambda name, _: name.mkdir(),
    "nothing": lambda _, __: None,
}


@pytest.mark.parametrize("kind", REPLACEMENTS)
def test_after_the_check(root: Path, secret: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """What replaces a checked file is not opened, or is checked again; the open does not block."""
    (root / "a").write_bytes(b"own")
    look = beneath.lstat

    def swap(handle: int, name: bytes) -> os.stat_result:
        status = look(handle, name)
        (root / "a").unlink()
        REPLACEMENTS[kind](root / "a", secret)
        return status

    monkeypatch.setattr(beneath, "lstat", swap)
    handle = os.open(root, os.O_RDONLY)
    with pytest.raises((Failure, OSError)):
        beneath.open_file(handle, b"a", links=False)
    os.close(handle)


def once(monkeypatch: pytest.MonkeyPatch, name: str, work: Callable[[], object], *, before: bool) -> None:
    """Does `work` before or after the first call of a function of os."""
    real = getattr(os, name)
    waiting = [work]

    def call(*arguments: Any, **options: Any) -> Any:
        if before and waiting:
            waiting.pop()()
        try:
            return real(*arguments, **options)
        finally:
            if waiting:
                waiting.pop()()

    monkeypatch.setattr(os, name, call)


class Silent:
    """A client that only waits."""

    def working(self) -> None:
        return


def test_partial_file_that_appears(root: Path, secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that a job puts in the place of a new partial file is not written through."""
    place = root / os.fsdecode(writing.partial_name(b"a"))
    once(monkeypatch, "unlink", lambda: os.link(secret, place), before=False)

    class Wire(Silent):
        def content(self) -> bytes:
            raise AssertionError("content was read")

        def error(self, kind: str, reason: str) -> None:
            raise Failure(kind, reason)

    with pytest.raises(Failure, match="exists"):
        writing.write(Wire(), {"root": str(root), **ASKED})  # type: ignore[arg-type] # only what is called
    assert secret.read_bytes() == b"secret"


def test_source_of_a_link(root: Path, secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that is replaced after its check is not linked."""
    (root / "a").write_bytes(b"own")
    once(monkeypatch, "link", lambda: os.replace(secret, root / "a"), before=True)
    asked = {"root": str(root), "path": "", "target": "", "links": [["a", "b"]]}
    with pytest.raises(Failure, match="replaced"):
        batch.link(Silent(), asked)  # type: ignore[arg-type] # only what is called
    assert not (root / "b").exists()


def test_directory_that_is_removed(root: Path, secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that becomes a link while it is opened up keeps the mode of the link's target."""
    (root / "a").mkdir()
    secret.chmod(0o640)

    def swap() -> None:
        (root / "a").rmdir()
        (root / "a").symlink_to(secret)

    once(monkeypatch, "unlink", swap, before=False)
    with pytest.raises((Failure, OSError)):
        writing.remove(None, {"root": str(root), **ASKED})  # type: ignore[arg-type] # it is not used
    assert secret.stat().st_mode & 0o777 == 0o640
