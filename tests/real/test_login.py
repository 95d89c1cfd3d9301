"""What real sites do to a login, against OpenSSH.

Each login works, or fails with one line that names its cause.
"""

from pathlib import Path

import pytest

from provider_daemon.errors import ProvdError, Transient
from provider_daemon.ports import ConnectOutcome
from provider_daemon.slurm import ssh
from provider_daemon.slurm.inspect import Inspection
from provider_daemon.slurm.login import LoginError
from provider_daemon.slurm.ssh import SshTransport
from tests.real.sshd import TYPES, Sshd, sshd

pytestmark = pytest.mark.real

ECHO = "echo out; cat\n"
CERTIFICATE = "HostCertificate {directory}/host_ed25519-cert.pub"
SLOW = 'ForceCommand sleep 2; eval "$SSH_ORIGINAL_COMMAND"'


async def works(transport: SshTransport) -> bool:
    try:
        return (await transport.run(ECHO, b"payload", 10)).stdout.endswith("out\npayload")
    finally:
        await transport.close()


async def problem(transport: SshTransport) -> ProvdError:
    with pytest.raises(ProvdError) as caught:
        await transport.run(ECHO, b"payload", 10)
    await transport.close()
    assert "\n" not in str(caught.value)
    return caught.value


def listed(site: Sshd, tmp_path: Path, *lines: str) -> SshTransport:
    file = tmp_path / "known_hosts"
    file.write_text("".join(f"{line}\n" for line in lines))
    return site.transport(known_hosts=str(file))


# --- host keys ---


@pytest.mark.parametrize("kind", TYPES)
async def test_a_fingerprint_of_any_type(tmp_path: Path, kind: str) -> None:
    """A pinned fingerprint is found within one attempt, though it does not name the type of its key.

    sshd has a key of each type.
    """
    async with sshd(tmp_path / "ssh") as site:
        transport = site.transport(host_key_fingerprint=site.keys.fingerprint(kind))
        assert await works(transport)
        assert dict(transport.counts.connects) == {ConnectOutcome.CONNECTED: 1}


async def test_a_fingerprint_of_no_key(tmp_path: Path) -> None:
    """The error for an unknown fingerprint lists every key of the host, for a comparison."""
    async with sshd(tmp_path / "ssh") as site:
        error = await problem(site.transport(host_key_fingerprint="SHA256:" + "A" * 43))
        assert isinstance(error, LoginError)
        assert error.outcome is ConnectOutcome.HOST_KEY_MISMATCH
        assert all(site.keys.fingerprint(kind) in str(error) for kind in TYPES)


async def test_a_fingerprint_beside_a_certificate(tmp_path: Path) -> None:
    """A host with a certificate is identified by its pinned key too."""
    async with sshd(tmp_path / "ssh", [CERTIFICATE], principal="login.example.org") as site:
        assert await works(site.transport())


@pytest.mark.parametrize("kind", TYPES)
async def test_known_hosts_with_one_of_the_keys(tmp_path: Path, kind: str) -> None:
    async with sshd(tmp_path / "ssh", [CERTIFICATE], principal="login.example.org") as site:
        assert await works(listed(site, tmp_path, f"{site.place} {site.keys.public(f'host_{kind}')}"))


async def test_a_certificate_authority(tmp_path: Path) -> None:
    """@cert-authority in known_hosts accepts a host whose certificate names it, and no other host.

    The file also has keys of other hosts.
    """
    async with sshd(tmp_path / "ssh", [CERTIFICATE], principal="127.0.0.1") as site:
        authority = f"@cert-authority {site.place},*.example.org {site.keys.public('authority')}"
        assert await works(listed(site, tmp_path, authority))
        assert await works(listed(site, tmp_path, f"login2 {site.keys.public('id')}", authority))
        stranger = await problem(
            listed(site, tmp_path, f"@cert-authority {site.place} {site.keys.public('id')}")
        )
        assert isinstance(stranger, LoginError)
        assert stranger.outcome is ConnectOutcome.HOST_KEY_MISMATCH
    async with sshd(tmp_path / "other", [CERTIFICATE], principal="login.example.org") as site:
        elsewhere = await problem(
            listed(site, tmp_path, f"@cert-authority {site.place} {site.keys.public('authority')}")
        )
        assert isinstance(elsewhere, LoginError)
        assert elsewhere.outcome is ConnectOutcome.HOST_KEY_MISMATCH


async def test_a_torn_line_of_known_hosts(tmp_path: Path) -> None:
    """A damaged line of known_hosts does not affect the other lines.

    If they do not contain the host, the error names the damaged line's number.
    """
    async with sshd(tmp_path / "ssh") as site:
        key, torn = site.keys.public("host_ed25519"), f"{site.place} ssh-ed25519 AAAAC3NzaC1lZDI1"
        assert await works(listed(site, tmp_path, "# comment", torn, f"{site.place} {key}"))
        error = await problem(listed(site, tmp_path, "# comment", torn, f"other {key}", "word"))
        assert isinstance(error, LoginError)
        assert error.outcome is ConnectOutcome.HOST_KEY_MISMATCH
        assert "lines 2, 4" in str(error)


async def test_an_ipv6_address(tmp_path: Path) -> None:
    async with sshd(tmp_path / "ssh", host="::1") as site:
        assert await works(site.transport())
        assert await works(listed(site, tmp_path, f"{site.place} {site.keys.public('host_ecdsa')}"))


# --- logins ---


async def test_a_banner_in_latin_1(tmp_path: Path) -> None:
    """A login succeeds whatever the encoding of the site's banner."""
    (tmp_path / "banner").write_bytes("Universit\u00e9 - acc\u00e8s r\u00e9serv\u00e9\n".encode("latin-1"))
    async with sshd(tmp_path / "ssh", [f"Banner {tmp_path}/banner"]) as site:
        assert await works(site.transport())


async def test_a_slow_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login may take longer than a program may wait for its start.

    The program never runs late, and the next program uses the connection.
    """
    monkeypatch.setattr(ssh, "START_SECONDS", 0.5)
    async with sshd(tmp_path / "ssh", [SLOW]) as site:
        transport = site.transport(login_seconds=20)
        with pytest.raises(Transient, match=r"login is still under way.*login_seconds"):
            await transport.run(ECHO, b"", 10)
        await transport.connect()
        assert dict(transport.counts.connects) == {ConnectOutcome.CONNECTED: 1}
        await transport.close()


async def test_a_login_slower_than_it_may_be(tmp_path: Path) -> None:
    async with sshd(tmp_path / "ssh", [SLOW]) as site:
        transport = site.transport(login_seconds=1)
        error = await problem(transport)
        assert "within 1 s; clusters.ssh.login_seconds" in str(error)
        assert dict(transport.counts.connects) == {ConnectOutcome.TIMED_OUT: 1}


@pytest.mark.parametrize(
    ("lines", "outcome", "words"),
    [
        (
            ["ForceCommand /usr/sbin/nologin"],
            ConnectOutcome.COMMAND_REFUSED,
            "This account is currently not available",
        ),
        (
            ["AuthenticationMethods publickey,keyboard-interactive", "KbdInteractiveAuthentication yes"],
            ConnectOutcome.SECOND_FACTOR,
            "second factor",
        ),
        (
            ['ForceCommand printf "Project? "; read -r project; eval "$SSH_ORIGINAL_COMMAND"'],
            ConnectOutcome.STDIN_CONSUMED,
            "read from stdin",
        ),
        (
            ['ForceCommand cat >/dev/null; eval "$SSH_ORIGINAL_COMMAND"'],
            ConnectOutcome.STDIN_CONSUMED,
            "read from stdin",
        ),
        (["AuthorizedKeysFile none"], ConnectOutcome.LOGIN_REFUSED, "the login is refused"),
        (
            ["AuthorizedKeysFile none", "KbdInteractiveAuthentication yes"],
            ConnectOutcome.LOGIN_REFUSED,
            "the login is refused",
        ),
    ],
)
async def test_a_login_that_does_not_work(
    tmp_path: Path, lines: list[str], outcome: ConnectOutcome, words: str
) -> None:
    """Each cause has its own line and its own outcome, used by metrics, alert and doctor."""
    async with sshd(tmp_path / "ssh", lines) as site:
        transport = site.transport()
        error = await problem(transport)
        assert isinstance(error, LoginError)
        assert error.outcome is outcome
        assert words in str(error)
        assert dict(transport.counts.connects) == {outcome: 1}


async def test_login_files_that_print(tmp_path: Path) -> None:
    """Greetings on both streams, before every command, are not parsed as answers."""
    lines = ['ForceCommand echo "Welcome"; echo "Quota: 80%" >&2; eval "$SSH_ORIGINAL_COMMAND"']
    async with sshd(tmp_path / "ssh", lines) as site:
        assert await works(site.transport())


async def test_slurm_that_is_not_in_the_path(tmp_path: Path) -> None:
    """`slurm_path` precedes the PATH of the login, so that SLURM's commands are found there first."""
    (tmp_path / "slurm bin").mkdir()
    program = tmp_path / "slurm bin/sbatch"
    program.write_text("#!/bin/sh\necho slurm 24.11.5\n")
    program.chmod(0o755)
    async with sshd(tmp_path / "ssh", ["SetEnv PATH=/usr/local/nothing-of-slurm"]) as site:
        assert await Inspection(site.transport(path=[str(tmp_path / "slurm bin")])).version() == "24.11.5"
