"""The SSH transport against a real SSH server in this process: host keys, logins, commands and their
answers."""

import asyncio
from pathlib import Path

import asyncssh
import pytest

from provider_daemon.errors import ConfigError, Unreadable
from provider_daemon.ports import ConnectOutcome
from provider_daemon.slurm import transport as module
from provider_daemon.slurm.login import LoginError
from provider_daemon.slurm.transport import command_line
from tests.unit.slurm.sshd import PROGRAM, Site


async def test_answer_comes_back_apart(site: Site) -> None:
    """stdout, stderr and the exit code are three things; the payload arrives whole; no variable of ours
    travels."""
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
    assert site.commands == [command_line("echo 'secret'\n")]
    assert "secret" not in site.commands[0]
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
    for text in (
        b"",
        f"[127.0.0.1]:{site.port} ".encode()
        + asyncssh.generate_private_key("ssh-ed25519").export_public_key(),
    ):
        file.write_bytes(text)
        with pytest.raises(Unreadable, match="host key"):
            await site.transport(known_hosts=str(file)).run(PROGRAM, b"", 10)


async def test_files_that_are_no_keys(site: Site, tmp_path: Path) -> None:
    """A key file and a known_hosts file that hold something else are the operator's to mend, and told as
    that."""
    file = tmp_path / "file"
    file.write_text("11" * 32)
    file.chmod(0o600)
    for changes, text in (
        ({"key_file": str(file)}, "key_file cannot be read"),
        ({"known_hosts": str(file)}, "no line can be read: 1"),
    ):
        with pytest.raises(Unreadable, match=text):
            await site.transport(**changes).run(PROGRAM, b"", 10)


async def test_there_is_no_way_without_a_host_key(site: Site, tmp_path: Path) -> None:
    """Neither pin, both pins, or a file that is not there: refused before anything is sent."""
    both = {"known_hosts": str(site.authorized), "host_key_fingerprint": "SHA256:x"}
    for pins in ({"host_key_fingerprint": ""}, both, {"known_hosts": str(tmp_path / "none")}):
        with pytest.raises(ConfigError, match="known_hosts"):
            site.transport(**pins)


async def test_home_plays_no_part(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lies in ~/.ssh, authorities that vouch for any host too: it is not read, not even looked
    for."""
    (tmp_path / ".ssh/crt").mkdir(parents=True)
    for name in ("config", "ca-bundle.crt", "known_hosts", "id_ed25519"):
        (tmp_path / ".ssh" / name).write_text(
            "-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n"
        )
    monkeypatch.setenv("HOME", str(tmp_path))
    transport = site.transport()
    assert (await transport.run(PROGRAM, b"", 10)).exit_code == 3
    await transport.close()


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


@pytest.mark.parametrize("login_files", ["read -r project", "head -c 40 >/dev/null", "cat >/dev/null"])
async def test_login_files_that_read_stdin(site: Site, login_files: str) -> None:
    """Whatever they took of it, nothing is run: not the rest of a program, and not what came after it."""
    transport = site.transport()
    await transport.run(PROGRAM, b"", 10)
    site.login_files = login_files
    with pytest.raises(LoginError) as caught:
        await transport.run("exit 3\n", b"echo from the payload\n" * 1000, 10)
    assert caught.value.outcome is ConnectOutcome.STDIN_CONSUMED
    await transport.close()
    fresh = site.transport()
    with pytest.raises(LoginError):
        await fresh.run(PROGRAM, b"", 10)
    assert dict(fresh.counts.connects) == {ConnectOutcome.STDIN_CONSUMED: 1}


@pytest.mark.parametrize("pinned", ["ssh-ed25519", "ecdsa-sha2-nistp384", "ssh-rsa"])
async def test_fingerprint_of_a_host_with_several_keys(site: Site, pinned: str) -> None:
    """Each type of key is asked for in turn within one attempt, and the type that was right comes first the
    next time."""
    keys = {
        kind: asyncssh.generate_private_key(kind)
        for kind in ("ssh-rsa", "ecdsa-sha2-nistp384", "ssh-ed25519")
    }
    await site.listen_with(list(keys.values()))
    transport = site.transport(host_key_fingerprint=keys[pinned].get_fingerprint())
    assert (await transport.run(PROGRAM, b"", 10)).exit_code == 3
    assert dict(transport.counts.connects) == {ConnectOutcome.CONNECTED: 1}
    seen = site.logins
    site.connections[-1].abort()
    while transport.connected:
        await asyncio.sleep(0)
    assert (await transport.run(PROGRAM, b"", 10)).exit_code == 3
    assert site.logins == seen + 1
    await transport.close()


async def test_torn_line_of_known_hosts(site: Site, tmp_path: Path) -> None:
    """It is named by its number where the host is in none of the lines that can be read, and left out
    otherwise."""
    file = tmp_path / "known_hosts"
    key = site.host_key.export_public_key().decode()
    file.write_text(f"# comment\n[127.0.0.1]:{site.port} ssh-ed25519 AAAAC3\nelsewhere {key}")
    with pytest.raises(LoginError, match=r"not in known_hosts.*line 2 of it cannot be read"):
        await site.transport(known_hosts=str(file)).run(PROGRAM, b"", 10)
    file.write_text(f"{file.read_text()}[127.0.0.1]:{site.port} {key}")
    transport = site.transport(known_hosts=str(file))
    assert (await transport.run(PROGRAM, b"", 10)).exit_code == 3
    await transport.close()


async def test_flood_is_cut(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login node that never ends its answer fills no memory, and the connection goes on."""
    monkeypatch.setattr(module, "MAX_ANSWER", 300_000)
    transport = site.transport()
    for flood in ("head -c 3000000 /dev/zero\n", "head -c 3000000 /dev/zero >&2\n"):
        answer = await transport.run(flood, b"", 10)
        assert (answer.exit_code, len(answer.stdout) <= 300_000, "over" in answer.stderr) == (
            None,
            True,
            True,
        )
    assert (await transport.run("echo fine\n", b"", 10)).stdout == "fine\n"
    assert site.logins == 1
    await transport.close()
