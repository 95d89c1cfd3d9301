"""The logins to a cluster's login node, from its configuration."""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from provider_daemon.config.model import ClusterConfig
from provider_daemon.job.site_root import user_at
from provider_daemon.ports import Clock
from provider_daemon.slurm.local import LocalTransport
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.slurm.site_connections import IDLE_SECONDS, SiteConnections
from provider_daemon.slurm.ssh import SshTransport

SiteTransport: TypeAlias = LocalTransport | SshTransport


def logins(cluster: ClusterConfig, clock: Clock, key_file: str = "") -> SiteLogins[SiteTransport]:
    """`key_file` replaces the daemon's SSH key: gateway and mover run as users who cannot read that one."""
    make = partial(_transport, cluster, clock, key_file, SiteConnections())
    return SiteLogins(make(""), make if cluster.pool else None)


def login_at(site: SiteLogins[SiteTransport], cluster: ClusterConfig) -> Callable[[str], SiteTransport]:
    """Returns root -> the login of the Unix user whose files are there."""
    return lambda root: site.as_user(user_at(cluster.work_root, root) if cluster.pool else "")


def _transport(
    cluster: ClusterConfig, clock: Clock, key_file: str, site: SiteConnections, user: str
) -> SiteTransport:
    """`user` is a pool user, or "" for the main user."""
    if cluster.transport == "local" or cluster.ssh is None:
        return LocalTransport(path=cluster.slurm_path, user=user)
    ssh, pool = cluster.ssh, cluster.pool
    return SshTransport(
        host=ssh.host,
        port=ssh.port,
        user=user or ssh.user,
        key_file=key_file or ssh.key_file,
        known_hosts=ssh.known_hosts,
        host_key_fingerprint=ssh.host_key_fingerprint,
        clock=clock,
        login_seconds=ssh.login_seconds,
        path=cluster.slurm_path,
        certificate_seconds=60 * pool.certificate_minutes if pool and pool.login == "certificate" else 0,
        site=site,
        idle_seconds=IDLE_SECONDS if user else 0,
    )
