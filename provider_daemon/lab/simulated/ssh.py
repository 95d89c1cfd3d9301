"""The login node's sshd: its own host key, one client key, and commands run by a real /bin/sh."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import asyncssh

from provider_daemon.names import PRINCIPAL


class SshServer:
    """The SSH server. `port` is set by start(). `connections` counts the logins so far."""

    def __init__(self, keys: Path, user: str, environment: Mapping[str, str]) -> None:
        self._keys, self._user, self._environment = keys, user, dict(environment)
        self._running: set[asyncio.subprocess.Process] = set()
        self.open: set[asyncssh.SSHServerConnection] = set()
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self.port = 0
        self.connections = 0

    async def start(self) -> None:
        """Starts the server. The keys are created once; a later start uses the same port again."""
        if not self.port:
            self._make_keys()
        self._acceptor = await asyncssh.listen(
            "127.0.0.1",
            self.port,
            server_factory=lambda: _Login(self),
            server_host_keys=[str(self._keys / "host_ed25519")],
            authorized_client_keys=str(self._keys / "authorized_keys"),
            process_factory=self._serve,
            encoding=None,
            line_editor=False,
        )
        self.port = self._acceptor.get_port()
        kind, key, *_ = (self._keys / "host_ed25519.pub").read_text().split()
        (self._keys / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")

    async def stop(self) -> None:
        if self._acceptor is not None:
            self._acceptor.close()
            await self._acceptor.wait_closed()
            self._acceptor = None
        await self.cut()

    async def cut(self) -> None:
        """Drops every connection, and with it the commands that run over it."""
        for connection in list(self.open):
            connection.abort()
        for process in list(self._running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        while self._running:  # their sessions close the pipes
            await asyncio.sleep(0.001)

    @property
    def ssh(self) -> dict[str, object]:
        """Returns host, port, user, key_file, known_hosts."""
        keys = self._keys
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": self._user,
            "key_file": str(keys / "id_ed25519"),
            "known_hosts": str(keys / "known_hosts"),
        }

    @property
    def ca_key_file(self) -> str:
        """Returns the private key of the certificate authority whose certificates are accepted."""
        return str(self._keys / "ca")

    def _make_keys(self) -> None:
        self._keys.mkdir()
        for name in ("host_ed25519", "id_ed25519", "ca"):
            key = asyncssh.generate_private_key("ssh-ed25519")
            path = self._keys / name
            path.touch(0o600)
            key.write_private_key(path)
            key.write_public_key(f"{path}.pub")
        own, authority = ((self._keys / f"{name}.pub").read_text() for name in ("id_ed25519", "ca"))
        certified = f'cert-authority,principals="{PRINCIPAL}" {authority}'
        (self._keys / "authorized_keys").write_text(f"{own}{certified}")

    async def _serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        name = str(process.get_extra_info("username"))
        child = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", process.command or "",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**self._environment, "USER": name, "LOGNAME": name}, cwd=self._environment["HOME"],
            start_new_session=True,
        )  # fmt: skip
        self._running.add(child)
        assert child.stdin
        assert child.stdout
        assert child.stderr
        feeding = asyncio.create_task(_feed(process.stdin, child.stdin))
        with contextlib.suppress(asyncssh.Error, OSError):
            await asyncio.gather(_copy(child.stdout, process.stdout), _copy(child.stderr, process.stderr))
        code = await child.wait()
        feeding.cancel()
        child.stdin.close()
        self._running.discard(child)
        with contextlib.suppress(asyncssh.Error, OSError):
            process.exit(code) if code >= 0 else process.exit_with_signal(
                signal.Signals(-code).name.removeprefix("SIG")
            )


class _Login(asyncssh.SSHServer):
    def __init__(self, server: SshServer) -> None:
        self._server = server
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._server.open.add(conn)
        self._server.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self._server.open.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        return True


async def _feed(source: asyncssh.SSHReader[bytes], into: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncssh.Error, OSError):
        while chunk := await source.read(2**16):
            into.write(chunk)
            await into.drain()
    into.close()


async def _copy(source: asyncio.StreamReader, into: asyncssh.SSHWriter[bytes]) -> None:
    while chunk := await source.read(2**16):
        into.write(chunk)
        await into.drain()
