"""SSH to the login node: one connection, few channels, the host key always checked, reconnects bounded.

sshd's default MaxSessions of 10 shows as failed channels, not as a lost connection: back off on the same connection (FACTS.md).
"""

import asyncio
import contextlib
import os
import stat
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import structlog

from provider_daemon.errors import ConfigError, ProvdError, Transient, TurnedAway
from provider_daemon.ports import Clock
from provider_daemon.slurm.reconnect import ReconnectLimit
from provider_daemon.slurm.transport import START_SECONDS, TOO_MUCH, Answer, TooMuch, command_line, keep, stdin

log = structlog.get_logger("provd.ssh")

CHANNELS = 4  # at a time: the knee of the measured curve, and well below sshd's default MaxSessions
CHANNEL_RETRIES = 3
KEEPALIVE_SECONDS = 15
_LOST = Transient("the connection was lost")


class HostKeyMismatch(TurnedAway):
    """The host shows another key than the pinned one."""


@dataclass(slots=True)
class SshCounts:
    """Since the start. `connects`: tries by outcome; `channels` opened, `refused` by sshd, and `open` now."""

    connects: Counter[str] = field(default_factory=Counter)
    channels: int = 0
    refused: int = 0
    open: int = 0


class SshTransport:
    """Exactly one of `known_hosts` (a file) and `host_key_fingerprint` ("SHA256:...") pins the host; there is no way to switch it off."""

    def __init__(
        self, *, host: str, port: int, user: str, key_file: str, clock: Clock, known_hosts: str = "", host_key_fingerprint: str = ""
    ) -> None:
        if bool(known_hosts) == bool(host_key_fingerprint):
            raise ConfigError([f"ssh to {host}: give exactly one of known_hosts and host_key_fingerprint"])
        if known_hosts and not Path(known_hosts).is_file():
            raise ConfigError([f"ssh to {host}: known_hosts {known_hosts} does not exist"])
        _check_key_file(key_file)
        self._where = f"{user}@{host}:{port}"
        self._connect: Callable[[], _Connecting] = lambda: _Connecting(host, port, user, key_file, known_hosts, host_key_fingerprint)
        self._clock = clock
        self._limit = ReconnectLimit()
        self._channels = asyncio.Semaphore(CHANNELS)
        self._opening = asyncio.Lock()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._down: ProvdError = _LOST
        self.counts = SshCounts()

    async def run(self, program: str, payload: bytes, timeout: float) -> Answer:
        async with self._channel(command_line(program)) as process:
            return await _converse(process, stdin(program, payload), timeout)

    @contextlib.asynccontextmanager
    async def _channel(self, command: str) -> AsyncIterator[asyncssh.SSHClientProcess[bytes]]:
        """START_SECONDS cover everything before the program: a free slot, the connection, the channel."""
        taken = False
        try:
            try:
                async with asyncio.timeout(START_SECONDS):
                    taken = await self._channels.acquire()
                    process = await self._start(command)
            except TimeoutError:
                raise Transient(f"ssh {self._where}: the command did not start within {START_SECONDS} s") from None
            self.counts.open += 1
            try:
                yield process
            finally:
                self.counts.open -= 1
        finally:
            if taken:
                self._channels.release()

    async def sessions(self, wanted: int) -> int:
        """How many of `wanted` channels sshd lets us have open at a time on our connection (its MaxSessions)."""
        connection = await self._opened()
        opened: list[asyncssh.SSHClientProcess[bytes]] = []
        try:
            while len(opened) < wanted:
                opened.append(await connection.create_process("exec cat", encoding=None))
        except asyncssh.ChannelOpenError:
            return len(opened)
        except (asyncssh.Error, OSError) as error:
            raise Transient(f"ssh {self._where}: {_reason(error)}") from None
        finally:
            for process in opened:
                process.close()
            await asyncio.gather(*(process.wait_closed() for process in opened))
        return len(opened)

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            with contextlib.suppress(asyncssh.Error, OSError, TimeoutError):
                async with asyncio.timeout(5):
                    await self._connection.wait_closed()

    async def _start(self, command: str) -> asyncssh.SSHClientProcess[bytes]:
        for attempt in range(CHANNEL_RETRIES):
            connection = await self._opened()
            try:
                process = await connection.create_process(command, encoding=None)
                self.counts.channels += 1
                return process
            except asyncssh.ChannelOpenError as error:
                self.counts.refused += 1
                if connection.is_closed() or attempt == CHANNEL_RETRIES - 1:
                    raise Transient(f"ssh {self._where}: no channel: {error.reason}") from None
                await asyncio.sleep(0.2 * 2**attempt)
            except (asyncssh.Error, OSError) as error:
                raise Transient(f"ssh {self._where}: the command did not start: {_reason(error)}") from None
        raise Transient(f"ssh {self._where}: no channel")

    async def _opened(self) -> asyncssh.SSHClientConnection:
        async with self._opening:
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._open()
            return self._connection

    async def _open(self) -> asyncssh.SSHClientConnection:
        """Between two tries what became of the last one stands, in its own class and words."""
        if self._limit.wait(self._clock.now()) <= 0:
            self._limit.tried(self._clock.now())
            self._down = _LOST
            try:
                connection = await self._connect().open()
            except (asyncssh.Error, OSError, TimeoutError, ValueError) as error:
                self._down, outcome = _meaning(error)
                self.counts.connects[outcome] += 1
            else:
                self.counts.connects["connected"] += 1
                log.info("ssh_connected", host=self._where)
                return connection
        wait = self._limit.wait(self._clock.now())
        raise type(self._down)(f"ssh {self._where}: {self._down}; next try in {wait:.0f} s")


class _Connecting:
    """One try. Nothing of the daemon's own environment or ~/.ssh plays a part; neither need be there or readable."""

    def __init__(self, host: str, port: int, user: str, key_file: str, known_hosts: str, fingerprint: str) -> None:
        self._host, self._port, self._user, self._key_file = host, port, user, key_file
        self._known_hosts, self._fingerprint = known_hosts, fingerprint

    async def open(self) -> asyncssh.SSHClientConnection:
        client = asyncssh.SSHClient if self._known_hosts else lambda: _PinnedClient(self._fingerprint)
        connection, _ = await asyncssh.create_connection(
            client,
            self._host,
            self._port,
            username=self._user,
            client_keys=[self._key_file],
            agent_path=None,
            config=None,
            # An empty list of trusted keys sends every host key to _PinnedClient.validate_host_public_key.
            known_hosts=self._known_hosts or ([], [], []),
            # Left out, ~/.ssh/ca-bundle.crt and ~/.ssh/crt would vouch for any host.
            x509_trusted_certs=None,
            x509_trusted_cert_paths=[],
            send_env=(),
            connect_timeout=START_SECONDS - 5,
            login_timeout=START_SECONDS - 5,
            keepalive_interval=KEEPALIVE_SECONDS,
        )
        return connection


class _PinnedClient(asyncssh.SSHClient):
    """Trusts the one key whose fingerprint was given."""

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        return key.get_fingerprint() == self._fingerprint


def _check_key_file(path: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise ConfigError([f"ssh key_file {path}: {error.strerror}"]) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError([f"ssh key_file {path} can be read by others: chmod 600 {Path(path).name}"])


async def _converse(process: asyncssh.SSHClientProcess[bytes], text: bytes, seconds: float) -> Answer:
    """Whatever arrives in time; exit code None when it is not all."""
    out, err = bytearray(), bytearray()
    try:
        async with asyncio.timeout(seconds):
            async with asyncio.TaskGroup() as group:
                for work in (_feed(process.stdin, text), _collect(process.stdout, out), _collect(process.stderr, err)):
                    group.create_task(work)
            await process.wait_closed()
        code = process.exit_status
    except* (TimeoutError, asyncssh.Error, OSError):
        code = None
    except* TooMuch:
        code, err = None, bytearray(TOO_MUCH)
    finally:
        process.close()
    return Answer(code, out.decode(errors="replace"), err.decode(errors="replace"))


async def _feed(pipe: asyncssh.SSHWriter[bytes], text: bytes) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        pipe.write(text)
        await pipe.drain()
        pipe.write_eof()


async def _collect(pipe: asyncssh.SSHReader[bytes], into: bytearray) -> None:
    while chunk := await pipe.read(2**16):
        keep(chunk, into)


def _meaning(error: Exception) -> tuple[ProvdError, str]:
    """Why no connection came about, in a sentence and in a word."""
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return HostKeyMismatch(
            f"the host key is not the pinned one ({error.reason}): check the host, then the configuration"
        ), "host_key_mismatch"
    if isinstance(error, asyncssh.PermissionDenied):
        return TurnedAway(f"the login is refused ({error.reason}): check user and key_file"), "login_refused"
    if isinstance(error, ValueError):  # what asyncssh raises for files that it cannot parse
        return TurnedAway(f"key_file or known_hosts cannot be read: {_reason(error)}"), "failed"
    return Transient(_reason(error)), "failed"


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return " ".join(str(getattr(error, "reason", "") or error).split())[:200] or type(error).__name__
