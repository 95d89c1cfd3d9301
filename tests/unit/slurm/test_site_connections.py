"""Many users at one site: how many connections there are, and what failed logins of some mean for others."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest

from provider_daemon.errors import Transient
from provider_daemon.ports import ConnectOutcome
from provider_daemon.slurm.login import LoginError
from provider_daemon.slurm.reconnect import FAILURES_A_MINUTE
from provider_daemon.slurm.site_connections import LOGINS_AT_ONCE, SiteConnections
from provider_daemon.slurm.ssh import SshTransport
from tests.unit.slurm.sshd import Site, until


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(tmp_path)
    await made.start()
    yield made
    made.server.close()


def users(site: Site, count: int, shared: SiteConnections, **changes: object) -> list[SshTransport]:
    options = {"site": shared, "idle_seconds": 300}
    return [site.transport(**{"user": f"c{number:03}", **options, **changes}) for number in range(count)]


async def run(transport: SshTransport) -> str:
    return (await transport.run("echo yes\n", b"", 10)).stdout


async def test_the_longest_idle_connection_makes_room(site: Site) -> None:
    """However many users take turns, no more connections than the limit are open, and each user is served."""
    shared = SiteConnections(most=3)
    made = users(site, 5, shared)
    for number, transport in enumerate(made):
        site.clock.time += 1
        assert await run(transport) == "yes\n"
        assert shared.counts.connections == min(number + 1, 3)
    assert [transport.connected for transport in made] == [False, False, True, True, True]
    for transport in made:
        await transport.close()


async def test_a_connection_in_use_is_not_closed_for_another(site: Site) -> None:
    """While all connections are in use, the next user waits for the next tick; the main login never does."""
    shared = SiteConnections(most=1)
    first, second = users(site, 2, shared)
    site.hold.clear()
    running = asyncio.create_task(run(first))
    await until(lambda: site.sessions == 1)
    with pytest.raises(Transient, match="all 1 connections"):
        await run(second)
    main = site.transport(site=shared)
    waiting = asyncio.create_task(run(main))
    await until(lambda: site.sessions == 2)
    site.hold.set()
    assert list(await asyncio.gather(running, waiting)) == ["yes\n", "yes\n"]
    for transport in (first, second, main):
        await transport.close()


async def test_an_idle_connection_is_closed(site: Site) -> None:
    """After the idle time the connection ends, and the next command opens another one."""
    (transport,) = users(site, 1, SiteConnections(), idle_seconds=0.01)
    await run(transport)
    await until(lambda: not transport.connected)
    assert await run(transport) == "yes\n"
    assert site.logins == 2
    await transport.close()


async def test_failed_logins_count_for_the_whole_site(site: Site) -> None:
    """50 users whose logins fail make about as many attempts a minute as one, and one metric knows why."""
    shared = SiteConnections()
    made = users(site, 50, shared)
    port, site.port = site.port, 1  # nobody listens there
    for transport in users(site, 50, shared):
        with pytest.raises(Transient):
            await run(transport)
    assert shared.counts.connects == {ConnectOutcome.FAILED: FAILURES_A_MINUTE}
    assert shared.counts.problem is ConnectOutcome.FAILED
    with pytest.raises(Transient, match="other logins to the site failed; next attempt in 60 s"):
        await run(made[0])
    site.port = port
    site.clock.time += 60
    assert await run(made[0]) == "yes\n"
    await made[0].close()


async def test_a_refused_user_does_not_stop_the_others(site: Site, tmp_path: Path) -> None:
    """A user that the site does not know is refused at each attempt; the others log in meanwhile."""
    other = tmp_path / "other"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(other))
    other.chmod(0o600)
    shared = SiteConnections()
    (refused,) = users(site, 1, shared, key_file=str(other), user="unknown")
    (good,) = users(site, 1, shared)
    for _ in range(2):
        with pytest.raises(LoginError):
            await run(refused)
        site.clock.time += 31
    assert await run(good) == "yes\n"
    assert shared.counts.problem is ConnectOutcome.LOGIN_REFUSED
    await good.close()


async def test_few_logins_at_a_time(site: Site) -> None:
    """sshd drops connections when many have not logged in yet."""
    shared = SiteConnections()
    made = users(site, 3 * LOGINS_AT_ONCE, shared)
    most = 0

    async def watched(transport: SshTransport) -> None:
        nonlocal most
        running = asyncio.create_task(run(transport))
        while not running.done():
            most = max(most, site.logins - shared.counts.connections)
            await asyncio.sleep(0)
        assert running.result() == "yes\n"

    await asyncio.gather(*map(watched, made))
    assert 1 <= most <= LOGINS_AT_ONCE
    for transport in made:
        await transport.close()
