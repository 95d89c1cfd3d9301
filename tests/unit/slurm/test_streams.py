"""Programs with long input and output, over both transports."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from provider_daemon.clock import SystemClock
from provider_daemon.errors import Transient
from provider_daemon.lab.simulated.ssh import SshServer
from provider_daemon.slurm.local import LocalTransport
from provider_daemon.slurm.ssh import STREAMS, SshTransport
from provider_daemon.slurm.transport import StreamingTransport


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[SshServer]:
    made = SshServer(tmp_path / "keys", "customer", {"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    await made.start()
    yield made
    await made.stop()


@pytest.fixture(params=["local", "ssh"])
async def transport(request: pytest.FixtureRequest, server: SshServer) -> AsyncIterator[StreamingTransport]:
    if request.param == "local":
        yield LocalTransport()
        return
    made = over_ssh(server)
    yield made
    await made.close()


def over_ssh(server: SshServer) -> SshTransport:
    return SshTransport(clock=SystemClock(), **server.ssh)  # type: ignore[arg-type] # by name


async def test_conversation(transport: StreamingTransport) -> None:
    """Input and output alternate, stdout and stderr are apart, and the exit code is the program's."""
    async with transport.stream("head -c 3; echo; echo problem >&2; cat; exit 5\n") as stream:
        await stream.write(b"ab", b"c")
        assert await stream.read_exactly(4) == b"abc\n"
        assert not stream.ended
        await stream.write(b"rest")
        stream.write_eof()
        assert await stream.read_exactly(4) == b"rest"
        assert await stream.read(10) == b""
        assert stream.ended
        assert (await stream.exit_code(), stream.stderr) == (5, "problem\n")


async def test_more_than_any_buffer(transport: StreamingTransport) -> None:
    """Neither direction has a limit of size: what is written comes back while more is written."""
    whole = os.urandom(1_000_000) * 40
    async with transport.stream("cat\n") as stream:

        async def feed() -> None:
            for start in range(0, len(whole), 100_000):
                await stream.write(whole[start : start + 100_000])
            stream.write_eof()

        feeding = asyncio.create_task(feed())
        got = bytearray()
        while chunk := await stream.read(2**18):
            assert len(chunk) <= 2**18
            got += chunk
        await feeding
    assert got == whole


async def test_program_that_ends_early(transport: StreamingTransport) -> None:
    """Missing output is a transient failure that quotes stderr; leaving the context ends the program."""
    async with transport.stream("echo 'disk on fire' >&2; exit 1\n") as stream:
        with pytest.raises(Transient, match="disk on fire"):
            await stream.read_exactly(1)
    async with transport.stream("sleep 600\n") as stream:
        assert not stream.ended


async def test_flood_of_errors(transport: StreamingTransport) -> None:
    """Only the start of stderr is kept, and the rest does not block the program."""
    async with transport.stream("head -c 3000000 /dev/zero >&2; echo done\n") as stream:
        assert await stream.read_exactly(5) == b"done\n"
        await stream.exit_code()
        assert 0 < len(stream.stderr) <= 16 * 1024


async def test_lost_connection(server: SshServer) -> None:
    """A stream whose connection is lost fails as transient, in both directions."""
    transport = over_ssh(server)
    async with transport.stream("cat\n") as stream:
        await stream.write(b"x")
        await stream.read_exactly(1)
        await server.cut()
        with pytest.raises(Transient):
            await stream.read_exactly(1)
        with pytest.raises(Transient):
            await stream.write(bytes(2**20))
        assert await stream.exit_code() is None
    await transport.close()


async def test_streams_leave_channels_for_commands(server: SshServer) -> None:
    """With every stream in use a command still runs; one more stream waits for its turn."""
    transport = over_ssh(server)
    opened = [transport.stream("cat\n") for _ in range(STREAMS)]
    for each in opened:
        await each.__aenter__()
    assert (await transport.run("echo fine\n", b"", 10)).stdout == "fine\n"
    more = asyncio.create_task(transport.stream("cat\n").__aenter__())
    assert (await transport.run("echo fine\n", b"", 10)).stdout == "fine\n"
    assert not more.done()
    await opened[0].__aexit__(None, None, None)
    await more
    await transport.close()
    assert transport.counts.channels == STREAMS + 3


async def test_shell_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that cannot be started is a transient failure."""

    async def refuse(*_: object, **__: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refuse)
    with pytest.raises(Transient, match="Cannot allocate memory"):
        async with LocalTransport().stream("cat\n"):
            pass


async def test_cipher(server: SshServer) -> None:
    """The fastest cipher is preferred, and others stay possible."""
    transport = over_ssh(server)
    await transport.connect()
    (connection,) = server.open
    assert connection.get_extra_info("send_cipher") == "aes128-gcm@openssh.com"
    await transport.close()
