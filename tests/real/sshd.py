"""An OpenSSH server on loopback with any configuration, started for one test.

It is Debian's openssh-server, without SLURM.
"""

import asyncio
import getpass
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from provider_daemon.slurm.ssh import SshTransport
from tests.unit.slurm.sshd import Clock

TYPES = ("rsa", "ecdsa", "ed25519")


class Keys:
    """A host key of each type, one that signs host certificates, and a user's key."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for kind in TYPES:
            self._generate(f"host_{kind}", kind)
        self._generate("authority", "ed25519")
        self._generate("id", "ed25519")
        (directory / "authorized").write_bytes((directory / "id.pub").read_bytes())

    def _generate(self, name: str, kind: str) -> None:
        run("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(self.directory / name))

    def fingerprint(self, kind: str) -> str:
        return run("ssh-keygen", "-lf", str(self.directory / f"host_{kind}.pub")).split()[1]

    def public(self, name: str) -> str:
        return " ".join((self.directory / f"{name}.pub").read_text().split()[:2])

    def sign_host(self, kind: str, principal: str) -> None:
        authority, key = self.directory / "authority", self.directory / f"host_{kind}.pub"
        run("ssh-keygen", "-q", "-s", str(authority), "-h", "-I", "host", "-n", principal, str(key))


class Sshd:
    def __init__(self, keys: Keys, host: str, port: int) -> None:
        self.keys, self.host, self.port = keys, host, port

    @property
    def place(self) -> str:
        """Returns the server's address in the form of known_hosts."""
        return f"[{self.host}]:{self.port}"

    def transport(self, **changes: Any) -> SshTransport:
        pin = {} if "known_hosts" in changes else {"host_key_fingerprint": self.keys.fingerprint("ed25519")}
        options: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "user": getpass.getuser(),
            "key_file": str(self.keys.directory / "id"),
            "clock": Clock(),
        }
        return SshTransport(**(options | pin | changes))


@asynccontextmanager
async def sshd(
    directory: Path, lines: Sequence[str] = (), host: str = "127.0.0.1", principal: str = ""
) -> AsyncIterator[Sshd]:
    """Starts sshd.

    `lines` precede all others, so that they take effect. `principal` is that of the ed25519 host key's
    certificate.
    """
    directory.mkdir(exist_ok=True)
    keys = Keys(directory)
    if principal:
        keys.sign_host("ed25519", principal)
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        port = probe.getsockname()[1]
    config = directory / "sshd_config"
    config.write_text(
        "\n".join(
            [
                *(line.replace("{directory}", str(directory)) for line in lines),
                f"ListenAddress {'[' + host + ']' if ':' in host else host}:{port}",
                *(f"HostKey {directory}/host_{kind}" for kind in TYPES),
                f"AuthorizedKeysFile {directory}/authorized",
                "PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n",
            ]
        )
    )
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)
    with (directory / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "/usr/sbin/sshd", "-D", "-e", "-f", str(config), stderr=log
        )
    try:
        await _listening(host, port, process)
        yield Sshd(keys, host, port)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _listening(host: str, port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(10):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection(host, port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return
    raise AssertionError("sshd ended")


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
