"""Where the mover's files are at a site, and which directories it may delete."""

import re
from dataclasses import dataclass

from provider_daemon.job.claim import CLAIMS
from provider_daemon.job.site_root import job_of, site_root
from provider_daemon.mover.facts import JobFacts

INPUTS, CACHE = ".provd-inputs", ".provd-cache"
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Place:
    """A path below a root. The root ends with "/": the operator's directory may be a symbolic link."""

    root: str
    path: str

    def __str__(self) -> str:
        return f"{self.root}{self.path}"


def staging(work_root: str, name: str) -> Place:
    """Returns the staging directory of a job. Raises ValueError for a name that is not a plain word."""
    return Place(f"{work_root.rstrip('/')}/", f"{INPUTS}/{_plain(name)}")


def cache_of(customer: str) -> str:
    """Returns the path of a customer's cache below work_root. Raises ValueError for a name not plain."""
    return f"{CACHE}/{_plain(customer)}"


def staged_for(work_root: str, job: JobFacts) -> str:
    """Returns the staging directory that the job has as its present Unix user."""
    return str(staging(site_root(work_root, job.user), job.name))


def cached(customer: str, name: str) -> str:
    """Returns the path of cached content below work_root. Raises ValueError for a name that is not plain."""
    return f"{cache_of(customer)}/{_plain(name)}"


def _plain(word: str) -> str:
    if not _SAFE.fullmatch(word):
        raise ValueError(f"not a plain word: {word[:80]!r}")
    return word


def removable_staging(directory: str, name: str) -> Place | None:
    """Returns where a stored staging directory is, None if it cannot be the one of this job."""
    end = f"/{INPUTS}/{name}"
    if not _SAFE.fullmatch(name) or not directory.endswith(end) or not _absolute(directory):
        return None
    return Place(directory.removesuffix(end) + "/", end[1:])


def removable_job(directory: str, name: str) -> Place | None:
    """Returns where a job's directory is, None if its last part is not `<name>.<8 hex digits>`."""
    parent, _, last = directory.rpartition("/")
    if not _SAFE.fullmatch(name) or not _absolute(directory):
        return None
    if job_of(last) != name:
        return None
    return Place(f"{parent}/", last)


def claim(name: str) -> str:
    """Returns the path of a job's claim below work_root. Raises ValueError for a name that is not plain."""
    return f"{CLAIMS}/{_plain(name)}"


def _absolute(directory: str) -> bool:
    return directory.startswith("/") and not any(part in ("", ".", "..") for part in directory[1:].split("/"))
