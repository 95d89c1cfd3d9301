"""What systemd is told, and what its unit promises."""

import configparser
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provider_daemon import systemd
from provider_daemon.daemon.app import DRAIN_SECONDS, WATCHDOG_SECONDS

SHIPPED = Path(__file__).parents[2] / "deploy" / "systemd"
UNIT, GATEWAY = SHIPPED / "provd.service", SHIPPED / "provd-gateway.service"
AGENT, COLLECTOR = SHIPPED / "provd-agent.service", SHIPPED / "provd-collector.service"


class _Unit(configparser.RawConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return optionstr


def service(path: Path = UNIT) -> configparser.SectionProxy:
    unit = _Unit(strict=False)  # SystemCallFilter comes twice, as systemd wants it
    unit.read(path)
    return unit["Service"]


@contextmanager
def listening(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address)
        receiver.settimeout(5)
        yield receiver


def test_notify_reaches_a_socket_with_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One datagram for each state, to the socket that systemd named."""
    path = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    with listening(path) as receiver:
        systemd.notify("READY=1")
        systemd.notify("WATCHDOG=1")
        assert [receiver.recv(100), receiver.recv(100)] == [b"READY=1", b"WATCHDOG=1"]


def test_notify_reaches_an_abstract_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd writes an abstract address with @ for its leading zero byte."""
    name = f"provd-test-{uuid.uuid4()}"
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
    with listening(f"\0{name}") as receiver:
        systemd.notify("STOPPING=1")
        assert receiver.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize("address", [None, "", "/nowhere/notify"])
def test_notify_without_a_listener_is_nothing(address: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside systemd, or when its socket is gone, the daemon goes on."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    systemd.notify("READY=1")


def test_status_is_one_word_to_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure's text may be a stranger's: it ends no watchdog and names no other main process."""
    path = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    with listening(path) as receiver:
        systemd.status("not ready: intake: x\nMAINPID=1\r\x1b[2J" + "y" * 1000)
        said = receiver.recv(2000)
    assert said.startswith(b"STATUS=not ready: intake: x\\nMAINPID=1\\r\\x1b[2Jyyy")
    assert len(said) == len("STATUS=") + systemd.MAX_STATUS


@pytest.mark.parametrize(
    ("microseconds", "meant", "seconds"),
    [
        ("60000000", "us", 10),
        ("3000000", "us", 1),
        ("3000000", "", 1),
        ("3000000", "our parent", 10),
        ("", "", 10),
        ("0", "us", 10),
        ("soon", "us", 10),
    ],
)
def test_signs_of_life_fit_the_watchdog(
    microseconds: str, meant: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thrice in the time that systemd waits for one, where it waits and means this process; else as by
    default."""
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    if meant:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() if meant == "us" else os.getppid()))
    assert systemd.watchdog_seconds(10) == seconds
    monkeypatch.delenv("WATCHDOG_USEC")
    assert systemd.watchdog_seconds(10) == 10


def test_unit_starts_the_daemon_as_it_speaks() -> None:
    """The unit waits for READY=1, keeps state where the default configuration says, and hands over the key
    encrypted at rest."""
    unit = service()
    assert (unit["Type"], unit["Restart"], unit["User"]) == ("notify", "on-failure", "provd")
    assert unit["StateDirectory"] == "provd"
    assert unit["LoadCredentialEncrypted"] == "provd-key"
    assert unit["ExecStart"] == "provd run --config /etc/provd/provd.toml"
    assert unit["ExecReload"] == "/bin/sh -c 'kill -HUP $MAINPID'"
    assert unit["RestartPreventExitStatus"] == "2"


def test_unit_times_leave_room_for_the_daemon() -> None:
    """Two missed signs of life are no death yet, and a draining daemon is not killed."""
    unit = service()
    assert int(unit["WatchdogSec"]) > 2 * WATCHDOG_SECONDS
    assert int(unit["TimeoutStopSec"]) > 2 * DRAIN_SECONDS


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("CapabilityBoundingSet", ""),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateDevices", "yes"),
        ("MemoryDenyWriteExecute", "yes"),
        ("RestrictNamespaces", "yes"),
        ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"),
        ("UMask", "0077"),
        ("LimitCORE", "0"),
    ],
)
def test_unit_is_closed_in(key: str, value: str) -> None:
    """The daemon holds a signing key: it gets nothing that it does not need, and leaves no core with the key
    in it."""
    assert service()[key] == value


@pytest.mark.parametrize("name", ["gateway", "collector"])
def test_services_are_other_users_of_the_group(name: str) -> None:
    """Each starts as its command is spelt, reads what the group may read, and gets no credential."""
    unit = service(SHIPPED / f"provd-{name}.service")
    assert (unit["User"], unit["Group"], unit["StateDirectory"]) == (
        f"provd-{name}",
        "provd",
        f"provd-{name}",
    )
    assert unit["ExecStart"] == f"provd {name} --config /etc/provd/provd.toml"
    assert not [key for key in unit if key.startswith("LoadCredential")]
    assert service()["StateDirectoryMode"] == "0750"
    users = (SHIPPED / f"sysusers-{name}.conf").read_text()
    assert f"u provd-{name} " in users
    assert f"m provd-{name} provd" in users


@pytest.mark.parametrize("path", [GATEWAY, COLLECTOR], ids=lambda path: path.stem)
def test_services_are_as_closed_in_as_the_daemon(path: Path) -> None:
    """Whatever the daemon's sandbox forbids, theirs forbid too, but for the group and their files."""
    daemon, other = service(), service(path)
    own = {
        "ExecStart",
        "User",
        "StateDirectory",
        "RuntimeDirectory",  # of the control socket, which they cannot see
        "RuntimeDirectoryMode",
        "RuntimeDirectoryPreserve",
        "PrivateUsers",  # the daemon must see which operator asks
        "LoadCredentialEncrypted",
        "UMask",
        "TimeoutStopSec",
        "LimitNOFILE",
    }
    assert {key: other.get(key) for key in daemon if key not in own} == {
        key: value for key, value in daemon.items() if key not in own
    }
    assert other["PrivateUsers"] == "yes"
    assert other["UMask"] == "0027"


@pytest.mark.parametrize("name", ["gateway", "mover", "collector"])
def test_services_cannot_see_the_control_socket(name: str) -> None:
    assert "InaccessiblePaths=-/run/provd\n" in (SHIPPED / f"provd-{name}.service").read_text()


def test_the_agent_is_closed_in_but_for_what_it_measures() -> None:
    """It gets GPUs, /proc and the kernel's log, and of all else no more than the daemon."""
    daemon, agent = service(), service(AGENT)
    measured = {
        "CapabilityBoundingSet": "CAP_SYSLOG",
        "AmbientCapabilities": "CAP_SYSLOG",
        "ProtectKernelLogs": "no",
        "PrivateDevices": "no",
        "ProcSubset": "all",
        "MemoryDenyWriteExecute": "no",
    }
    assert {key: agent[key] for key in measured} == measured
    forbids = {
        key: value
        for key, value in daemon.items()
        if key.startswith(("Protect", "Private", "Restrict", "SystemCall", "NoNew", "Lock", "IPAddress"))
        and key not in measured
        and key != "RestartPreventExitStatus"
    }
    assert {key: agent.get(key) for key in forbids} == forbids
    assert agent["DevicePolicy"] == "closed"
    assert (agent["User"], agent["StateDirectory"], agent["UMask"]) == ("provd-agent", "provd-agent", "0077")
    assert agent["ExecStart"] == "provd-agent --config /etc/provd-agent/agent.toml"
    assert not [key for key in agent if key.startswith("LoadCredential")]
