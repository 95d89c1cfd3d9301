"""SSH to the login node: one connection, few channels, verified host key, limited reconnects.

sshd's default MaxSessions of 10 shows as failed channels, not as a lost connection: back off on the same
connection (docs/slurm.md, 'SSH sessions').
"""

import asyncio
import contextlib
import os
import stat
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import asyncssh
import structlog

from provider_daemon.errors import ConfigError, Transient
from provider_daemon.job.lifecycle import START_SECONDS
from provider_daemon.ports import Clock, ConnectOutcome
from provider_daemon.retry import quickly
from provider_daemon.slurm import login
from provider_daemon.slurm.login import LoginProblem
from provider_daemon.slurm.reconnect import ReconnectLimit
from provider_daemon.slurm.site_connections import SiteConnections, SshCounts
from provider_daemon.slurm.ssh_connect import Connector, Target, talk
from provider_daemon.slurm.streams import ProgramStream, started
from provider_daemon.slurm.transport import CommandResult, command_line, consumed, stdin, with_path

log = structlog.get_logger("provd.ssh")

CHANNELS = 4  # concurrent: the knee of the measured curve, and well below sshd's default MaxSessions
STREAMS = 6  # concurrent, in addition to CHANNELS: together at most MaxSessions
# Bytes: of output that sshd may send ahead, and in one packet. While a reader is slow, twice the window is in
# memory. Larger packets cost less processor time.
STREAM_SIZES = {"window": 1024 * 1024, "max_pktsize": 128 * 1024}
# Longest wait before the second attempt to open a channel; twice that before the third.
CHANNEL_RETRY_SECONDS = 0.4
_LOST = (ConnectOutcome.FAILED, "the connection was lost")


class SshTransport:
    """Exactly one of `known_hosts` (a file) and `host_key_fingerprint` ("SHA256:...") pins the host key.

    The check cannot be disabled. `login_seconds` limits one connection attempt, which continues while
    programs give up after START_SECONDS. `path` lists directories that are put before the login's PATH.
    `certificate_seconds`: `key_file` is a certificate authority's, and each login uses a new key with a
    certificate of this validity. `site`: what all connections to the site share. `idle_seconds`: the
    connection is closed when it was not used for so long; 0 keeps it open.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        user: str,
        key_file: str,
        clock: Clock,
        known_hosts: str = "",
        host_key_fingerprint: str = "",
        login_seconds: float = 30,
        path: Sequence[str] = (),
        certificate_seconds: float = 0,
        site: SiteConnections | None = None,
        idle_seconds: float = 0,
    ) -> None:
        if bool(known_hosts) == bool(host_key_fingerprint):
            raise ConfigError([f"ssh to {host}: give exactly one of known_hosts and host_key_fingerprint"])
        if known_hosts and not Path(known_hosts).is_file():
            raise ConfigError([f"ssh to {host}: known_hosts {known_hosts} does not exist"])
        _check_key_file(key_file)
        self._where = f"{user}@[{host}]:{port}" if ":" in host else f"{user}@{host}:{port}"
        pin = (known_hosts, host_key_fingerprint)
        target = Target(host, port, user, key_file, *pin, login_seconds, certificate_seconds)
        self._connector = Connector(target, clock)
        self._login_seconds = login_seconds
        self._path = tuple(path)
        self._clock = clock
        self._limit = ReconnectLimit()
        self._channels = asyncio.Semaphore(CHANNELS)
        self._streams = asyncio.Semaphore(STREAMS)
        self._opening: asyncio.Task[asyncssh.SSHClientConnection] | None = None
        self._connection: asyncssh.SSHClientConnection | None = None
        self._down = _LOST
        self._site = site or SiteConnections()
        self._site.add(self)
        self._idle_seconds = idle_seconds
        self._busy = 0  # programs that run or wait for a channel
        self._idle_since = 0.0
        self._closing: asyncio.TimerHandle | None = None

    @property
    def counts(self) -> SshCounts:
        return self._site.counts

    async def run(self, program: str, payload: bytes, timeout: float) -> CommandResult:
        program = with_path(program, self._path)
        async with self._channel(command_line(program), self._channels) as process:
            answer = await talk(process, stdin(program, payload), timeout)
        if consumed(answer):
            raise login.raised(*login.STDIN_CONSUMED)
        return answer

    @contextlib.asynccontextmanager
    async def stream(self, program: str) -> AsyncIterator[ProgramStream]:
        program = with_path(program, self._path)
        async with self._channel(command_line(program), self._streams, **STREAM_SIZES) as process:

            async def ended() -> int | None:
                await process.wait_closed()
                return process.exit_status

            pipes = (process.stdin, process.stdout, process.stderr)
            try:
                async with started(ProgramStream(pipes, ended, asyncssh.Error), program) as stream:
                    yield stream
            finally:
                process.close()

    async def connect(self) -> None:
        """Connects, within the time limit of a login. Raises as `run`."""
        await self._opened()

    @contextlib.asynccontextmanager
    async def _channel(
        self, command: str, slots: asyncio.Semaphore, **sizes: int
    ) -> AsyncIterator[asyncssh.SSHClientProcess[bytes]]:
        """START_SECONDS include everything before the program: a free slot, the connection, the channel."""
        taken = False
        self._begin()
        try:
            try:
                async with asyncio.timeout(START_SECONDS):
                    taken = await slots.acquire()
                    process = await self._start(command, **sizes)
            except TimeoutError:
                raise Transient(self._late()) from None
            self.counts.open += 1
            try:
                yield process
            finally:
                self.counts.open -= 1
        finally:
            if taken:
                slots.release()
            self._end()

    def _begin(self) -> None:
        self._busy += 1
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None

    def _end(self) -> None:
        self._busy -= 1
        self._idle_since = self._clock.now()
        if not self._busy:
            self._close_when_idle()

    def _close_when_idle(self) -> None:
        if self._idle_seconds:
            self._closing = asyncio.get_running_loop().call_later(self._idle_seconds, self.disconnect)

    @property
    def idle_since(self) -> float | None:
        """When its last program ended; None if one runs, or if the connection must stay open."""
        return self._idle_since if self._idle_seconds and not self._busy else None

    def disconnect(self) -> None:
        """Closes the connection; the next program opens another one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _late(self) -> str:
        late = f"ssh {self._where}: the command did not start within {START_SECONDS} s"
        if self._opening is None or self._opening.done():
            return late
        return (
            f"{late}: the login is still under way, for at most {self._login_seconds:g} s "
            "(clusters.ssh.login_seconds)"
        )

    async def sessions(self, wanted: int) -> int:
        """Returns how many of `wanted` concurrent channels sshd allows per connection (its MaxSessions)."""
        connection = await self._opened()
        opened: list[asyncssh.SSHClientProcess[bytes]] = []
        try:
            while len(opened) < wanted:
                opened.append(await connection.create_process("exec cat", encoding=None))
        except asyncssh.ChannelOpenError:
            return len(opened)
        except (asyncssh.Error, OSError) as error:
            raise Transient(f"ssh {self._where}: {login.reason(error)}") from None
        finally:
            for process in opened:
                process.close()
            await asyncio.gather(*(process.wait_closed() for process in opened))
        return len(opened)

    async def close(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
        if self._opening is not None:
            self._opening.cancel()
        if self._connection is not None:
            self._connection.close()
            with contextlib.suppress(asyncssh.Error, OSError, TimeoutError):
                async with asyncio.timeout(5):
                    await self._connection.wait_closed()

    async def _start(self, command: str, **sizes: int) -> asyncssh.SSHClientProcess[bytes]:
        """Retries on the same connection while sshd refuses a channel."""
        try:
            return await quickly(
                lambda: self._create(command, **sizes),
                on=asyncssh.ChannelOpenError,
                seconds=CHANNEL_RETRY_SECONDS,
            )
        except asyncssh.ChannelOpenError as error:
            raise Transient(f"ssh {self._where}: no channel: {error.reason}") from None

    async def _create(self, command: str, **sizes: int) -> asyncssh.SSHClientProcess[bytes]:
        connection = await self._opened()
        try:
            process = await connection.create_process(command, encoding=None, **sizes)
        except asyncssh.ChannelOpenError as error:
            self.counts.refused += 1
            if connection.is_closed():
                raise Transient(f"ssh {self._where}: no channel: {error.reason}") from None
            raise
        except (asyncssh.Error, OSError) as error:
            raise Transient(f"ssh {self._where}: the command did not start: {login.reason(error)}") from None
        self.counts.channels += 1
        return process

    @property
    def connected(self) -> bool:
        return self._connection is not None and not self._connection.is_closed()

    async def _opened(self) -> asyncssh.SSHClientConnection:
        """Makes one attempt at a time, which continues when its waiters have given up.

        A login may take longer than a program may wait to start.
        """
        if self._connection is None or not self.connected:
            if self._opening is None or self._opening.done():
                self._opening = asyncio.create_task(self._open())
                self._opening.add_done_callback(_retrieved)
            return await asyncio.shield(self._opening)
        return self._connection

    async def _open(self) -> asyncssh.SSHClientConnection:
        """Between two attempts, raises the outcome and text of the last one."""
        async with self._site.logins:
            others = self._site.failures.wait(self._clock.now())
            if self._limit.wait(self._clock.now()) <= 0 < others:
                raise Transient(
                    f"ssh {self._where}: other logins to the site failed; next attempt in {others:.0f} s"
                )
            if self._limit.wait(self._clock.now()) <= 0 and (connection := await self._attempt()):
                return connection
        outcome, text = self._down
        wait = self._limit.wait(self._clock.now())
        raise login.raised(outcome, f"ssh {self._where}: {text}; next attempt in {wait:.0f} s")

    async def _attempt(self) -> asyncssh.SSHClientConnection | None:
        """Logs in. Returns None after a failure, which `_down` then names."""
        if self._idle_seconds:
            self._site.make_room()
        self._limit.tried(self._clock.now())
        self._down = _LOST
        try:
            connection = await self._connector.open()
        except (asyncssh.Error, OSError, TimeoutError, ValueError, LoginProblem) as error:
            self._down = login.meaning(error, self._login_seconds)
            self._site.failures.failed(self._clock.now())
            self.counts.problems[self._where] = self._down[0]
            self.counts.connects[self._down[0]] += 1
            return None
        self.counts.problems.pop(self._where, None)
        self.counts.connects[ConnectOutcome.CONNECTED] += 1
        log.info("ssh_connected", host=self._where)
        self._connection = connection
        if not self._busy:  # whoever waited for it has given up
            self._close_when_idle()
        return connection


def _retrieved(task: asyncio.Task[asyncssh.SSHClientConnection]) -> None:
    """Marks the exception as retrieved: the next attempt reports a failure that nobody waited for."""
    if not task.cancelled():
        task.exception()


def _check_key_file(path: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise ConfigError([f"ssh key_file {path}: {error.strerror}"]) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError([f"ssh key_file {path} can be read by others: chmod 600 {Path(path).name}"])
