"""The private site's configuration files, as text."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from provider_daemon.lab.site import conf
from provider_daemon.lab.site.layout import Layout, Plan, address_of
from provider_daemon.lab.site.processes import LabError

PLAN = Plan(
    "root",
    "provdlab",
    "box",
    "/run/x",
    11000,
    11001,
    11002,
    (11003, 11004),
    settings={"MinJobAge": "30", "KillWait": ""},
)
LAYOUT = Layout(Path("/srv/site"), PLAN)


def test_slurm_conf() -> None:
    """One line a setting, one a node; a site's own settings win, and an empty one drops the line."""
    lines = conf.slurm_conf(LAYOUT).splitlines()
    assert (
        "NodeName=n2 NodeHostName=box NodeAddr=127.0.0.1 Port=11004 CPUs=16 RealMemory=65536 Gres=gpu:a100:2"
    ) in lines
    assert "SlurmctldHost=box(127.0.0.1)" in lines
    assert "MinJobAge=30" in lines
    assert not [line for line in lines if line.startswith("KillWait")]
    assert "AccountingStorageTRES=gres/gpu,gres/gpu:a100" in lines
    assert [line.split()[0] for line in lines if line.startswith("PartitionName")] == [
        f"PartitionName={name}" for name in conf.PARTITIONS
    ]


def test_slurm_is_reached_where_it_listens() -> None:
    """By the address that the host's own name leads to, which need not be 127.0.0.1."""
    lines = conf.slurm_conf(Layout(Path("/srv/site"), replace(PLAN, address="127.0.1.1"))).splitlines()
    assert "SlurmctldHost=box(127.0.1.1)" in lines
    assert len([line for line in lines if " NodeAddr=127.0.1.1 " in line]) == 2


@pytest.mark.parametrize(
    ("address", "options"),
    [("127.0.0.1", "NoInAddrAny,NoCtldInAddrAny"), ("192.168.7.5", "NoInAddrAny"), ("127.0.1.1", "")],
)
def test_who_is_called_back_is_found(address: str, options: str) -> None:
    """SLURM listens on the host's own address alone only where its calls come from there; those from
    127.0.1.1, and those to slurmdbd, come from 127.0.0.1."""
    lines = conf.slurm_conf(Layout(Path("/srv/site"), replace(PLAN, address=address))).splitlines()
    found = [line for line in lines if line.startswith("CommunicationParameters=")]
    assert found == ([f"CommunicationParameters={options}"] if options else [])


def test_a_host_whose_name_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """SLURM's own daemons would say so after a long while; the line for /etc/hosts is said at once."""

    def unknown(host: str) -> str:
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "gethostbyname", unknown)
    with pytest.raises(LabError, match=r"add the line .* to /etc/hosts"):
        address_of("box")


def test_gpus_are_character_devices() -> None:
    """A device a line; jobs see no GPU whose file is anything else."""
    assert conf.gres_conf(LAYOUT).splitlines() == [
        "AutoDetect=off",
        "NodeName=n1,n2 Name=gpu Type=a100 File=/dev/null",
        "NodeName=n1,n2 Name=gpu Type=a100 File=/dev/zero",
    ]


def test_without_cgroups_in_every_version() -> None:
    """From 23.11 on a site can say that it has none."""
    assert conf.cgroup_conf((22, 5)) == "CgroupAutomount=no\nCgroupPlugin=cgroup/v1\n"
    assert conf.cgroup_conf((24, 11)) == "CgroupPlugin=disabled\n"


def test_only_the_job_user_logs_in() -> None:
    """By key, on the loopback interface."""
    lines = conf.sshd_config(LAYOUT).splitlines()
    assert {"ListenAddress 127.0.0.1", "AllowUsers provdlab", "PasswordAuthentication no"} <= set(lines)


def test_slurmdbd_is_reached_by_the_hosts_own_name() -> None:
    """Or it refuses to start."""
    lines = conf.slurmdbd_conf(LAYOUT).splitlines()
    assert {"DbdHost=box", "DbdAddr=127.0.0.1", "DbdPort=11001"} <= set(lines)
