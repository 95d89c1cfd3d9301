"""Logins with certificates: a new key each time, certified for minutes, for one purpose."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from provider_daemon import names
from provider_daemon.ports import ConnectOutcome
from provider_daemon.slurm import ssh_connect
from provider_daemon.slurm.certificates import SKEW_SECONDS, client_keys
from provider_daemon.slurm.login import LoginError
from tests.unit.slurm.sshd import Site, until


@pytest.fixture
async def trusting(tmp_path: Path) -> AsyncIterator[Site]:
    """A site whose sshd trusts certificates of the authority in `site.key`, and no key."""
    site = Site(tmp_path)
    site.clock.time = time.time()
    trusted = site.authorized.read_text()
    site.authorized.write_text(f'cert-authority,principals="{names.PRINCIPAL}" {trusted}')
    await site.start()
    yield site
    site.server.close()


def certified(site: Site, seconds: float, now: float) -> Any:
    (made,) = client_keys(str(site.key), seconds, "c001", now)
    assert not isinstance(made, str)
    return made


async def test_the_authoritys_own_key_is_no_login(trusting: Site) -> None:
    """Only a certificate is accepted, for any user that the site gives the principal."""
    transport = trusting.transport(user="c001", certificate_seconds=600)
    assert (await transport.run("echo hello\n", b"", 10)).stdout == "hello\n"
    await transport.close()
    plain = trusting.transport(user="c001")
    with pytest.raises(LoginError) as caught:
        await plain.run("true\n", b"", 10)
    assert caught.value.outcome is ConnectOutcome.LOGIN_REFUSED


def test_what_a_certificate_permits(trusting: Site) -> None:
    """It has a key of its own and one principal, and permits no forwarding, terminal or login file."""
    now = time.time()
    (key, certificate), (other, _) = certified(trusting, 600, now), certified(trusting, 600, now)
    assert key.public_data != other.public_data
    assert certificate.principals == [names.PRINCIPAL]
    assert certificate.options == {}


@pytest.mark.parametrize(
    ("shift", "problem"),
    [(0, ""), (SKEW_SECONDS - 5, ""), (SKEW_SECONDS + 5, "not yet valid"), (-590, ""), (-605, "expired")],
)
def test_how_long_a_certificate_is_valid(trusting: Site, shift: int, problem: str) -> None:
    """From a little before its login, as clocks differ, for the configured time."""
    _, certificate = certified(trusting, 600, time.time() + shift)
    if problem:
        with pytest.raises(ValueError, match=problem):
            certificate.validate(asyncssh.public_key.CERT_TYPE_USER, names.PRINCIPAL)
    else:
        certificate.validate(asyncssh.public_key.CERT_TYPE_USER, names.PRINCIPAL)


async def test_a_new_certificate_for_each_login(trusting: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a lost connection the next login does not use the old certificate, which may have expired."""
    made = list[object]()

    def noted(*arguments: object) -> object:
        made.append(client_keys(*arguments))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(ssh_connect, "client_keys", noted)
    transport = trusting.transport(user="c001", certificate_seconds=600)
    await transport.run("true\n", b"", 10)
    trusting.connections[0].abort()
    await until(lambda: not transport.connected)
    assert (await transport.run("echo again\n", b"", 10)).stdout == "again\n"
    assert len(made) == 2
    await transport.close()


async def test_an_untrusted_authority(trusting: Site, tmp_path: Path) -> None:
    """The error says what the site has to trust."""
    other = tmp_path / "other"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(other))
    other.chmod(0o600)
    transport = trusting.transport(user="c001", key_file=str(other), certificate_seconds=600)
    with pytest.raises(LoginError, match="TrustedUserCAKeys"):
        await transport.run("true\n", b"", 10)
