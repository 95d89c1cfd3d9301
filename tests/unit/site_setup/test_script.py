"""`provd site prepare`: the script that a site's administrator reads and runs."""

import subprocess
from pathlib import Path

import asyncssh
import pytest
from typer.testing import CliRunner

from provider_daemon.cli.app import app
from provider_daemon.site_setup.script import Login, Part, Pool, all_parts, script
from tests.unit.config.test_model import GOOD
from tests.unit.config.test_pool import POOL

POOLED = Pool(
    "HPC-1", "provd", "/scratch/provd", "provd", ("c001", "c002"), Login.CERTIFICATE, ("ssh-ed25519 KEY",)
)
SSH = """
[clusters.ssh]
host = "login"
user = "coordinator"
key_file = "{key}"
known_hosts = "/etc/provd/known_hosts"
"""


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["site", "prepare", *arguments])
    assert done.exit_code == code, done.output
    return f"{done.output}{done.exception or ''}"


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    key = tmp_path / "ca"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(key))
    pooled = GOOD.replace('transport = "local"', 'accounts = "pool"\naccount = "provd"')
    path = tmp_path / "provd.toml"
    path.write_text(pooled + SSH.format(key=key) + POOL)
    return path


@pytest.mark.parametrize("login", Login)
def test_the_script_is_shell(login: Login) -> None:
    """Every form of it is POSIX sh without a syntax error."""
    pool = Pool("HPC-1", "provd", "/scratch/provd", "", ("c001",), login, ("ssh-ed25519 KEY",), 61000)
    text = script(pool, all_parts(login))
    assert subprocess.run(["/bin/sh", "-n"], input=text, text=True, check=False).returncode == 0


def test_what_the_site_trusts() -> None:
    """sshd accepts certificates for the group's members only, and none of their own keys or login files."""
    text = script(POOLED, [Part.SSH])
    block = text[text.index("Match Group provd-login") : text.index("Match all")]
    assert "TrustedUserCAKeys /etc/ssh/provd_user_ca.pub" in block
    assert "AuthorizedKeysFile none" in block
    assert "PermitUserRC no" in block
    assert "TrustedUserCAKeys" not in text.replace(block, "")


def test_uids_follow_the_first(configuration: Path) -> None:
    """With --first-uid all hosts give a user the same uid; without it each host chooses."""
    assert "--uid $uid" in run("-c", str(configuration), "--part", "users", "--first-uid", "61000")
    assert "uid" not in run("-c", str(configuration), "--part", "users").replace("getent", "")


def test_the_default_has_what_the_login_needs(configuration: Path) -> None:
    """Users, files, SLURM and sshd, with the public key of the authority and never the private one."""
    text = run("-c", str(configuration))
    key = asyncssh.read_private_key(f"{configuration.parent}/ca").export_public_key().decode().split()[1]
    assert key in text
    assert "PRIVATE" not in text
    assert [part for part in Part if f"# --- {part}:" in text] == list(all_parts(Login.CERTIFICATE))
    for user in ("provd-c001", "provd-c004", "guest", "coordinator"):
        assert user in text


def test_what_cannot_be_prepared(configuration: Path, tmp_path: Path) -> None:
    """Shared accounts need no preparation; a key that cannot be read is named, with what to do."""
    shared = tmp_path / "shared.toml"
    shared.write_text(GOOD)
    assert "nothing to prepare" in run("-c", str(shared), code=1)
    (configuration.parent / "ca").unlink()
    assert "ssh-keygen -y" in run("-c", str(configuration), code=1)
    assert "useradd" in run("-c", str(configuration), "--part", "users")
    assert "no cluster 'HPC-9'" in run("HPC-9", "-c", str(configuration), code=1)
