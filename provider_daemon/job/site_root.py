"""Where the files of a customer are at the site. Pure."""

import re
from pathlib import PurePosixPath

_USER = re.compile(r"[a-z_][a-z0-9_-]*")
_JOB_DIRECTORY = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]*)\.[0-9a-f]{8}")


def site_root(work_root: str, user: str) -> str:
    """Returns the parent of the job directories of the Unix user `user`, without a "/" at its end.

    `user` is "" where all customers' jobs run as one user. Otherwise the directory belongs to that user.
    """
    return str(PurePosixPath(work_root) / user)


def user_at(work_root: str, path: str) -> str:
    """Returns the Unix user whose files a path below work_root is among; "" for the shared user.

    Names of job directories and of provd's own ones contain a dot, those of users do not.
    """
    below = path.removeprefix(f"{PurePosixPath(work_root)}/")
    first = below.partition("/")[0]
    return first if below != path and _USER.fullmatch(first) else ""


def job_of(entry: str) -> str:
    """Returns the name of the job whose directory is called `entry`; "" for what is no job directory."""
    found = _JOB_DIRECTORY.fullmatch(entry)
    return found[1] if found else ""


def is_job_directory(work_root: str, user: str, name: str, path: str) -> bool:
    """Returns whether the path is one that provd gives to the job `name` of that user, and nothing else."""
    root, _, last = path.rpartition("/")
    return bool(name) and (root, job_of(last)) == (site_root(work_root, user), name)
