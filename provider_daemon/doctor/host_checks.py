"""The host of the daemon. Pure: each check takes the Host facts; the first line of its docstring is in docs/doctor.md."""

from provider_daemon.doctor.facts import Host
from provider_daemon.doctor.finding import Finding, Unknown, fail, judge, known, ok, skipped, warn

OLDEST, BEYOND = (3, 11), (3, 16)
OTHERS_WRITE = 0o022
OTHERS = 0o077


def python(host: Host) -> Finding:
    """The version of Python."""
    seen = ".".join(map(str, host.python))
    return judge(OLDEST <= host.python[:2] < BEYOND, f"Python {seen}", "use Python 3.11 to 3.15")


def config_file(host: Host) -> Finding:
    """Who may write provd.toml: whoever can decides what runs and where."""
    writable = [f"{path} {mode & 0o777:04o}" for path, mode in host.config_modes.items() if mode & OTHERS_WRITE]
    return judge(not writable, ", ".join(writable) or "its owner's alone to write", "chmod go-w the file")


def secret_files(host: Host) -> Finding:
    """The modes of key and passphrase files."""
    lost = [f"{path}: {mode.why}" for path, mode in host.secret_modes.items() if isinstance(mode, Unknown)]
    readable = [f"{path} {mode & 0o777:04o}" for path, mode in host.secret_modes.items() if not isinstance(mode, Unknown) and mode & OTHERS]
    seen = ", ".join(lost + readable) or f"{len(host.secret_modes)} files, their owner's alone"
    return fail(seen, "chmod 600 each, owned by provd's user") if lost or readable else ok(seen)


def unit(host: Host) -> Finding:
    """Whether systemd knows provd.service and starts it at boot."""
    if isinstance(host.unit, Unknown):
        return skipped(host.unit.why)
    loaded, enabled = host.unit.get("LoadState", ""), host.unit.get("UnitFileState", "")
    if loaded != "loaded":
        return fail(f"provd.service is {loaded or 'not known'}", "install deploy/systemd/provd.service: systemctl daemon-reload")
    seen = f"provd.service is {host.unit.get('ActiveState', '')} and {enabled}"
    return ok(seen) if enabled == "enabled" else warn(seen, "systemctl enable provd: it does not start at boot otherwise")


def watchdog(host: Host) -> Finding:
    """Whether systemd watches the daemon's signs of life."""
    if isinstance(host.unit, Unknown):
        return skipped(host.unit.why)
    if host.unit.get("LoadState") != "loaded":
        return skipped("provd.service is not installed", "host-systemd")
    interval = known(host.unit).get("WatchdogUSec", "0")
    todo = "set WatchdogSec=60 and Type=notify in the unit: a daemon that hangs is not restarted otherwise"
    return judge(interval not in ("0", "", "infinity"), f"WatchdogSec is {interval}", todo)
