"""A separate Debian in a directory.

Its mounts end with the mount namespace of this process (run.py).
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.expect import Wrong
from tests.unit.docs import ROOT

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# The files of a host with its own mirror or certificate authority.
PASSED_ON = ("PIP_", "SSL_", "REQUESTS_CA_BUNDLE", "http_proxy", "https_proxy", "no_proxy")

_NOT_LOOKED_AT = ("/proc", "/dev", "/sys", "/tmp", "/var/cache", "/var/log", "/var/lib/dpkg", "/var/lib/apt")


def command(*words: str | Path, env: dict[str, str] | None = None, code: int = 0) -> str:
    """Returns the output of both streams. Raises Wrong, with the end of the output, for another exit code."""
    done = subprocess.run(
        words,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    if done.returncode != code:
        raise Wrong(f"{' '.join(map(str, words))}: exit code {done.returncode}\n{done.stdout[-3000:]}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Debian:
    root: Path

    @classmethod
    def unpacked(cls, root: Path, suite: str) -> "Debian":
        """Unpacks the smallest Debian, with current package lists."""
        root.mkdir()
        command("tar", "-C", root, "-xf", command(ROOT / "tools/images/base", suite).splitlines()[-1])
        command("mount", "-t", "proc", "proc", root / "proc")
        command("mount", "--rbind", "/dev", root / "dev")
        (root / "etc/dpkg/dpkg.cfg.d/unsafe-io").write_text("force-unsafe-io\n")  # no power cut is under test
        made = cls(root)
        made.run("apt-get", "-qq", "update")
        return made

    def argv(self, *words: str, user: str = "root", group: str = "") -> list[str]:
        return ["chroot", f"--userspec={user}:{group or user}", str(self.root), *words]

    def environment(self) -> dict[str, str]:
        own = {
            "PATH": PATH,
            "HOME": "/",
            "LC_ALL": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
            "TERM": "dumb",
        }
        return own | {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}

    def run(self, *words: str, user: str = "root", group: str = "", code: int = 0) -> str:
        return command(*self.argv(*words, user=user, group=group), env=self.environment(), code=code)

    def sh(self, script: str) -> str:
        return self.run("sh", "-euc", script)

    def apt(self, *words: str) -> str:
        return self.run("apt-get", "-y", "--no-install-recommends", *words)

    def take(self, file: Path) -> str:
        """Copies a file in and returns its path inside."""
        target = self.root / "tmp" / file.name
        target.write_bytes(file.read_bytes())
        return f"/tmp/{file.name}"

    def uid(self, user: str) -> int:
        (line,) = (
            line
            for line in (self.root / "etc/passwd").read_text().splitlines()
            if line.startswith(f"{user}:")
        )
        return int(line.split(":")[2])

    def paths(self) -> set[str]:
        """Returns all paths but mounts and the bookkeeping of dpkg and apt."""
        pruned = " -o ".join(f"-path {path}" for path in _NOT_LOOKED_AT)
        return set(self.sh(rf"find / \( {pruned} \) -prune -o -print").splitlines())
