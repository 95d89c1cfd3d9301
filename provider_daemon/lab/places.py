"""Where a site may lie for a while: not every $TMPDIR is a place that SLURM can live in."""

import os
import re
import tempfile
from pathlib import Path

from provider_daemon.errors import ProvdError

# of the parent; AF_UNIX paths end at 107 bytes, and SLURM's sockets lie some directories deeper
MAX_LENGTH = 40
_PLAIN = re.compile(r"/[A-Za-z0-9/_.-]*")


def temporary(prefix: str) -> Path:
    """A new directory in $TMPDIR, or in /tmp or /var/tmp where nothing can be run from there or SLURM cannot
    write its path."""
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        if not unfit(parent):
            return Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    raise NoPlace(f"{tempfile.gettempdir()} {unfit(tempfile.gettempdir())}: set TMPDIR to another directory")


class NoPlace(ProvdError):
    """No directory of this machine that is meant for it can hold a site."""


def plain(path: str) -> bool:
    """Whether SLURM's configuration, sshd's and provd's can name it."""
    return _PLAIN.fullmatch(path) is not None


def unfit(parent: str) -> str:
    """Why no site can lie in the directory; empty when it can."""
    if not plain(parent):
        return "has characters in its path that SLURM's configuration cannot have"
    if len(parent) > MAX_LENGTH:
        return "is too long a path for SLURM's sockets"
    if not os.access(parent, os.W_OK | os.X_OK):
        return "cannot be written to"
    return "is mounted noexec, and jobs are programs" if os.statvfs(parent).f_flag & os.ST_NOEXEC else ""
