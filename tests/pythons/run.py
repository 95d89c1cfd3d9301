"""Runs the unit tests on the oldest and the newest supported Python of a Debian, each in a separate Debian.

    python -m tests.pythons.run

Run it as root. The oldest is left out if it is this interpreter's version: `make test` has run the same tests
then.
"""

import os
import sys
import time
import tomllib

from tests.docs.debian import shell, unpacked
from tests.unit.docs import ROOT

OLDEST_SUITE, NEWEST_SUITE = "bookworm", "testing"
# A mirror whose copy of testing is some weeks old is sufficient.
_COURSE = """set -euo pipefail
echo 'Acquire::Check-Valid-Until "false";' >/etc/apt/apt.conf.d/old-mirror
apt-get -qq update
for python in {candidates} none; do apt-cache show "$python" >/dev/null 2>&1 && break; done
packages="git make openssh-client procps python3 $python $python-venv"
apt-get -qq -y --no-install-recommends install $packages >/dev/null </dev/null
cd /root/provd
git init -q . && git add -A
make --no-print-directory slurm PYTHON="$python" </dev/null
.venv/bin/python --version
.venv/bin/pytest -q tests/unit -n 2 -p no:cacheprovider </dev/null
exit
"""


def supported() -> range:
    """Returns the minor versions that pyproject.toml names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    oldest, beyond = (int(bound.rpartition(".")[2]) for bound in project["requires-python"].split(","))
    return range(oldest, beyond)


def play(suite: str, minors: list[int]) -> int:
    """Runs the tests with the first of the versions that the suite has, and returns their exit code."""
    began = time.monotonic()
    course = _COURSE.format(candidates=" ".join(f"python3.{minor}" for minor in minors))
    with unpacked(suite) as root:
        process = shell(root)
        told, _ = process.communicate(course)
    print(told[-6000:] if process.returncode else "\n".join(told.splitlines()[-3:]))
    print(
        f"Debian {suite}: {'ok' if process.returncode == 0 else 'NOT as it should be'}: "
        f"{time.monotonic() - began:.0f} s"
    )
    return process.returncode


def main() -> int:
    if os.geteuid():
        print("a Debian of its own needs root", file=sys.stderr)
        return 1
    minors = list(supported())
    codes = [play(NEWEST_SUITE, minors[::-1])]
    if sys.version_info[1] == minors[0]:
        print(f"Python 3.{minors[0]}, the oldest, is this host's own: see `make test`")
    else:
        codes.append(play(OLDEST_SUITE, minors[:1]))
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
