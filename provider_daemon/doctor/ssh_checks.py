"""Checks of the SSH connection to the login node. Pure; first lines are in docs/doctor.md."""

from provider_daemon.doctor.facts import SiteFacts, Ssh
from provider_daemon.doctor.finding import Finding, Unknown, fail, judge, known, ok, warn
from provider_daemon.ports import ConnectOutcome

SLOW_SECONDS = 0.5  # a poll takes two to four round trips
OTHERS = 0o077  # mode bits of group and others
REMEDIES = {
    ConnectOutcome.TIMED_OUT: "increase clusters.ssh.login_seconds, or ask the site why logins are slow",
    ConnectOutcome.SECOND_FACTOR: "ask the site to allow key-only logins of this user from this address",
    ConnectOutcome.COMMAND_REFUSED: (
        "ask the site whether the account is enabled and may run commands over SSH"
    ),
    ConnectOutcome.STDIN_CONSUMED: (
        "change the account's shell start-up files so that they read stdin only from a terminal"
    ),
}
"""outcome of a login -> what to do"""


class NoSshError(Exception):
    """The cluster is reached without SSH."""


def _ssh(site: SiteFacts) -> Ssh:
    if site.ssh is None:
        raise NoSshError
    return site.ssh


def _where(site: SiteFacts) -> str:
    ssh = site.config.ssh
    return f"{ssh.user}@{ssh.host}:{ssh.port}" if ssh else "this host"


def key_file(site: SiteFacts) -> Finding:
    """Only the owner can read the private key file."""
    mode, path = _ssh(site).key_mode, site.config.ssh.key_file if site.config.ssh else ""
    if isinstance(mode, Unknown):
        return fail(
            f"{path}: {mode.why}", "set clusters.ssh.key_file to a private key that provd's user can read"
        )
    return judge(not mode & OTHERS, f"{path} has mode {mode & 0o777:04o}", f"run `chmod 600 {path}`")


def host_key(site: SiteFacts) -> Finding:
    """The host key is the pinned one."""
    found = _ssh(site).host_key
    if isinstance(found, Unknown) and not found.cause:
        return fail(
            found.why,
            (
                "find out why the host key changed before you pin the new one in known_hosts or "
                "host_key_fingerprint"
            ),
        )
    return ok(known(found))


def login(site: SiteFacts) -> Finding:
    """provd can connect and log in."""
    found = _ssh(site).login
    if isinstance(found, Unknown) and not found.cause:
        return fail(
            found.why,
            REMEDIES.get(
                _ssh(site).outcome,
                (
                    f"check host, port, user and key_file in clusters.ssh, and try `ssh {_where(site)}` by "
                    "hand"
                ),
            ),
        )
    return ok(known(found))


def sessions(site: SiteFacts) -> Finding:
    """sshd allows as many concurrent sessions per connection as provd uses."""
    ssh = _ssh(site)
    taken = known(ssh.sessions)
    return judge(
        taken >= ssh.wanted,
        f"sshd accepted {taken} of {ssh.wanted} concurrent sessions",
        "set MaxSessions 10 (its default) in the login node's sshd_config",
    )


def round_trip(site: SiteFacts) -> Finding:
    """The round-trip time of an empty command."""
    seconds = known(_ssh(site).round_trip)
    seen = f"an empty command takes {seconds * 1000:.0f} ms"
    if seconds <= SLOW_SECONDS:
        return ok(seen)
    return warn(seen, "run provd closer to the login node, or check the login node's load")
