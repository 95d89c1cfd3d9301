"""Where results are written: below one directory of the customer, and never through a link. Paths only."""

from pathlib import Path

from provider_daemon.client.verify import unsafe
from provider_daemon.errors import ProvdError, Unreadable


class NotOnDisk(ProvdError):
    """A file could not be written."""


class Places:
    """The places of a job's results below `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self._made: set[str] = set()

    def of(self, path: str) -> Path:
        """Returns the place of a result and makes its parents. Raises NotOnDisk, Unreadable."""
        return self.directory / self.prepared(path)

    def prepared(self, path: str) -> str:
        """Returns the path when its parents below the directory are made. Raises as `of`."""
        if why := unsafe(path):
            raise Unreadable(f"unsafe path in the results: {path!r}: {why}")
        parent = path.rpartition("/")[0]
        if parent not in self._made:
            self._make(self.directory / parent)
            self._made.add(parent)
        return path

    def _make(self, parent: Path) -> None:
        try:
            parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NotOnDisk(f"{parent} cannot be created: {error.strerror}") from None
        # a link that somebody else put there would lead out of the directory
        if parent.resolve() != parent:
            raise NotOnDisk(f"{parent} leads through a symbolic link: choose another directory")


def part_of(place: Path, sha256: str) -> Path:
    """Returns where a file is kept until it is whole: a short name, beside its place."""
    return place.with_name(f".provd-{sha256[:16]}.part")
