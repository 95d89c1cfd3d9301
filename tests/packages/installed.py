"""What the package installs on a system and removes again."""

import re
from pathlib import Path

from provider_daemon import __version__
from tests.expect import Wrong, same
from tests.packages.debian import Debian

TOOLS = ("bash-completion", "fish", "lintian", "man-db", "mandoc", "zsh")
MODES = """\
750 root:provd /etc/provd
640 root:provd /etc/provd/provd.toml
750 provd:provd /var/lib/provd
750 provd-gateway:provd /var/lib/provd-gateway
750 provd-mover:provd /var/lib/provd-mover
750 provd-collector:provd /var/lib/provd-collector
755 root:root /usr/bin/provd
755 root:root /usr/lib/provd/bin/provd
644 root:root /usr/lib/systemd/system/provd.service
"""
# Created by the package's scripts, not contained in it.
MADE = re.compile(
    r"/usr/lib/provd/lib/.*/__pycache__(/.*)?|/var/lib/provd(-gateway|-mover|-collector)?|/var/lib/systemd(/deb-systemd-helper-enabled(/provd.*)?)?"
)
_ZSH = """
autoload -Uz compinit && compinit -D && words=(provd config va) && CURRENT=3
_arguments() { print -r -- "$@" }
$_comps[provd]
"""


def installs(debian: Debian, package: Path) -> str:
    """apt finds all dependencies; nothing is enabled or running, and all libraries of the programs exist."""
    debian.apt("install", debian.take(package))
    if lacking := debian.sh("find /usr/lib/provd -name '*.so*' -exec ldd {} + | grep 'not found' || true"):
        raise Wrong(f"libraries are missing:\n{lacking}")
    same("enabled", debian.sh("find /etc/systemd -name 'provd*'"), "")
    same("changed files", debian.run("dpkg", "--verify", "provd"), "")
    return debian.run("dpkg-query", "-W", "-f", "${Package} ${Version} ${Status}", "provd")


def answers(debian: Debian, package: Path) -> str:
    """The program runs as the package's user and is found in the PATH."""
    same("provd --version", debian.run("provd", "--version", user="provd"), f"provd {__version__}\n")
    same(
        "account",
        debian.run("getent", "passwd", "provd").split(":")[5:],
        ["/var/lib/provd", "/usr/sbin/nologin\n"],
    )
    for user in ("provd-gateway", "provd-mover", "provd-collector"):
        same(
            f"account {user}",
            debian.run("getent", "passwd", user).split(":")[5:],
            [f"/var/lib/{user}", "/usr/sbin/nologin\n"],
        )
        same(f"groups of {user}", debian.run("id", "-nG", user).split(), [user, "provd"])
    return debian.run("stat", "-c", "runs as %U", "/var/lib/provd").strip()


def configured(debian: Debian, package: Path) -> str:
    """The package's configuration file is valid, and every process may read it.

    A daemon without a key logs that in one line, and systemd does not restart it; so do the gateway and the
    collector without their sections, and the mover without the login node's host key.
    """
    for command, missing in (
        ("gateway", "[gateway]"),
        ("collector", "[collector]"),
        ("mover", "/etc/provd/known_hosts"),
    ):
        told = debian.run("provd", command, user=f"provd-{command}", group="provd", code=2)
        same(f"lines of the {command}", (len(told.splitlines()), missing in told), (1, True))
    told = debian.run("provd", "config", "validate", user="provd")
    same("lines of config validate", len(told.splitlines()), 1)
    refused = debian.run("provd", "run", user="provd", code=2)
    same("lines of a daemon without a key", len(refused.splitlines()), 1)
    return refused.strip()


def modes(debian: Debian, package: Path) -> str:
    shown = debian.run("stat", "-L", "-c", "%a %U:%G %n", *(line.split()[2] for line in MODES.splitlines()))
    same("modes and owners", shown, MODES)
    open_to_all = debian.sh("find /usr/lib/provd /usr/share/provd /etc/provd -perm /022 ! -type l")
    same("what others may write", open_to_all, "")
    return f"{len(MODES.splitlines())} as they should be"


def nothing_else(debian: Debian, package: Path) -> str:
    """After a purge and an installation every new path is listed by the package or created by its scripts.

    The purge removes them again.
    """
    debian.apt("purge", "provd")
    before = debian.paths()
    debian.apt("install", debian.take(package))
    listed = set(debian.sh("dpkg -L provd | sed 's|^/lib/|/usr/lib/|'").splitlines())
    new = debian.paths() - before
    if strange := sorted(path for path in new - listed if not MADE.fullmatch(path)):
        raise Wrong(f"nobody lists {strange[:5]}")
    debian.apt("purge", "provd")
    left = sorted(path for path in debian.paths() - before)
    same("left after a purge", left, [])
    debian.apt("install", debian.take(package))
    return f"{len(new)} paths, none after a purge"


def lintian(debian: Debian, package: Path) -> str:
    debian.apt("install", *TOOLS)
    told = debian.run("lintian", "--allow-root", "--fail-on", "error,warning", debian.take(package))
    same("lintian", [line for line in told.splitlines() if line.startswith(("E:", "W:"))], [])
    return "no error and no warning"


def manual(debian: Debian, package: Path) -> str:
    for page in ("/usr/share/man/man1/provd.1.gz", "/usr/share/man/man5/provd.toml.5.gz"):
        same(f"man of {page}", debian.sh(f"man --warnings -l {page} 2>&1 >/dev/null"), "")
        same(f"mandoc of {page}", debian.sh(f"zcat {page} | mandoc -T lint -W warning"), "")
    for words, heading in (("provd", "PROVD(1)"), ("5 provd.toml", "PROVD.TOML(5)")):
        same(f"man {words}", debian.sh(f"man {words}").split()[0], heading)
    return "provd(1) and provd.toml(5), without a warning of man and mandoc"


def completions(debian: Debian, package: Path) -> str:
    """Each shell finds its completions without configuration, and completes a command."""
    bash = "source /usr/share/bash-completion/bash_completion; _completion_loader provd; "
    bash += 'COMP_WORDS=(provd config va); COMP_CWORD=2; _provd_completion provd; echo "${COMPREPLY[@]}"'
    said = {
        "bash": debian.run("bash", "-c", bash),
        "zsh": debian.run("zsh", "-c", _ZSH),
        "fish": debian.run("fish", "-c", "complete -C 'provd config va'"),
    }
    for shell, words in said.items():
        if "validate" not in words or "print-default" in words:
            raise Wrong(f"{shell} completes `provd config va` to {words!r}")
    return ", ".join(said)


CHECKS = {
    "apt-get install": installs,
    "provd --version": answers,
    "a daemon that nobody has configured": configured,
    "files": modes,
    "purge, install": nothing_else,
    "lintian": lintian,
    "manual": manual,
    "completions": completions,
}
