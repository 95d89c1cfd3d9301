"""What the package for compute nodes installs on a system, beside provd or alone, and removes again."""

import re
from pathlib import Path

from provider_daemon import __version__
from tests.expect import Wrong, same
from tests.packages.debian import Debian
from tests.packages.managers import Apt, Manager

PACKAGE = "provd-agent"
MODES = """\
755 root:root /etc/provd-agent
644 root:root /etc/provd-agent/agent.toml
700 provd-agent:provd-agent /var/lib/provd-agent
755 root:root /usr/lib/provd-agent/bin/provd-agent
644 root:root /usr/lib/systemd/system/provd-agent.service
"""
MAX_KB = 8000
# Created by the package's scripts, not contained in it.
MADE = re.compile(
    r"/usr/lib/provd-agent/lib/.*/__pycache__(/.*)?|/var/lib/provd-agent|/var/lib/systemd(/.*)?"
)
KEY = "var/lib/provd-agent/agent.key"


def life(debian: Debian, manager: Manager, package: Path) -> str:
    """Installs, checks, removes, and on Debian purges: the agent's key stays until the purge."""
    size = package.stat().st_size // 1000
    if size > MAX_KB:
        raise Wrong(f"{package.name} has {size} kB, more than {MAX_KB}: it is for diskless nodes too")
    before = debian.paths()
    manager.install(package)
    same("enabled", debian.sh("find /etc/systemd -name 'provd-agent*'"), "")
    shown = debian.run("stat", "-L", "-c", "%a %U:%G %n", *(line.split()[2] for line in MODES.splitlines()))
    same("modes and owners", shown, MODES)
    same("groups", debian.run("id", "-nG", PACKAGE).split(), [PACKAGE])
    _starts(debian)
    manager.remove(PACKAGE)
    same("the key after a removal", (debian.root / KEY).exists(), True)
    if isinstance(manager, Apt):
        debian.apt("purge", PACKAGE)
        left = sorted(path for path in debian.paths() - before if not MADE.fullmatch(path))
        same("left after a purge", left, [])
        same("the key after a purge", (debian.root / KEY).exists(), False)
    return f"{package.name}, {size} kB"


def _starts(debian: Debian) -> None:
    """The shipped configuration is accepted, the node waits for a token, and a wrong key is named."""
    started = debian.run("timeout", "5", PACKAGE, user=PACKAGE, code=124)
    for wanted in (f'"version": "{__version__}"', "not_registered", "provd node token"):
        if wanted not in started:
            raise Wrong(f"no {wanted} in what the agent prints: {started}")
    (debian.root / "tmp/wrong.toml").write_text("slurmd_port = 0\nrack = 1\n")
    refused = debian.run(PACKAGE, "--config", "/tmp/wrong.toml", user=PACKAGE, code=2)
    same("lines of a wrong configuration", len(refused.splitlines()), 2)


def documented(debian: Debian, package: Path) -> str:
    """lintian's and man's tools are there since provd's own checks."""
    told = debian.run("lintian", "--allow-root", "--fail-on", "error,warning", debian.take(package))
    same("lintian", [line for line in told.splitlines() if line.startswith(("E:", "W:"))], [])
    debian.apt("install", f"/tmp/{package.name}")
    manual = "/usr/share/man/man8/provd-agent.8.gz"
    same("man", debian.sh(f"man --warnings -l {manual} 2>&1 >/dev/null"), "")
    same("mandoc", debian.sh(f"zcat {manual} | mandoc -T lint -W warning"), "")
    debian.apt("purge", PACKAGE)
    return "no error and no warning"
