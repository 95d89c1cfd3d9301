"""What an RPM requires and contains, read without an installation, compared with what EL offers."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from provider_daemon import __version__
from tests.expect import Wrong, same
from tests.packages.debian import command

GLIBC = (2, 28)  # EL 8's
NEEDED = re.compile(r"lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+)\.so\.\d+|ld-linux-[\w-]+\.so\.\d+")
LISTED = """\
/etc/provd 40750 root:provd
/etc/provd/provd.toml 100640 root:provd config(noreplace)
/usr/bin/provd 120777 root:root
/usr/lib/provd/bin/provd 100755 root:root
/usr/lib/systemd/system/provd-collector.service 100644 root:root
/usr/lib/systemd/system/provd-gateway.service 100644 root:root
/usr/lib/systemd/system/provd-mover.service 100644 root:root
/usr/lib/systemd/system/provd.service 100644 root:root
/usr/lib/sysusers.d/provd-collector.conf 100644 root:root
/usr/lib/sysusers.d/provd-gateway.conf 100644 root:root
/usr/lib/sysusers.d/provd-mover.conf 100644 root:root
/usr/lib/sysusers.d/provd.conf 100644 root:root
/usr/share/licenses/provd/LICENSE 100644 root:root
/usr/share/provd 40755 root:root
/var/lib/provd 40750 provd:provd
/var/lib/provd-collector 40750 provd-collector:provd
/var/lib/provd-gateway 40750 provd-gateway:provd
/var/lib/provd-mover 40750 provd-mover:provd
"""
CONFIG, NO_REPLACE = 1, 16  # bits of RPMFILE


def queried(package: Path, *words: str) -> list[str]:
    return command("rpm", "-qp", *words, package).splitlines()


def requires(package: Path) -> str:
    """Checks the requirements.

    They are Python, the C and C++ libraries, systemd and the scripts' programs: all of them exist on EL.
    """
    found = [name for name in queried(package, "--requires") if not name.startswith("rpmlib(")]
    wanted = [
        "/bin/sh",
        "/usr/bin/python3.12",
        "/usr/sbin/groupadd",
        "/usr/sbin/useradd",
        "libc.so.6(GLIBC_2.28)(64bit)",
    ]
    wanted += ["libgcc_s.so.1()(64bit)", "libstdc++.so.6()(64bit)", "python(abi) = 3.12", "systemd"]
    same("requirements", sorted(set(found)), wanted)
    return ", ".join(wanted)


def files(package: Path) -> str:
    """Checks modes, owners and configuration flags; no file is writable by others."""
    rows = queried(
        package, "--qf", "[%{FILENAMES} %{FILEMODES:octal} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILEFLAGS}\n]"
    )
    split = [row.rsplit(" ", 3) for row in rows]
    shown = {path: f"{mode} {owner}{flagged(int(flags))}" for path, mode, owner, flags in split}
    for path, wanted in (line.split(" ", 1) for line in LISTED.splitlines()):
        same(path, shown.get(path), wanted)
    writable = [path for path, mode, *_ in split if int(mode, 8) & 0o022 and not mode.startswith("120")]
    same("what others may write", writable, [])
    same(
        "configuration files",
        [path for path, *_, flags in split if int(flags) & CONFIG],
        ["/etc/provd/provd.toml"],
    )
    return f"{len(rows)} files"


def flagged(flags: int) -> str:
    return " config(noreplace)" if flags & CONFIG and flags & NO_REPLACE else ""


def libraries(package: Path) -> str:
    """Checks that each library is for this Python and EL 8's C library.

    Each needs only the package and its requirements.
    """
    with tempfile.TemporaryDirectory() as name:
        unpacked = Path(name)
        command("sh", "-euc", f"rpm2cpio {package} | cpio --quiet -idm -D {unpacked}")
        paths = sorted(unpacked.rglob("*.so*"))
        bundled = {path.name for path in paths}
        for path in paths:
            shown = path.relative_to(unpacked / "usr/lib/provd")
            if (tag := re.search(r"\.cpython-(\d+)", path.name)) and tag[1] != "312":
                raise Wrong(f"{shown} is not for Python 3.12")
            text = command("readelf", "-dV", path)
            newest = max(
                (tuple(map(int, found.split("."))) for found in re.findall(r"GLIBC_(\d+\.\d+)", text)),
                default=(0, 0),
            )
            if newest > GLIBC:
                raise Wrong(f"{shown} needs glibc {newest}")
            needed = set(re.findall(r"\(NEEDED\).*\[(.+)\]", text)) - bundled
            if lacking := sorted(library for library in needed if not NEEDED.fullmatch(library)):
                raise Wrong(f"{shown} needs {', '.join(lacking)}")
        return f"{len(paths)} for glibc 2.28 or older; {runs(unpacked)}"


def runs(unpacked: Path) -> str:
    """Runs the program with a Python 3.12, where this host has one."""
    python = shutil.which("python3.12")
    if python is None or subprocess.run([python, "--version"], check=False, capture_output=True).returncode:
        return "not run: this host has no Python 3.12"
    site = unpacked / "usr/lib/provd/lib/python3.12/site-packages"
    script = "import sys; sys.argv = ['provd', '--version']; from provider_daemon.cli.app import main; main()"
    told = command(python, "-SIc", f"import sys; sys.path.insert(0, {str(site)!r}); {script}")
    same("provd --version", told, f"provd {__version__}\n")
    return f"provd runs with {python}"


CHECKS = {"what it requires": requires, "what it lists": files, "its libraries": libraries}
