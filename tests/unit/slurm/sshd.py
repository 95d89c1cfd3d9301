"""A login node with a real SSH server, in this process."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncssh

from provider_daemon.slurm.login import PROBE
from provider_daemon.slurm.ssh import SshTransport
from provider_daemon.slurm.transport import command_line

PROBED = command_line(PROBE)
PROGRAM = "cat; echo err >&2; exit 3\n"


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0)


class Clock:
    """Stands still until it is moved."""

    time = 1000.0

    def now(self) -> float:
        return self.time


class Site:
    """A login node: runs every command with /bin/sh, or answers as a test says; counts logins and sessions at
    a time.

    What is run to check a new connection is neither counted, held nor refused. `login_files`: sh text that
    runs before each command."""

    def __init__(self, directory: Path) -> None:
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.key = directory / "id"
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(str(self.key))
        self.key.chmod(0o600)
        self.authorized = directory / "authorized"
        self.authorized.write_bytes(key.export_public_key())
        self.logins = self.sessions = self.most_sessions = self.refusals = 0
        self.commands: list[str] = []
        self.environments: list[dict[str, str]] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.connections: list[asyncssh.SSHServerConnection] = []
        self.clock = Clock()
        self.login_files = ""
        self.server: Any = None
        self.factory: Any = None

    async def start(self) -> None:
        site = self

        class Server(asyncssh.SSHServer):
            def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
                site.logins += 1
                site.connections.append(conn)
                self.probed = False

            def session_requested(self) -> asyncssh.SSHServerProcess[bytes] | bool:
                if site.refusals and self.probed:
                    site.refusals -= 1
                    raise asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, "no more sessions")
                self.probed = True
                return asyncssh.SSHServerProcess(site.process, None, 3, False)

        self.factory = Server
        await self.listen_with([self.host_key])

    async def listen_with(self, host_keys: list[asyncssh.SSHKey]) -> None:
        if self.server is not None:
            self.server.close()
        self.server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=self.factory,
            server_host_keys=host_keys,
            authorized_client_keys=str(self.authorized),
            encoding=None,
        )
        self.port = self.server.sockets[0].getsockname()[1]

    async def process(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        if process.command == PROBED:
            await self.shell(process)
            return
        self.commands.append(process.command or "")
        self.environments.append(dict(process.env))
        self.sessions += 1
        self.most_sessions = max(self.most_sessions, self.sessions)
        try:
            await self.hold.wait()
            await self.shell(process)
        finally:
            self.sessions -= 1

    async def shell(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        command = f"{self.login_files}\n{process.command}"
        inner = await asyncio.create_subprocess_exec("/bin/sh", "-c", command, stdin=-1, stdout=-1, stderr=-1)
        out, err = await inner.communicate(await process.stdin.read())
        with contextlib.suppress(OSError):
            process.stdout.write(out)
            process.stderr.write(err)
            process.exit(inner.returncode or 0)

    def transport(self, **changes: Any) -> SshTransport:
        options: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "provd",
            "key_file": str(self.key),
            "clock": self.clock,
        }
        pin = {} if "known_hosts" in changes else {"host_key_fingerprint": self.host_key.get_fingerprint()}
        return SshTransport(**(options | pin | changes))
