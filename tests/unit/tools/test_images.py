"""tools/images/private-mounts: mounts stay inside, or one line says what is missing."""

import subprocess
from pathlib import Path

from tests.real.test_site import propagation
from tests.unit.docs import ROOT

_NAMESPACE = ["unshare", "--map-root-user", "--mount", "sh", "-ec"]
_PLAIN_CHROOT = """cd "$1"
mkdir proc usr
ln -s usr/bin usr/lib usr/lib64 .
mount --rbind /usr usr
mount --rbind /proc proc
cp "$2" private-mounts
exec chroot . /private-mounts true"""


def test_a_plain_chroot_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """Where / is not a mount point, one line says so and what to do; nothing is run."""
    program = str(ROOT / "tools/images/private-mounts")
    # already in a plain chroot, where the kernel makes no user namespace either
    here = propagation() == "unchanged"
    words = [program, "true"] if here else [*_NAMESPACE, _PLAIN_CHROOT, "chroot", str(tmp_path), program]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    assert line.startswith("/ is not a mount point here")
    assert "mount --bind DIR DIR" in line
