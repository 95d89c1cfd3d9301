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


def test_the_gateway_is_another_user_of_the_group() -> None:
    """It starts as its command is spelt, reads what the group may read, and gets no credential."""
    unit = service(GATEWAY)
    assert (unit["User"], unit["Group"], unit["StateDirectory"]) == (
        "provd-gateway",
        "provd",
        "provd-gateway",
    )
    assert unit["ExecStart"] == "provd gateway --config /etc/provd/provd.toml"
    assert not [key for key in unit if key.startswith("LoadCredential")]
    assert service()["StateDirectoryMode"] == "0750"
    users = (SHIPPED / "sysusers-gateway.conf").read_text()
    assert "u provd-gateway " in users
    assert "m provd-gateway provd" in users


def test_the_gateway_is_as_closed_in_as_the_daemon() -> None:
    """Whatever the daemon's sandbox forbids, the gateway's forbids too, but for the group and its files."""
    daemon, gateway = service(), service(GATEWAY)
    own = {
        "ExecStart",
        "User",
        "StateDirectory",
        "RuntimeDirectory",  # of the control socket, which the gateway cannot see
        "RuntimeDirectoryMode",
        "RuntimeDirectoryPreserve",
        "PrivateUsers",  # the daemon must see which operator asks
        "LoadCredentialEncrypted",
        "UMask",
        "TimeoutStopSec",
        "LimitNOFILE",
    }
    assert {key: gateway.get(key) for key in daemon if key not in own} == {
        key: value for key, value in daemon.items() if key not in own
    }
    assert gateway["PrivateUsers"] == "yes"
    for unit in ("provd-gateway.service", "provd-mover.service"):
        assert "InaccessiblePaths=-/run/provd\n" in (SHIPPED / unit).read_text()
    assert gateway["UMask"] == "0027"
