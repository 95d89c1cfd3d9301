"""What requests about files return, and how they fail."""

from dataclasses import dataclass
from enum import StrEnum

from provider_daemon.errors import ProvdError, Refused, Transient


class NotThere(Refused):
    """No such file or directory, or the root does not exist."""


class NotAllowed(Refused):
    """The path is not one that may be read or written: a symbolic link, a device, no permission, ..."""


class Mismatch(NotAllowed):
    """Written content differs from its declared size or SHA-256. It was removed."""


class Changed(Transient):
    """The file was replaced, truncated or written to while it was read."""


class Abandoned(Transient):
    """The consumer did not take the content of a tree in time, so that its program was given to others."""


class NoSpace(Transient):
    """The file system is full, or a quota is exhausted."""


FAILURES: dict[str, type[ProvdError]] = {
    "not_there": NotThere,
    "not_allowed": NotAllowed,
    "mismatch": Mismatch,
    "changed": Changed,
    "no_space": NoSpace,
    "failed": Transient,
}


class Kind(StrEnum):
    """OTHER: neither a directory nor a regular file with one hard link. It is listed and never opened."""

    FILE = "file"
    DIRECTORY = "directory"
    OTHER = "other"


class SkipReason(StrEnum):
    """Why a file or directory is neither in a manifest nor in an archive."""

    SYMBOLIC_LINK = "symbolic_link"
    HARD_LINK = "hard_link"
    FIFO = "fifo"
    SOCKET = "socket"
    DEVICE = "device"
    UNREADABLE = "unreadable"
    CHANGED = "changed"
    GONE = "gone"
    TOO_DEEP = "too_deep"
    SPARSE = "sparse"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Entry:
    """`path` is relative to the root. `size` in bytes; `modified_at` in Unix seconds.

    Names on disk are bytes: those that are not UTF-8 are decoded with surrogateescape.
    """

    path: str
    kind: Kind
    size: int
    modified_at: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A part of a directory, in the order of the bytes of the names. `more`: entries follow."""

    entries: tuple[Entry, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Identity:
    """Differs if a file was replaced or written to. Size in bytes, times in nanoseconds."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Skipped:
    path: str
    reason: SkipReason


@dataclass(frozen=True, slots=True)
class Written:
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class NewFile:
    """A small file to be stored; `sha256` in hex."""

    name: str
    content: bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class Usage:
    """`bytes` allocated on disk; an inode with several hard links counts once."""

    bytes: int
    inodes: int
