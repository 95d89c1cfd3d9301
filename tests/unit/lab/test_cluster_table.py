"""`provd lab config`: a site as a provd.toml has it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from provider_daemon.cli.app import app
from provider_daemon.config.model import parse
from provider_daemon.lab.site import layout

CHAIN_AND_KEY = """[chain]
id = "virtengine-localnet-1"
endpoints = ["127.0.0.1:9090"]

[keys.main]
kind = "armor"
path = "/key"
passphrase_file = "/passphrase"

"""


@pytest.fixture
def planned(tmp_path: Path) -> layout.Layout:
    made = layout.create(tmp_path / "slurm")
    layout.save(made)
    return made


def test_it_completes_a_configuration(planned: layout.Layout) -> None:
    """Behind a chain and a key it makes a whole provd.toml, which leads to the site's own sshd, account and
    directory."""
    told = CliRunner().invoke(app, ["lab", "config", str(planned.root)])
    (cluster,) = parse(CHAIN_AND_KEY + told.output, "provd.toml").clusters
    assert cluster.ssh
    assert (cluster.ssh.host, cluster.ssh.port, cluster.ssh.user) == (
        "127.0.0.1",
        planned.plan.ssh_port,
        planned.plan.user,
    )
    assert (cluster.account, cluster.work_root) == (planned.plan.account, str(planned.work_root))


def test_no_site_there(tmp_path: Path) -> None:
    """One line that says how to make one."""
    told = CliRunner().invoke(app, ["lab", "config", str(tmp_path)])
    assert told.exit_code == 1
    assert "create one with `provd lab up`" in str(told.exception)


def test_no_place_for_a_site(tmp_path: Path) -> None:
    """A file is no directory: one line says so."""
    (tmp_path / "file").touch()
    told = CliRunner().invoke(app, ["lab", "up", str(tmp_path / "file")])
    assert str(told.exception).endswith("file cannot be a site's directory: File exists")


def test_no_such_command(planned: layout.Layout) -> None:
    """What cannot be run on the site is named in one line."""
    told = CliRunner().invoke(app, ["lab", "exec", str(planned.root), "no-such-command"])
    assert str(told.exception) == "cannot run no-such-command: No such file or directory"
