"""Reads the small files in which Linux shows the state of a machine."""

import os
from dataclasses import dataclass

MAX_BYTES = 4 << 20  # /proc/cpuinfo of 512 processors has 1 MB


@dataclass(frozen=True, slots=True)
class Files:
    """Paths are below `root`, which is `/` outside of tests."""

    root: str = "/"

    def path(self, name: str) -> str:
        return os.path.join(self.root, name.lstrip("/"))

    def text(self, name: str, most: int = MAX_BYTES) -> str:
        """Returns the first `most` bytes of the file as text. Raises OSError."""
        with open(self.path(name), "rb") as file:
            return file.read(most).decode(errors="replace")

    def line(self, name: str, most: int = MAX_BYTES) -> str:
        """Returns the text without its last line break, or "" if the machine does not have the file."""
        try:
            return self.text(name, most).strip()
        except OSError:
            return ""

    def link_name(self, name: str) -> str:
        """Returns the last part of what a link points to, or "" if the machine does not have the link."""
        try:
            return os.path.basename(os.readlink(self.path(name)))
        except OSError:
            return ""

    def names(self, directory: str) -> tuple[str, ...]:
        """Returns the names in a directory, sorted; none if the machine does not have it."""
        try:
            return tuple(sorted(os.listdir(self.path(directory))))
        except OSError:
            return ()
