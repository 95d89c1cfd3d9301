"""Files of a node agent: written as a whole, synced, and for nobody else to read."""

import os
from contextlib import suppress
from pathlib import Path

from provider_daemon.errors import ConfigError

MODE = 0o600


def write(path: Path, data: bytes) -> None:
    """Replaces the file. After a crash it has either the old content or the new one. Raises OSError."""
    draft = path.with_name(f".{path.name}.new")
    with suppress(FileNotFoundError):
        draft.unlink()
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    draft.rename(path)
    sync_directory(path.parent)


def read_private(path: Path) -> bytes:
    """Returns the content of a file that only its owner can read.

    Raises FileNotFoundError, and ConfigError for a file that others can read or that cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}; it must belong to the agent's user"]) from None
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if found.st_mode & 0o077 or found.st_uid not in (0, os.geteuid()):
            raise ConfigError([f"{path}: only the agent's user may own and read it: chown, chmod 600"])
        return file.read()


def sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
