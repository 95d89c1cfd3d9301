"""One connection attempt: verifies the host key, logs in and runs a test command (failures: login.py)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import asyncssh
import structlog

from provider_daemon.ports import Clock, ConnectOutcome
from provider_daemon.slurm import known_hosts, login
from provider_daemon.slurm.certificates import client_keys
from provider_daemon.slurm.conversation import converse
from provider_daemon.slurm.known_hosts import KnownHosts
from provider_daemon.slurm.login import LoginProblem
from provider_daemon.slurm.transport import CommandResult, command_line, stdin

log = structlog.get_logger("provd.ssh")

KEEPALIVE_SECONDS = 15
# Before asyncssh's own list: twice as fast as chacha20-poly1305 where the processor has AES instructions.
PREFERRED_CIPHER = "^aes128-gcm@openssh.com"
PROBE_SECONDS = 300  # the login's time limit ends it earlier
# Types of host keys, those of a new sshd first. A fingerprint does not name the type, and sshd shows one key
# per connection.
HOST_KEY_ALGORITHMS: dict[str, tuple[str, ...]] = {
    "ed25519": ("ssh-ed25519",),
    "ecdsa": ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    "rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}

Trusted = asyncssh.SSHKnownHosts | tuple[list[str], list[str], list[str]]


@dataclass(frozen=True, slots=True)
class Target:
    """Login parameters.

    Exactly one of `known_hosts` and `fingerprint` is set. `seconds` limits an attempt. With
    `certificate_seconds`, `key_file` is the key of a certificate authority that the site trusts.
    """

    host: str
    port: int
    user: str
    key_file: str
    known_hosts: str
    fingerprint: str
    seconds: float
    certificate_seconds: float = 0


class Connector:
    """Connects to one target, and remembers which type of host key was the pinned one."""

    def __init__(self, target: Target, clock: Clock) -> None:
        self._target = target
        self._clock = clock
        self._types = list(HOST_KEY_ALGORITHMS)

    async def open(self) -> asyncssh.SSHClientConnection:
        """Returns a connection on which a test command ran. login.meaning classifies the exceptions."""
        async with asyncio.timeout(self._target.seconds):
            connection = await (self._pinned() if self._target.fingerprint else self._known())
            try:
                await _probe(connection)
            except BaseException:
                connection.abort()
                raise
            return connection

    async def _known(self) -> asyncssh.SSHClientConnection:
        target = self._target
        try:
            listed = known_hosts.read(target.known_hosts)
        except OSError as error:
            raise LoginProblem(
                ConnectOutcome.UNUSABLE_FILE, f"known_hosts {target.known_hosts}: {error.strerror}"
            ) from None
        except ValueError as error:
            raise LoginProblem(ConnectOutcome.UNUSABLE_FILE, f"known_hosts {error}") from None
        if listed.torn:
            log.warning(
                "known_hosts_line_unreadable",
                file=target.known_hosts,
                lines=listed.torn[:5],
                next="these lines are ignored, the other lines are used; repair or remove them",
            )
        try:
            return await self._connect(_Client(), listed.hosts)
        except asyncssh.HostKeyNotVerifiable as error:
            raise LoginProblem(
                ConnectOutcome.HOST_KEY_MISMATCH, _not_listed(target, listed, error.reason)
            ) from None

    async def _pinned(self) -> asyncssh.SSHClientConnection:
        """Tries each type of host key on a connection of its own, until sshd shows the pinned key."""
        shown, failure = list[str](), None
        for kind in tuple(self._types):
            client = _Client(self._target.fingerprint)
            try:
                connection = await self._connect(client, ([], [], []), HOST_KEY_ALGORITHMS[kind])
            except asyncssh.HostKeyNotVerifiable:
                shown.append(client.shown)
            except asyncssh.KeyExchangeFailed as error:  # sshd has no key of this type
                failure = error
            else:
                self._types.sort(key=lambda other: other != kind)
                return connection
        if failure and not shown:
            raise failure
        seen = ", ".join(shown)
        text = (
            f"the host key is not the pinned one {self._target.fingerprint}: the host shows {seen}; "
            "check the host before you pin it"
        )
        raise LoginProblem(ConnectOutcome.HOST_KEY_MISMATCH, text)

    async def _connect(
        self, client: "_Client", trusted: Trusted, algorithms: Sequence[str] = ()
    ) -> asyncssh.SSHClientConnection:
        """Uses nothing of the daemon's environment or ~/.ssh; neither needs to exist or be readable."""
        target = self._target
        keys = client_keys(target.key_file, target.certificate_seconds, target.user, self._clock.now())
        try:
            connection, _ = await asyncssh.create_connection(
                lambda: client,
                target.host,
                target.port,
                username=target.user,
                client_keys=keys,
                agent_path=None,
                config=None,
                # Empty lists of trusted keys send every host key to _Client.validate_host_public_key.
                known_hosts=trusted,
                server_host_key_algs=algorithms,
                # If omitted, ~/.ssh/ca-bundle.crt and ~/.ssh/crt could certify any host.
                x509_trusted_certs=None,
                x509_trusted_cert_paths=[],
                send_env=(),
                utf8_decode_errors="replace",  # banners may have any encoding
                encryption_algs=PREFERRED_CIPHER,
                login_timeout=target.seconds,
                keepalive_interval=KEEPALIVE_SECONDS,
            )
        except asyncssh.PermissionDenied:
            if client.asked_for_more:
                raise login.second_factor(target.user) from None
            if target.certificate_seconds:
                raise login.certificate_refused(target.user) from None
            raise
        return connection


class _Client(asyncssh.SSHClient):
    """Trusts only the key with the given fingerprint; `shown` is the key that the host presented.

    `asked_for_more` means that sshd asks for another method although it did not refuse all keys: it accepted
    one of them.
    """

    def __init__(self, fingerprint: str = "") -> None:
        self._fingerprint = fingerprint
        self._refused = False
        self.shown = ""
        self.asked_for_more = False

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.shown = f"{key.get_algorithm()} {key.get_fingerprint()}"
        return bool(self._fingerprint) and key.get_fingerprint() == self._fingerprint

    def public_key_auth_requested(self) -> None:
        """asyncssh requests further keys only after sshd refused the previous one."""
        self._refused = True

    def kbdint_auth_requested(self) -> None:
        self.asked_for_more = not self._refused

    def password_auth_requested(self) -> None:
        self.asked_for_more = not self._refused


async def talk(process: asyncssh.SSHClientProcess[bytes], text: bytes, seconds: float) -> CommandResult:
    """Runs one program over its channel, then closes the channel."""

    async def ended() -> int | None:
        await process.wait_closed()
        return process.exit_status

    pipes = (process.stdin, process.stdout, process.stderr)
    try:
        return await converse(pipes, ended, text, seconds, lost=asyncssh.Error)
    finally:
        process.close()


async def _probe(connection: asyncssh.SSHClientConnection) -> None:
    """Runs a test command: a successful login does not prove that the account may run commands."""
    process = await connection.create_process(command_line(login.PROBE), encoding=None)
    login.check_probe(await talk(process, stdin(login.PROBE, b""), PROBE_SECONDS))


def _not_listed(target: Target, listed: KnownHosts, why: str) -> str:
    torn = f"; {known_hosts.lines(listed.torn)} of it cannot be read" if listed.torn else ""
    return (
        f"the host key is not in known_hosts {target.known_hosts} ({why}){torn}: check the host, then "
        "the file"
    )
