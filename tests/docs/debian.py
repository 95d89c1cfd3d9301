"""A separate Debian in a directory. No process and no mount of it remains afterwards."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.packages.debian import PASSED_ON

ROOT = Path(__file__).parents[2]
# The process namespace ends with its first process and ends the daemons. The mounts are in a separate
# namespace.
_ENTER = """hostname debian && mount --rbind /dev "$1/dev" && mount -t proc proc "$1/proc"
exec chroot "$1" /usr/bin/env -C /root -i "${@:2}" /bin/bash"""


@contextlib.contextmanager
def unpacked(suite: str) -> Iterator[Path]:
    """Unpacks the smallest Debian, with this checkout in /root/provd, and returns its root directory."""
    tar = subprocess.run(
        [ROOT / "tools/images/base", suite], check=True, capture_output=True, text=True
    ).stdout.strip()
    root = Path(tempfile.mkdtemp(prefix="provd-docs."))
    try:
        subprocess.run(["tar", "-xf", tar, "-C", root], check=True)
        # as Debian's installer leaves it
        (root / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 debian\n")
        copy_checkout(root / "root/provd")
        yield root
    finally:
        shutil.rmtree(root)


def copy_checkout(to: Path) -> None:
    """Copies every file that git has or would add."""
    to.mkdir()
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    tar = ["tar", "-c", "--null", "--files-from=-", "--ignore-failed-read"]
    packed = subprocess.run(tar, cwd=ROOT, input=listed.stdout, check=True, capture_output=True)
    subprocess.run(["tar", "-x", "--no-same-owner", "-C", to], input=packed.stdout, check=True)


def shell(root: Path) -> subprocess.Popen[str]:
    """Starts root's bash inside, which reads commands from its standard input."""
    variables = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
    }
    variables |= {"DEBIAN_FRONTEND": "noninteractive"}
    variables |= {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
    namespaces = [str(ROOT / "tools/images/private-mounts"), "--uts", "--pid", "--fork", "--kill-child"]
    enter = [*namespaces, "bash", "-c", _ENTER, "enter", str(root)]
    return subprocess.Popen(
        [*enter, *(f"{name}={value}" for name, value in variables.items())],
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
