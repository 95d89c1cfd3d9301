"""The one SSH connection: its channels, how it is lost, made again and counted."""

import asyncio

import asyncssh
import pytest

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.slurm import ssh
from provider_daemon.slurm.reconnect import ReconnectLimit
from provider_daemon.slurm.ssh import CHANNELS
from tests.unit.slurm.sshd import PROGRAM, Site


async def test_sessions(site: Site) -> None:
    """As many as are wanted, or as sshd lets us have; the connection goes on either way."""
    transport = site.transport()
    assert await transport.sessions(CHANNELS) == CHANNELS
    site.refusals = 1
    assert await transport.sessions(CHANNELS) == 0
    assert (await transport.run(PROGRAM, b"", 10)).exit_code == 3
    await transport.close()


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
    assert (dict(counts.connects), counts.channels, counts.refused, counts.open) == (
        {"connected": 1},
        1,
        1,
        0,
    )
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
        with pytest.raises(Transient, match=r"failed.*; next attempt in [1-9]"):
            await transport.run(PROGRAM, b"", 10)


def test_reconnect_limit() -> None:
    """The first try is free; beside it there are never more than two in any minute, however long the site is
    down."""
    limit, tried = ReconnectLimit(), []
    for second in range(600):
        if limit.wait(second) == 0:
            limit.tried(second)
            tried.append(second)
    assert tried[:3] == [0, 1, 2]
    assert all(sum(start <= second < start + 60 for second in tried[1:]) <= 2 for start in range(600))
