"""How a job's program is contained: a built-in launcher and what it lets the program have."""

from dataclasses import dataclass
from enum import StrEnum


class Launcher(StrEnum):
    """The built-in launchers of images, by their name in provd.toml."""

    APPTAINER = "apptainer"
    CHARLIECLOUD = "charliecloud"
    BUBBLEWRAP = "bubblewrap"
    PYXIS = "pyxis"


MOUNTING = frozenset({Launcher.APPTAINER})
"""Launchers that mount a template's `data_bindings`: apptainer reads them from APPTAINER_BIND."""


@dataclass(frozen=True, slots=True)
class Containment:
    """`native`: the program is one of the node's own, whose /usr the job sees read-only in place of an image.

    `network`: the job has the node's network. `max_processes` counts all processes of the job's Unix user on
    the node. `max_file_gb`: the size of the largest file that the job can write, in GiB; 0 means no limit.
    """

    launcher: Launcher
    native: bool = False
    network: bool = False
    max_processes: int = 4096
    max_file_gb: int = 0

    @property
    def needs_image(self) -> bool:
        """Whether the program runs in an image of the cache."""
        return not self.native
