"""The way to the login node. Pure: each check takes a Site and looks at its facts; the first line of its docstring is in docs/doctor.md."""

from provider_daemon.doctor.facts import Site, Ssh
from provider_daemon.doctor.finding import Finding, Unknown, fail, judge, known, ok, warn
from provider_daemon.ports import ConnectOutcome

SLOW_SECONDS = 0.5  # a poll takes two to four round trips
OTHERS = 0o077  # mode bits of group and others
TODO = {
    ConnectOutcome.TIMED_OUT: "set clusters.ssh.login_seconds above the time that a login takes, or ask the site why it is slow",
    ConnectOutcome.SECOND_FACTOR: "ask the site to let this user in from this address with the key alone",
    ConnectOutcome.COMMAND_REFUSED: "ask the site whether the account is open and may run commands over SSH",
    ConnectOutcome.STDIN_CONSUMED: "change the account's login files so that they read stdin only where it is a terminal",
}
"""outcome of a login -> what to do"""


class NoSshError(Exception):
    """The cluster is reached without SSH."""


def _ssh(site: Site) -> Ssh:
    if site.ssh is None:
        raise NoSshError
    return site.ssh


def _where(site: Site) -> str:
    ssh = site.config.ssh
    return f"{ssh.user}@{ssh.host}:{ssh.port}" if ssh else "this host"


def key_file(site: Site) -> Finding:
    """The mode of the private key's file."""
    mode, path = _ssh(site).key_mode, site.config.ssh.key_file if site.config.ssh else ""
    if isinstance(mode, Unknown):
        return fail(f"{path}: {mode.why}", "give clusters.ssh.key_file a private key that provd's user can read")
    return judge(not mode & OTHERS, f"{path} has mode {mode & 0o777:04o}", f"chmod 600 {path}")


def host_key(site: Site) -> Finding:
    """The key that the host shows, against the pinned one."""
    found = _ssh(site).host_key
    if isinstance(found, Unknown) and not found.blame:
        return fail(found.why, "find out why the host's key changed before you pin a new one: known_hosts or host_key_fingerprint")
    return ok(known(found))


def login(site: Site) -> Finding:
    """Whether a connection and a login come about."""
    found = _ssh(site).login
    if isinstance(found, Unknown) and not found.blame:
        return fail(
            found.why, TODO.get(_ssh(site).outcome, f"check host, port, user and key_file of clusters.ssh by hand: ssh {_where(site)}")
        )
    return ok(known(found))


def sessions(site: Site) -> Finding:
    """How many channels sshd lets us have open at a time."""
    ssh = _ssh(site)
    taken = known(ssh.sessions)
    return judge(taken >= ssh.wanted, f"{taken} of {ssh.wanted} channels at a time", "set MaxSessions 10 (its default) in sshd_config")


def round_trip(site: Site) -> Finding:
    """The time that the shortest command takes, there and back."""
    seconds = known(_ssh(site).round_trip)
    seen = f"{seconds * 1000:.0f} ms for an empty command"
    if seconds <= SLOW_SECONDS:
        return ok(seen)
    return warn(seen, "run provd nearer to the login node, or look at its load")
