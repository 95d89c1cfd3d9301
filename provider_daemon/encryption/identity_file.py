"""The file with a provider's recipient keys: an age identity file that only its owner can read."""

import os
from pathlib import Path

from provider_daemon.chain import keys
from provider_daemon.encryption import identity
from provider_daemon.encryption.identity import Identity, Keyring


def read(path: Path) -> Keyring:
    """Raises ConfigError, which does not quote the file, also if others can read it."""
    with keys.mending(f"recipient key {path}"):
        return identity.parse(keys.read_private(str(path)))


def create(path: Path, first: Identity) -> None:
    """Writes a new file, mode 0600. Raises ConfigError if there is one already."""
    with keys.mending(f"recipient key {path}"):
        keys.write_private(str(path), identity.render([first]))


def put_first(path: Path, new: Identity) -> Keyring:
    """Adds a key as the current one and returns all keys. The older ones still decrypt.

    The file is replaced in one step. Raises ConfigError.
    """
    found = Keyring((new, *read(path).identities))
    draft = path.with_name(f"{path.name}.new")
    with keys.mending(f"recipient key {path}"):
        draft.unlink(missing_ok=True)
        keys.write_private(str(draft), identity.render(found.identities))
        _keep_owner(path, draft)
        _sync(draft)
        draft.replace(path)
        _sync(path.parent)
    return found


def _keep_owner(path: Path, draft: Path) -> None:
    """Gives the new file the old one's owner, if root replaces the mover's file."""
    status = path.stat()
    if (status.st_uid, status.st_gid) != (os.getuid(), os.getgid()):
        os.chown(draft, status.st_uid, status.st_gid)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
