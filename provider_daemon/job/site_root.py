"""Where the files of a customer are at the site. Pure."""

from pathlib import PurePosixPath


def site_root(work_root: str, user: str) -> str:
    """Returns the parent of the job directories of the Unix user `user`, without a "/" at its end.

    `user` is "" where all customers' jobs run as one user. Otherwise the directory belongs to that user.
    """
    return str(PurePosixPath(work_root) / user)
