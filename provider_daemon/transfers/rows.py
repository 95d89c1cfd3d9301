"""The values of the mover's database."""

import json
from dataclasses import dataclass
from enum import StrEnum

from provider_daemon.job.transfer import Transfer

_UNCHANGED = Transfer()


class Delivery(StrEnum):
    """The delivery of a job's results to `spec.outputs_pointer`. DONE and FAILED are final."""

    NONE = "none"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class JobTransfer:
    """Everything that the mover knows about a job. Times in seconds since the epoch, None if not yet.

    `results_detail`: why there is no manifest, or what it leaves out. `delivery_detail`: why the delivery
    failed, or what it waits for. `staging`: the directory for the inputs, which may be incomplete (the one in
    `transfer` is whole). `storage_bytes` and `storage_inodes`: the job's directory at `sampled_at`.
    `expires_at`: when the results may be deleted. `deleted_at`: when they were; `unstaged_at`: when the
    staged inputs were.
    """

    name: str
    cluster_id: str
    job_id: str
    customer: str
    seen_at: float
    transfer: Transfer = _UNCHANGED
    directory: str = ""
    staging: str = ""
    results_detail: str = ""
    delivery: Delivery = Delivery.NONE
    delivery_detail: str = ""
    storage_bytes: int = 0
    storage_inodes: int = 0
    sampled_at: float | None = None
    unstaged_at: float | None = None
    closed_at: float | None = None
    expires_at: float | None = None
    deleted_at: float | None = None


@dataclass(frozen=True, slots=True)
class ManifestLine:
    """One regular file of a job's results. `path` is relative to the job's directory."""

    path: str
    size: int
    sha256: str

    def __str__(self) -> str:
        """The line in ASCII. A byte of the path that is not UTF-8 is written as \\udc80 to \\udcff."""
        return f"{self.sha256} {self.size} {json.dumps(self.path)}\n"


def path_bytes(path: str) -> bytes:
    """Returns the path as in the site's file system. The lines of a manifest are sorted by it."""
    return path.encode(errors="surrogateescape")


@dataclass(frozen=True, slots=True)
class Cached:
    """Whole and verified content in a customer's cache. `sha256`: of the file.

    `mtime_ns`, `ctime_ns` and `inode`: as after the mover's last link to the file.
    """

    cluster_id: str
    customer: str
    object: str
    sha256: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    last_used_at: float


@dataclass(frozen=True, slots=True)
class CachedImage:
    """A whole image in the cache of a site; `size` in bytes."""

    cluster_id: str
    digest: str
    size: int
    last_used_at: float
