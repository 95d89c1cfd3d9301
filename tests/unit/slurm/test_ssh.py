"""The SSH transport against a real SSH server in this process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from provider_daemon.errors import ConfigError, Transient, Unreadable
from provider_daemon.slurm import ssh
from provider_daemon.slurm import transport as module
from provider_daemon.slurm.reconnect import ReconnectLimit
from provider_daemon.slurm.ssh import CHANNELS, SshTransport

PROGRAM = "cat; echo err >&2; exit 3\n"


class Clock:
    """Stands still until it is moved."""

    time = 1000.0

    def now(self) -> float:
        return self.time


class Site:
    """A login node: runs every command with /bin/sh, or answers as a test says; counts logins and sessions at a time."""

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

    async def start(self) -> None:
        site = self

        class Server(asyncssh.SSHServer):
            def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
                site.logins += 1
                site.connections.append(conn)

            def session_requested(self) -> asyncssh.SSHServerProcess[bytes] | bool:
                if site.refusals:
                    site.refusals -= 1
                    raise asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, "no more sessions")
                return asyncssh.SSHServerProcess(site.process, None, 3, False)

        self.server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=Server,
            server_host_keys=[self.host_key],
            authorized_client_keys=str(self.authorized),
            encoding=None,
        )
        self.port = self.server.sockets[0].getsockname()[1]

    async def process(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        self.commands.append(process.command or "")
        self.environments.append(dict(process.env))
        self.sessions += 1
        self.most_sessions = max(self.most_sessions, self.sessions)
        try:
            await self.hold.wait()
            inner = await asyncio.create_subprocess_exec("/bin/sh", "-c", process.command or "", stdin=-1, stdout=-1, stderr=-1)
            out, err = await inner.communicate(await process.stdin.read())
            with contextlib.suppress(OSError):
                process.stdout.write(out)
                process.stderr.write(err)
                process.exit(inner.returncode or 0)
        finally:
            self.sessions -= 1

    def transport(self, **changes: str) -> SshTransport:
        options: dict[str, Any] = {"host": "127.0.0.1", "port": self.port, "user": "provd", "key_file": str(self.key), "clock": self.clock}
        pin = {} if "known_hosts" in changes else {"host_key_fingerprint": self.host_key.get_fingerprint()}
        return SshTransport(**(options | pin | changes))


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(tmp_path)
    await made.start()
    yield made
    made.hold.set()
    made.server.close()
    for connection in made.connections:
        connection.abort()


async def test_answer_comes_back_apart(site: Site) -> None:
    """stdout, stderr and the exit code are three things; the payload arrives whole; no variable of ours travels."""
    transport = site.transport()
    payload = bytes(range(1, 128)) * 5000
    answer = await transport.run(PROGRAM, payload, 10)
    assert (answer.exit_code, answer.stdout.encode(), answer.stderr) == (3, payload, "err\n")
    assert site.environments == [{}]
    await transport.close()


async def test_command_line_holds_nothing_but_a_length(site: Site) -> None:
    """Whatever is run, the far shell reads the same few words."""
    transport = site.transport()
    await transport.run("echo 'secret'\n", b"hostile", 10)
    assert site.commands == ["""exec /bin/sh -c 'eval "$(head -c 14)"'"""]
    await transport.close()


async def test_pinned_fingerprint_that_differs(site: Site) -> None:
    """Another host key is never accepted, and an operator hears of it."""
    other = asyncssh.generate_private_key("ssh-ed25519").get_fingerprint()
    with pytest.raises(Unreadable, match="host key"):
        await site.transport(host_key_fingerprint=other).run(PROGRAM, b"", 10)
    assert site.commands == []


async def test_known_hosts(site: Site, tmp_path: Path) -> None:
    """A file that holds the key is believed; one that holds another, or none for this host, is not."""
    file = tmp_path / "known_hosts"
    file.write_bytes(f"[127.0.0.1]:{site.port} ".encode() + site.host_key.export_public_key())
    transport = site.transport(known_hosts=str(file))
    assert (await transport.run(PROGRAM, b"", 10)).exit_code == 3
    await transport.close()
    for text in (b"", f"[127.0.0.1]:{site.port} ".encode() + asyncssh.generate_private_key("ssh-ed25519").export_public_key()):
        file.write_bytes(text)
        with pytest.raises(Unreadable, match="host key"):
            await site.transport(known_hosts=str(file)).run(PROGRAM, b"", 10)


async def test_files_that_are_no_keys(site: Site, tmp_path: Path) -> None:
    """A key file and a known_hosts file that hold something else are the operator's to mend, and told as that."""
    file = tmp_path / "file"
    file.write_text("11" * 32)
    file.chmod(0o600)
    for changes in ({"key_file": str(file)}, {"known_hosts": str(file)}):
        with pytest.raises(Unreadable, match="key_file or known_hosts cannot be read"):
            await site.transport(**changes).run(PROGRAM, b"", 10)


async def test_sessions(site: Site) -> None:
    """As many as are wanted, or as sshd lets us have; the connection goes on either way."""
    transport = site.transport()
    assert await transport.sessions(CHANNELS) == CHANNELS
    site.refusals = 1
    assert await transport.sessions(CHANNELS) == 0
    assert (await transport.run(PROGRAM, b"", 10)).exit_code == 3
    await transport.close()


async def test_there_is_no_way_without_a_host_key(site: Site, tmp_path: Path) -> None:
    """Neither pin, both pins, or a file that is not there: refused before anything is sent."""
    both = {"known_hosts": str(site.authorized), "host_key_fingerprint": "SHA256:x"}
    for pins in ({"host_key_fingerprint": ""}, both, {"known_hosts": str(tmp_path / "none")}):
        with pytest.raises(ConfigError, match="known_hosts"):
            site.transport(**pins)


async def test_private_key_that_others_may_read(site: Site) -> None:
    """It is no secret any more, so it is not used."""
    site.key.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        site.transport()


async def test_login_refused(site: Site) -> None:
    """A key that the site does not know is an operator's matter, not a passing trouble."""
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(site.key))
    with pytest.raises(Unreadable, match="login is refused"):
        await site.transport().run(PROGRAM, b"", 10)


async def test_one_connection_few_channels(site: Site) -> None:
    """Twenty programs at once share one login and never more than CHANNELS sessions."""
    transport = site.transport()
    answers = await asyncio.gather(*(transport.run(PROGRAM, b"%d" % number, 10) for number in range(20)))
    assert [answer.stdout for answer in answers] == [str(number) for number in range(20)]
    assert (site.logins, site.most_sessions) == (1, CHANNELS)
    await transport.close()


async def test_refused_channel_is_no_lost_connection(site: Site) -> None:
    """sshd's MaxSessions: wait, and ask again on the same connection."""
    site.refusals = 1
    transport = site.transport()
    assert (await transport.run(PROGRAM, b"", 10)).exit_code == 3
    assert site.logins == 1
    await transport.close()


async def test_channels_refused_for_good(site: Site) -> None:
    """A site that opens none is down for this tick; the slot is free again afterwards."""
    site.refusals = 3
    transport = site.transport()
    with pytest.raises(Transient, match="no channel"):
        await transport.run(PROGRAM, b"", 10)
    assert (await transport.run(PROGRAM, b"", 10)).exit_code == 3
    await transport.close()


async def test_connects_and_channels_are_counted(site: Site) -> None:
    """Each try by its outcome, each channel, each refusal; and how many are open now."""
    site.refusals = 1
    transport = site.transport()
    site.hold.clear()
    running = asyncio.create_task(transport.run(PROGRAM, b"", 10))
    async with asyncio.timeout(10):
        while not transport.counts.open:
            await asyncio.sleep(0.01)
    site.hold.set()
    await running
    counts = transport.counts
    assert (dict(counts.connects), counts.channels, counts.refused, counts.open) == ({"connected": 1}, 1, 1, 0)
    await transport.close()


async def test_failed_connects_by_their_cause(site: Site) -> None:
    """A host that is not there, one with another key, one that knows not ours."""
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(site.key))
    strangers = site.transport()
    with pytest.raises(Unreadable):
        await strangers.run(PROGRAM, b"", 10)
    assert dict(strangers.counts.connects) == {"login_refused": 1}
    site.host_key = asyncssh.generate_private_key("ssh-ed25519")
    other = site.transport()
    with pytest.raises(Unreadable):
        await other.run(PROGRAM, b"", 10)
    assert dict(other.counts.connects) == {"host_key_mismatch": 1}
    site.server.close()
    await site.server.wait_closed()
    gone = site.transport()
    with pytest.raises(Transient):
        await gone.run(PROGRAM, b"", 10)
    assert dict(gone.counts.connects) == {"failed": 1}


async def test_lost_connection_marks_the_answer_cut(site: Site) -> None:
    """The program may have gone on: the answer says so, and the next program gets a new connection."""
    transport = site.transport()
    site.hold.clear()
    running = asyncio.ensure_future(transport.run(PROGRAM, b"", 10))
    while not site.commands:
        await asyncio.sleep(0)
    site.connections[0].abort()
    assert (await running).exit_code is None
    site.hold.set()
    assert (await transport.run(PROGRAM, b"", 10)).exit_code == 3
    assert site.logins == 2
    await transport.close()


async def test_time_out_marks_the_answer_cut(site: Site) -> None:
    """A program that says nothing in time is given up, its slot is free, the connection stays."""
    transport = site.transport()
    site.hold.clear()
    assert (await transport.run(PROGRAM, b"", 0.05)).exit_code is None
    site.hold.set()
    assert (await transport.run(PROGRAM, b"", 10)).exit_code == 3
    assert site.logins == 1
    await transport.close()


async def test_waiting_for_a_slot_counts_as_not_begun(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that found no slot in time never runs late."""
    transport = site.transport()
    await transport.run(PROGRAM, b"", 10)
    site.hold.clear()
    busy = [asyncio.ensure_future(transport.run(PROGRAM, b"", 10)) for _ in range(CHANNELS)]
    while site.sessions < CHANNELS:
        await asyncio.sleep(0)
    monkeypatch.setattr(ssh, "START_SECONDS", 0.05)
    begun = len(site.commands)
    with pytest.raises(Transient, match="did not start"):
        await transport.run(PROGRAM, b"", 10)
    site.hold.set()
    await asyncio.gather(*busy)
    assert len(site.commands) == begun
    await transport.close()


async def test_reconnects_are_bounded(site: Site) -> None:
    """A site that is down is tried once and then twice a minute, however often we are asked."""
    site.server.close()
    await site.server.wait_closed()
    transport = site.transport()
    for _ in range(3):
        with pytest.raises(Transient, match="provd@127"):
            await transport.run(PROGRAM, b"", 10)
    for _ in range(5):
        with pytest.raises(Transient, match=r"failed.*; next try in [1-9]"):
            await transport.run(PROGRAM, b"", 10)


def test_reconnect_limit() -> None:
    """The first try is free; beside it there are never more than two in any minute, however long the site is down."""
    limit, tried = ReconnectLimit(), []
    for second in range(600):
        if limit.wait(second) == 0:
            limit.tried(second)
            tried.append(second)
    assert tried[:3] == [0, 1, 2]
    assert all(sum(start <= second < start + 60 for second in tried[1:]) <= 2 for start in range(600))


async def test_flood_is_cut(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login node that never ends its answer fills no memory, and the connection goes on."""
    monkeypatch.setattr(module, "MAX_ANSWER", 300_000)
    transport = site.transport()
    for flood in ("head -c 3000000 /dev/zero\n", "head -c 3000000 /dev/zero >&2\n"):
        answer = await transport.run(flood, b"", 10)
        assert (answer.exit_code, len(answer.stdout) <= 300_000, "over" in answer.stderr) == (None, True, True)
    assert (await transport.run("echo fine\n", b"", 10)).stdout == "fine\n"
    assert site.logins == 1
    await transport.close()
