"""Settings of this machine that a case changes for its time: of the kernel, and control groups."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.expect import NotTried

CGROUPS = Path("/sys/fs/cgroup")
_DELEGATED = CGROUPS / "pids/provd-isolation"


@contextlib.contextmanager
def kernel(settings: Mapping[str, str]) -> Iterator[None]:
    """Sets kernel.* of the machine, and sets them back. Raises NotTried if the kernel forbids it."""
    files = {Path("/proc/sys/kernel", name): value for name, value in settings.items()}
    before = {file: file.read_text() for file in files}
    try:
        for file, value in files.items():
            try:
                file.write_text(value)
            except OSError as error:
                raise NotTried(f"kernel.{file.name}={value} cannot be set: {error.strerror}") from None
        yield
    finally:
        for file, value in before.items():
            file.write_text(value)


def delegated() -> Path:
    """Makes a control group that every user may change."""
    _DELEGATED.mkdir(exist_ok=True)
    _DELEGATED.chmod(0o777)
    return _DELEGATED


def remove_cgroups(node: str) -> None:
    """Removes the control groups that slurmd made for its jobs, and our own; SLURM leaves them behind."""
    for top in (_DELEGATED, *CGROUPS.glob(f"*/slurm_{node}")):
        folders = [path for path in top.rglob("*") if path.is_dir()]
        for folder in (*sorted(folders, reverse=True), top):
            with contextlib.suppress(OSError):  # in use, or another run's
                folder.rmdir()
