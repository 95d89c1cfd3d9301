"""Where a temporary site can be created: SLURM does not work in every $TMPDIR."""

import os
import re
import tempfile
from pathlib import Path

from provider_daemon.errors import ProvdError

# of the parent; AF_UNIX paths end at 107 bytes, and SLURM's sockets are some directories deeper
MAX_LENGTH = 40
_PLAIN = re.compile(r"/[A-Za-z0-9/_.-]*")


def temporary(prefix: str) -> Path:
    """Creates a new directory in $TMPDIR, else in /tmp or /var/tmp.

    A parent is skipped if programs cannot run from it or SLURM's configuration cannot contain its path.
    """
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        if not unfit(parent):
            return Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    raise NoPlace(f"{tempfile.gettempdir()} {unfit(tempfile.gettempdir())}: set TMPDIR to another directory")


class NoPlace(ProvdError):
    """None of the possible directories of this machine can hold a site."""


def plain(path: str) -> bool:
    """Reports whether the configuration files of SLURM, sshd and provd can contain the path."""
    return _PLAIN.fullmatch(path) is not None


def unfit(parent: str) -> str:
    """Returns why the directory cannot hold a site, or ""."""
    if not plain(parent):
        return "has characters in its path that SLURM's configuration cannot have"
    if len(parent) > MAX_LENGTH:
        return "is too long a path for SLURM's sockets"
    if not os.access(parent, os.W_OK | os.X_OK):
        return "cannot be written to"
    return "is mounted noexec, and jobs are programs" if os.statvfs(parent).f_flag & os.ST_NOEXEC else ""
