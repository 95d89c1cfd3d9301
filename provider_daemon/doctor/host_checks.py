"""Checks of the daemon's host. Pure; first lines are in docs/doctor.md."""

from provider_daemon.config.listening_checks import host_of, is_local
from provider_daemon.doctor.facts import Host
from provider_daemon.doctor.finding import Finding, Unknown, fail, judge, known, ok, skipped, warn

OLDEST, BEYOND = (3, 11), (3, 16)
OTHERS_WRITE = 0o022
OTHERS = 0o077


def python(host: Host) -> Finding:
    """The Python version is supported."""
    seen = ".".join(map(str, host.python))
    return judge(
        OLDEST <= host.python[:2] < BEYOND, f"Python {seen}", "install provd with Python 3.11 to 3.15"
    )


def config_file(host: Host) -> Finding:
    """Only its owner can write provd.toml."""
    writable = [
        f"{path} has mode {mode & 0o777:04o}"
        for path, mode in host.config_modes.items()
        if mode & OTHERS_WRITE
    ]
    return judge(
        not writable, ", ".join(writable) or "writable by its owner only", "run `chmod go-w` on the file"
    )


def secret_files(host: Host) -> Finding:
    """Only the owner can read the key and passphrase files."""
    lost = [f"{path}: {mode.why}" for path, mode in host.secret_modes.items() if isinstance(mode, Unknown)]
    readable = [
        f"{path} has mode {mode & 0o777:04o}"
        for path, mode in host.secret_modes.items()
        if not isinstance(mode, Unknown) and mode & OTHERS
    ]
    seen = ", ".join(lost + readable) or f"{len(host.secret_modes)} files readable by their owner only"
    return (
        fail(seen, "make provd's user the owner of each file and set its mode to 600")
        if lost or readable
        else ok(seen)
    )


def open_ports(host: Host) -> Finding:
    """The status page and the metrics, which have neither a login nor TLS, listen on loopback only."""
    open_ = [f"{key} is {address}" for key, address in host.listens.items() if not is_local(host_of(address))]
    todo = (
        "listen on 127.0.0.1, and let other hosts in through SSH or a reverse proxy with a login and TLS "
        "(docs/status.md)"
    )
    return judge(not open_, ", ".join(open_) or "ports without a login listen on loopback only", todo)


def unit(host: Host) -> Finding:
    """provd.service is installed and enabled at boot."""
    if isinstance(host.unit, Unknown):
        return skipped(host.unit.why)
    loaded, enabled = host.unit.get("LoadState", ""), host.unit.get("UnitFileState", "")
    if loaded != "loaded":
        return fail(
            f"provd.service is {loaded or 'not found'}",
            "install deploy/systemd/provd.service, then run `systemctl daemon-reload`",
        )
    seen = f"provd.service is {host.unit.get('ActiveState', '')} and {enabled}"
    return (
        ok(seen) if enabled == "enabled" else warn(seen, "run `systemctl enable provd` to start it at boot")
    )


def watchdog(host: Host) -> Finding:
    """The systemd watchdog restarts a daemon that hangs."""
    if isinstance(host.unit, Unknown):
        return skipped(host.unit.why)
    if host.unit.get("LoadState") != "loaded":
        return skipped("provd.service is not installed", "host-systemd")
    interval = known(host.unit).get("WatchdogUSec", "0")
    todo = (
        "set WatchdogSec=60 and Type=notify in the unit; otherwise systemd does not restart a daemon "
        "that hangs"
    )
    return judge(interval not in ("0", "", "infinity"), f"WatchdogSec is {interval}", todo)
