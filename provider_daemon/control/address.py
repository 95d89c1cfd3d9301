"""Addresses of Unix sockets."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST = 107  # bytes in an address


@contextmanager
def address(path: Path) -> Iterator[str]:
    """Yields an address of that socket. A longer path is shortened through an open directory.

    Raises OSError if the directory cannot be opened.
    """
    if len(os.fsencode(path)) <= LONGEST:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
